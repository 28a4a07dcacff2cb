"""The inverters of the demonstration: they follow what is allowed, a little later, and stop when nobody speaks."""

from __future__ import annotations

from typing import Any

from twolbms.demo.plant import FOLLOW_AFTER_S, SILENT_AFTER_S, Inverter


def pack(charge_a: float | None, discharge_a: float | None = 50.0) -> dict[str, Any]:
    """A pack of a snapshot with an allowance."""
    return {"allowance": {"charge_a": charge_a, "discharge_a": discharge_a}}


def test_it_follows_after_a_while() -> None:
    """Until the delay is over the old allowance holds, then the new one, told once."""
    inverter = Inverter()
    inverter.hear(pack(20.0), 100.0)
    assert inverter.due(100.0 + FOLLOW_AFTER_S - 0.01) == (0.0, 0.0)
    assert inverter.due(100.0 + FOLLOW_AFTER_S) == (20.0, 50.0)
    assert inverter.due(100.0 + FOLLOW_AFTER_S + 0.1) is None


def test_the_newest_due_allowance_counts() -> None:
    """Of several that are due the last one is followed."""
    inverter = Inverter()
    for at_s, charge_a in ((0.0, 20.0), (0.5, 10.0), (1.0, 5.0)):
        inverter.hear(pack(charge_a), at_s)
    assert inverter.due(0.6 + FOLLOW_AFTER_S) == (10.0, 50.0)


def test_unknown_is_nothing() -> None:
    """An allowance that is not known, and a pack that is not there, allow nothing."""
    for heard in (pack(None, None), {}, None):
        inverter = Inverter()
        inverter.hear(heard, 0.0)
        assert inverter.due(FOLLOW_AFTER_S) == (0.0, 0.0)


def test_it_stops_without_a_gateway() -> None:
    """When no snapshot has come for a while nothing is carried any more."""
    inverter = Inverter()
    inverter.hear(pack(20.0), 0.0)
    assert inverter.due(SILENT_AFTER_S) == (20.0, 50.0)
    assert inverter.due(SILENT_AFTER_S + 0.1) == (0.0, 0.0)


def test_a_new_world_is_told_again() -> None:
    """After the world has begun anew the same allowance is told once more."""
    inverter = Inverter()
    assert inverter.due(0.0) == (0.0, 0.0)
    assert inverter.due(0.0) is None
    inverter.forget()
    assert inverter.due(0.0) == (0.0, 0.0)
