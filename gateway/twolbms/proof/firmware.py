"""The node's own modules, imported into this process from the firmware's source."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from twolbms.scenario.nodes import firmware_folder


def firmware(name: str) -> ModuleType:
    """A module of the firmware by its name there, such as `node.protect`."""
    folder = str(firmware_folder())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)
