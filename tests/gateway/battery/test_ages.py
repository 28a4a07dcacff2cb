"""Silence, message by message: when a value may raise nothing any more, and when it is unknown."""

from __future__ import annotations

import pytest

from twolbms.battery.latest import NS, Latest
from voices.listening import World

# (message, its cycle in s, oldest age that may raise, oldest age that is known), typed from the design's table:
# max(3 cycles, 1 s) and max(5 s, 3 cycles).
RULES = [("PackValues", 0.1, 1.0, 5.0), ("CellExtremes", 0.1, 1.0, 5.0), ("TempExtremes", 0.5, 1.5, 5.0),
         ("PackAllowance", 0.1, 1.0, 5.0), ("PackState", 0.1, 1.0, 5.0), ("slow", 3.0, 9.0, 9.0)]


@pytest.mark.parametrize(("message", "cycle_s", "fresh_s", "known_s"), RULES)
def test_ages(message: str, cycle_s: float, fresh_s: float, known_s: float) -> None:
    """A value counts for exactly as long as the table says, to the nanosecond."""
    latest = Latest(cycle_s)
    latest.take({"X": 1}, 0)
    for limit_s, judge in ((fresh_s, latest.fresh), (known_s, latest.known)):
        assert judge(int(limit_s * NS))
        assert not judge(int(limit_s * NS) + 1)


def test_never_heard_is_neither_fresh_nor_known() -> None:
    """A message that never came has no age and no value."""
    latest = Latest(0.1)
    assert (latest.age_s(5), latest.get("X", 5), latest.fresh(0), latest.known(0)) == (None, None, False, False)


@pytest.mark.parametrize("message", ["PackValues", "CellExtremes", "TempExtremes", "PackAllowance", "PackState"])
def test_each_message_alone_stops_the_pack(message: str) -> None:
    """Any one of the five safety messages that stays away makes the pack 0 A after 5 s, and not before."""
    world = World()
    world.run(15)
    world.voice.mute = {message}
    world.run(4.9 if message != "TempExtremes" else 4.4)
    assert min(world.allowed()) > 0
    world.run(0.7)
    assert world.allowed() == (0.0, 0.0)
    assert world.snapshot()["allowance"]["charge_limited_by"] == "pack_silent"
    assert world.kept.texts("node_silent") == [f"node 1 is not sending {message}; last heard not open"]
    assert world.kept.texts("alarm") == [f"node 1 does not send {message}"]


@pytest.mark.parametrize("message", ["PackValues", "CellExtremes", "TempExtremes", "PackAllowance", "PackState"])
def test_a_stale_message_raises_nothing(message: str) -> None:
    """While one of the five is older than three cycles or 1 s the allowance falls but does not rise."""
    world = World()
    world.voice.say("PackAllowance", ChargeCurrentAllowed=50.0)
    world.run(15)
    world.voice.mute = {message}
    world.run(2.0)
    world.voice.say("PackAllowance", ChargeCurrentAllowed=150.0)
    world.run(1.0)
    assert world.allowed()[0] == 50.0
    world.voice.say("PackAllowance", ChargeCurrentAllowed=20.0)
    world.run(0.3)
    assert world.allowed()[0] == (50.0 if message == "PackAllowance" else 20.0)


def test_values_of_a_silent_node_are_unknown() -> None:
    """Five seconds after the last frame no value is shown any more, only its age."""
    world = World()
    world.run(3)
    world.run(5.2, silent=["north"])
    picture = world.snapshot()
    assert picture["state"] is None
    assert picture["values"]["current_a"]["value"] is None
    assert picture["values"]["current_a"]["age_s"] == pytest.approx(5.3, abs=0.15)
    assert [cell["value"] for cell in picture["cells_v"]] == [None] * 8
    assert picture["cells_v"][0]["age_s"] == pytest.approx(6.2, abs=0.15)


def test_a_value_the_node_does_not_know_is_unknown_at_once() -> None:
    """A validity flag at 0, or "not available", is unknown although the frame is new."""
    world = World()
    world.run(3)
    world.voice.say("PackValues", PackCurrentValid=0, PackVoltage=None)
    world.run(0.2)
    values = world.snapshot()["values"]
    assert (values["current_a"]["value"], values["pack_voltage_v"]["value"]) == (None, None)
    assert values["link_voltage_v"]["value"] == pytest.approx(26.4)


def test_unknown_extremes_allow_nothing() -> None:
    """When the node says that not every cell is measured, both allowances are 0 A at once."""
    world = World()
    world.run(15)
    world.voice.say("CellExtremes", CellExtremesValid=0)
    world.run(0.1)
    assert world.allowed() == (0.0, 0.0)
    assert world.snapshot()["allowance"]["discharge_limited_by"] == "unknown_reading"


def test_a_node_that_falls_silent_is_told_once_as_silent() -> None:
    """When everything stays away the pack's silence is the alarm, not each thing that is unknown because of it."""
    world = World()
    world.run(15)
    world.run(10, silent=["north"])
    assert world.kept.texts("alarm") == ["node 1 is silent"]
    assert world.kept.texts("node_silent") == ["node 1 is silent; last heard not open"]
    world.run(3)
    assert world.kept.texts("node_heard")[-1] == "node 1 is heard again after 5 s: state closed, paths closed"
    assert len(world.kept.told("alarm_gone")) == 1
