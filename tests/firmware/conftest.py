"""Puts the firmware's source on the import path, as the node has it, and gives small limit tables to its rooms."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from twolbms.files import data_path

SOURCE = str(data_path("firmware", "src"))
if SOURCE not in sys.path:
    sys.path.insert(0, SOURCE)

NEVER = (1 << 28) - 1
ROW: dict[str, Any] = {
    "SIGN": 1, "WARN": NEVER, "LIMIT": NEVER, "TRIP": 100, "CLEAR": 90, "DELAY": 2, "HOLD": 5,
    "LATCH": 1, "REMOTE_CLEAR": 1, "AFTER_REQUEST": 0, "TRIP_BLOCKS": 3, "LIMIT_BLOCKS": 0}


@pytest.fixture
def table() -> Callable[..., SimpleNamespace]:
    """A limit table of rows: `table({"TRIP": 50}, {"SIGN": -1, ...})`; what is not named is as in ROW."""
    def made(*rows: dict[str, Any], **scalars: Any) -> SimpleNamespace:
        columns = {name: tuple({**ROW, **row}[name] for row in rows or ({},)) for name in ROW}
        return SimpleNamespace(**columns, COMMON=0, CLOSE_ALONE=0, **scalars)
    return made


@pytest.fixture
def lfp() -> Any:
    """The generated limits of the eight LiFePO4 cells."""
    from generated import limits_lfp_8s_320ah
    return limits_lfp_8s_320ah
