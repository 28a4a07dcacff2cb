"""Faults out of the four pages of bits, with the reading that shows them, and what people are told."""

from __future__ import annotations

import pytest

from twolbms.diagnoses import DIAGNOSES
from voices.listening import World


def running() -> World:
    world = World()
    world.run(3)
    return world


def faults(world: World) -> list[dict[str, object]]:
    found: list[dict[str, object]] = world.snapshot()["faults"]
    return found


@pytest.mark.parametrize("name", DIAGNOSES)
def test_every_bit_of_every_page(name: str) -> None:
    """Each diagnosis appears under its own name and tier, and goes when its bit does."""
    world = running()
    for page, tier in enumerate(("warn", "limit", "trip")):
        world.voice.faults[page] = {DIAGNOSES[name].signal}
        world.run(0.5)
        assert [(fault["limit"], fault["tier"], fault["latched"]) for fault in faults(world)] == [(name, tier, False)]
    world.voice.faults[3] = {DIAGNOSES[name].signal}
    world.run(0.5)
    assert faults(world)[0]["latched"] is True
    world.voice.faults.update({0: set(), 1: set(), 2: set()})
    world.run(0.5)
    assert [(fault["active"], fault["latched"], fault["tier"]) for fault in faults(world)] == [(False, True, "trip")]
    world.voice.faults[3] = set()
    world.run(0.5)
    assert faults(world) == []


def test_a_trip_tells_cell_value_and_threshold() -> None:
    """The event of a trip names the cell from 1, the value, the threshold and the unit."""
    world = running()
    world.voice.say("CellExtremes", CellVoltageMax=3.662, CellMaxIndex=4)
    world.voice.faults[2] = {"CellOverVoltage"}
    world.run(0.5)
    event = world.kept.told("fault")[-1]
    assert event.data == {
        "limit": "cell_over_voltage", "tier": "trip", "cell": 5, "sensor": None, "value": 3.662, "threshold": 3.65,
        "unit": "V", "text": "cell over voltage (trip): cell 5 at 3.662 V, above the trip value 3.65 V"}


# (page's signal, what is said, text of the event)
READINGS = [
    ("CellUnderVoltage", ("CellExtremes", {"CellVoltageMin": 2.481, "CellMinIndex": 2}),
     "cell under voltage (trip): cell 3 at 2.481 V, below the trip value 2.5 V"),
    ("DischargeOverCurrent", ("PackValues", {"PackCurrent": -251.0}),
     "discharge over current (trip): 251.0 A, above the trip value 240 A"),
    ("ChargeUnderTemperature", ("TempExtremes", {"TemperatureMin": -0.4, "TemperatureMinIndex": 1}),
     "charge under temperature (trip): sensor 2 (between cells 3 and 4) at -0.4 °C, below the trip value 0 °C"),
    ("Interlock", ("PackState", {"Interlock": 0}), "interlock (trip): the interlock loop is open"),
]


@pytest.mark.parametrize(("signal", "said", "text"), READINGS)
def test_texts(signal: str, said: tuple[str, dict[str, float]], text: str) -> None:
    """Each kind of limit is told with the reading it is about, or with what it means."""
    world = running()
    world.voice.say(said[0], **said[1])
    world.run(0.6)  # temperatures come every 0.5 s
    world.voice.faults[2] = {signal}
    world.run(0.5)
    assert world.kept.texts("fault")[-1] == text


def test_the_worst_reading_is_kept() -> None:
    """A fault shows the furthest reading while it was active, so that a relaxed cell still explains the trip."""
    world = running()
    world.voice.faults[2] = {"CellOverVoltage"}
    for volts in (3.655, 3.670, 3.600):
        world.voice.say("CellExtremes", CellVoltageMax=volts, CellMaxIndex=4)
        world.run(0.5)
    assert faults(world)[0]["value"] == 3.67


def test_opening_names_limit_cell_and_value() -> None:
    """A pack that opens after its cell relaxed is told with the reading that tripped it."""
    world = running()
    world.voice.say("CellExtremes", CellVoltageMax=3.662, CellMaxIndex=4)
    world.voice.faults[2] = {"CellOverVoltage"}
    world.run(0.5)
    world.voice.say("CellExtremes", CellVoltageMax=3.590)
    world.voice.faults[2], world.voice.faults[3] = set(), {"CellOverVoltage"}
    world.run(0.5)
    world.voice.open(reason=0)
    world.run(0.2)
    event = world.kept.told("opened")[-1]
    assert event.data["text"] == "opened: cell over voltage, cell 5 at 3.662 V, above the trip value 3.65 V"
    assert {name: event.data[name] for name in ("path", "reason", "cell", "value", "threshold", "unit")} == {
        "path": "both", "reason": "cell_over_voltage", "cell": 5, "value": 3.662, "threshold": 3.65, "unit": "V"}


def test_one_path_that_opens() -> None:
    """When only charging is blocked the event says which path opened."""
    world = running()
    world.voice.say("TempExtremes", TemperatureMin=-0.4, TemperatureMinIndex=1)
    world.run(0.6)
    world.voice.say("PackState", ChargePath=0, OpenReason=5)
    world.run(0.2)
    event = world.kept.told("opened")[-1]
    assert (event.data["path"], event.data["sensor"]) == ("charge", 2)
    assert event.data["text"].startswith("charge path opened: charge under temperature, sensor 2")


def test_latched_is_told_and_raises_an_alarm() -> None:
    """A latched trip stands as an alarm until it is cleared; both are events."""
    world = running()
    world.voice.faults[3] = {"CellOverVoltage"}
    world.run(0.5)
    assert world.kept.texts("latched") == ["cell over voltage is latched until it is cleared"]
    assert [alarm["text"] for alarm in world.engine.snapshot(world.now_ns)["alarms"]] == ["latched: cell_over_voltage"]
    world.voice.faults[3] = set()
    world.run(0.5)
    assert world.kept.texts("latch_cleared") == ["cell over voltage is cleared"]
    assert world.engine.snapshot(world.now_ns)["alarms"] == []


def test_fault_counts_are_recorded() -> None:
    """The number of active and of latched limits is a published quantity."""
    world = running()
    world.voice.faults.update({1: {"CellOverVoltage"}, 2: {"CellOverVoltage", "Interlock"}, 3: {"Interlock"}})
    world.run(0.5)
    last = {sample.series.quantity: sample.value for sample in world.kept.samples}
    assert (last["faults_active"], last["faults_latched"]) == (2, 1)
