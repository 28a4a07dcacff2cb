"""A board's files as modules of their own: each call has fresh ones."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from twolbms.files import data_path


def nucleo_disk() -> ModuleType:
    """disk.py of the NUCLEO-G474RE."""
    path = data_path("firmware", "boards", "nucleo_g474re", "disk.py")
    spec = importlib.util.spec_from_file_location("nucleo_disk", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
