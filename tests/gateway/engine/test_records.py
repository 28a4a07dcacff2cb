"""What the engine records and the picture it gives."""

from __future__ import annotations

import json

from twolbms.battery.setup import SiteSetup
from twolbms.contract import node_contract
from twolbms.engine import Engine
from twolbms.fields import FIELDS
from voices.listening import World, pack_type
from voices.node_voice import NS


def test_samples_follow_the_table() -> None:
    """Each quantity of a pack is recorded at the period its row gives, steps at once, cells each under its number."""
    world = World()
    world.run(21)
    counts: dict[tuple[str, int | None], int] = {}
    for sample in world.kept.samples:
        key = (sample.series.quantity, sample.series.cell)
        counts[key] = counts.get(key, 0) + 1
    assert 20 <= counts["pack_voltage_v", None] <= 22
    assert 4 <= counts["temperature_min_c", None] <= 5
    assert all(20 <= counts["cell_voltage_v", cell] <= 22 for cell in range(8))
    assert counts["state_code", None] == 1
    assert counts["temperature_c", 0] == 3
    assert counts["bus_frames", None] >= 2
    before = len([s for s in world.kept.samples if s.series.quantity == "current_a"])
    world.voice.say("PackValues", PackCurrent=-120.0)
    world.run(0.2)
    assert len([s for s in world.kept.samples if s.series.quantity == "current_a"]) == before + 1


def test_every_pack_quantity_is_published() -> None:
    """Snapshot and records hold every quantity of a pack that our node guards, under its name, inside its bounds."""
    world = World()
    world.run(15)
    values = world.snapshot()["values"]
    wanted = {name for name, row in FIELDS.items() if row.level == "pack" and "car's own" not in row.help}
    assert set(values) == wanted
    assert {s.series.quantity for s in world.kept.samples} >= wanted
    for name, value in values.items():
        assert FIELDS[name].low <= value["value"] <= FIELDS[name].high


def test_the_snapshot_is_json() -> None:
    """A snapshot can be written as JSON at any moment, also before anything was heard."""
    world = World()
    assert json.loads(json.dumps(world.engine.snapshot(world.now_ns), allow_nan=False))["time_ns"] is None
    world.engine.set_wall(1_700_000_000 * NS, "rtc")
    world.run(3)
    picture = json.loads(json.dumps(world.engine.snapshot(world.now_ns), allow_nan=False))
    assert (picture["time_ns"], picture["clock"]) == (world.now_ns + 1_700_000_000 * NS, "rtc")


def test_never_heard_is_unknown_not_zero() -> None:
    """Before a node is heard its values are null, its paths unknown and its allowance 0 A."""
    picture = World().snapshot()
    assert (picture["state"], picture["age_s"], picture["hash_ok"]) == (None, None, None)
    assert picture["values"]["current_a"] == {"value": None, "age_s": None}
    assert set(picture["paths"].values()) == {"unknown"}
    assert (picture["allowance"]["charge_a"], picture["allowance"]["charge_v"]) == (0.0, None)


def test_trouble_outside_is_an_alarm_and_nothing_more() -> None:
    """A journal that cannot write and an outlet that is refused are told; the nodes are asked as before."""
    world = World()
    world.engine.outside({"acknowledged": 5, "lost": 3, "error": "disk full"},
                         {"influxdb": {"state": "refused", "error": "401", "lag_s": 9.0}}, world.now_ns)
    world.run(3)
    assert sorted(world.kept.texts("alarm")) == [
        "3 records could not be journalled", "outlet influxdb refused: 401", "the journal cannot write: disk full"]
    assert world.requests("Allowance")
    world.engine.outside({"acknowledged": 5, "lost": 3, "error": None}, {}, world.now_ns)
    assert "no longer: the journal cannot write: disk full" in world.kept.texts("alarm_gone")


def test_allowance_changes_are_told_sparingly() -> None:
    """Another rule or 0 A is an event; a value that only moves is none, and a flutter is told once in a while."""
    world = World()
    world.run(15)
    for n in range(50):
        world.voice.say("PackAllowance", ChargeLimitedBy=51 if n % 2 else 48, ChargeCurrentAllowed=100.0 - n)
        world.run(0.2)
    assert len(world.kept.told("allowance")) <= 3
    world.voice.say("PackAllowance", ChargeLimitedBy=0, ChargeCurrentAllowed=0.0)
    world.run(2.2)
    event = world.kept.told("allowance")[-1]
    assert (event.data["direction"], event.data["current_a"], event.data["limited_by"]) == (
        "charge", 0.0, "cell_over_voltage")


def test_an_unknown_pack_type_is_not_needed() -> None:
    """An engine without packs ticks and says nothing, for a site that only records."""
    engine = Engine(SiteSetup("home", ("can0",), (), {}), node_contract(), World().kept, 0)
    assert engine.tick(0) == []
    assert engine.snapshot(0)["packs"] == {}
    assert pack_type().cells.series == 8
