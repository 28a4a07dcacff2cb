"""Sleep: when an empty pack goes to sleep and what wakes it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from node.power import DEEP_DISCHARGE, UNDER_VOLTAGE, Power


class Rig:
    """A power rule with an empty pack around it; names are changed by keyword."""

    def __init__(self, lfp: Any, woken_by_timer: bool = False, row: int = UNDER_VOLTAGE) -> None:
        self.power = Power(lfp, woken_by_timer)
        self.calls: list[str] = []
        self.contactor = SimpleNamespace(paths=1, sleep=lambda: self.calls.append("sleep"),
                                         boot=lambda: self.calls.append("boot"))
        self.state = bytearray(40)
        self.state[row] = 1
        self.m = SimpleNamespace(known=True, current_ma=0)

    def run(self, cycles: int, charger: int = 0, key: int = 0) -> int:
        for _ in range(cycles):
            if self.power.asleep:
                self.power.doze(self.contactor, charger, key, 1)
            else:
                self.power.step(self.m, SimpleNamespace(state=self.state), self.contactor, charger, key, 1)
        asleep: int = self.power.asleep
        return asleep


@pytest.mark.parametrize("row", [UNDER_VOLTAGE, DEEP_DISCHARGE])
def test_sleeps_after_ten_minutes_without_a_charger(lfp: Any, row: int) -> None:
    """600 s of an empty pack, open, with nothing coming in."""
    rig = Rig(lfp, row=row)
    assert not rig.run(5999) and rig.run(1) and rig.calls == ["sleep"]


@pytest.mark.parametrize("kept", ["charger", "key", "current", "full", "closed"])
def test_stays_awake_while_there_is_a_reason(lfp: Any, kept: str) -> None:
    """A charger, the key, charge current, cells that are not empty, or a closed discharge path."""
    rig = Rig(lfp)
    if kept == "current":
        rig.m.current_ma = 1000
    elif kept == "full":
        rig.state[UNDER_VOLTAGE] = 0
    elif kept == "closed":
        rig.contactor.paths = 3
    assert not rig.run(20_000, charger=kept == "charger", key=kept == "key")


def test_an_offset_of_the_current_sensor_is_no_charger(lfp: Any) -> None:
    """Just below 1 A is no reason to stay awake until the electronics have emptied the pack."""
    rig = Rig(lfp)
    rig.m.current_ma = 999
    assert rig.run(6000)


@pytest.mark.parametrize("by, patience", [("charger", 6000), ("key", 6000), ("timer", 600)])
def test_wakes_by_charger_key_or_timer(lfp: Any, by: str, patience: int) -> None:
    """It boots anew; after the timer it looks for a charger for one minute only."""
    rig = Rig(lfp)
    assert rig.run(6000)
    assert rig.run(35_999)
    assert not rig.run(1, charger=by == "charger", key=by == "key") and rig.calls[-1] == "boot"
    assert not rig.run(patience - 1) and rig.run(1)


def test_a_board_woken_by_its_timer_looks_for_a_minute(lfp: Any) -> None:
    """On a board sleep ends in a reset: the reset cause says that it was the timer."""
    rig = Rig(lfp, woken_by_timer=True)
    assert not rig.run(599) and rig.run(1)
