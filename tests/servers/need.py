"""What a test needs beyond Python: it is found, or the test skips by its name, or fails where it must be there.

`need("influxd")` in a test or fixture, or `@pytest.mark.need("influxd")`, skips with the reason "needs influxd".
TWOLBMS_REQUIRE, a comma list of such names, turns every skip that gives one of them as its reason into a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from servers.recipes import find_emulated_board, find_influxd, find_uml, find_victoria_metrics
from twolbms.build.micropython import Runtime, RuntimeMissing, find_runtime


def _find_reference() -> Path | None:
    folder = os.environ.get("TWOLBMS_REFERENCE")
    return Path(folder) if folder and Path(folder).is_dir() else None


def _find_micropython32() -> Runtime | None:
    try:
        return find_runtime(need_32_bit=True)
    except RuntimeMissing:
        return None


FINDERS: dict[str, Callable[[], Any]] = {
    "reference": _find_reference,
    "micropython32": _find_micropython32,
    "qemu": find_emulated_board,
    "influxd": find_influxd,
    "victoriametrics": find_victoria_metrics,
    "uml": find_uml,
    "nspawn": lambda: shutil.which("systemd-nspawn"),
}


@cache
def find(name: str) -> Any:
    """The thing of that name on this machine, or None."""
    return FINDERS[name]()


def need(name: str) -> Any:
    """`find`, which skips the test when there is nothing."""
    found = find(name)
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def required(reason: str) -> str | None:
    """The name in a skip's reason "needs NAME …" if TWOLBMS_REQUIRE says that it must be there."""
    words = reason.removeprefix("Skipped: ").split()
    names = {name.strip() for name in os.environ.get("TWOLBMS_REQUIRE", "").split(",")}
    if len(words) >= 2 and words[0] == "needs" and (name := words[1].rstrip(":,;.")) in names:
        return name
    return None
