"""Recorded and constructed VE.Direct bytes of the reference folder, read where they lie."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

_ROOT = os.environ.get("TWOLBMS_REFERENCE", "")
FOLDER = Path(_ROOT) / "captures" / "victron_ve_direct"
needs_captures = pytest.mark.skipif(not _ROOT or not FOLDER.is_dir(),
                                    reason="TWOLBMS_REFERENCE names no folder with captures/victron_ve_direct")


class Capture(NamedTuple):
    """What the device sent, and what is expected of it."""

    received: bytes
    expected: dict[str, Any]


def capture(name: str) -> Capture:
    lines = (FOLDER / f"{name}.txt").read_text().splitlines()
    received = b"".join(bytes.fromhex(line[2:]) for line in lines if line.startswith("< "))
    return Capture(received, json.loads((FOLDER / f"{name}.json").read_text())["expected"])
