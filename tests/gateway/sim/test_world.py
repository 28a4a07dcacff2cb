"""The whole world: cycles, faults by name, readings that repeat, nodes and gateway connected to a running one."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from twolbms.clock import Clock, StoryClock
from twolbms.sim.link import LinkParameters
from twolbms.sim.pack_plant import PackParameters
from twolbms.sim.plant_packets import Hello, Output, PacketReader, parse_reading
from twolbms.sim.profile import Profile
from twolbms.sim.setup import LinkSetup, PackSetup
from twolbms.sim.simulated_pack import SETTINGS
from twolbms.sim.world import World

HOUSE = PackParameters(cells=8, capacity_ah=320, outputs="fets", heater_w=300, temperature_sensors=4)
LEAF = PackParameters(cells=14, capacity_ah=61, chemistry="leaf_lmo", temperature_sensors=4)
BOTH_PATHS = Output(0b0011, bytes(16))


class StillClock(Clock):
    """Stands still; the test steps the world itself."""

    boot_id = "0" * 32

    def __init__(self, now_ns: int = 5 * 10**9) -> None:
        self.now_ns = now_ns

    def mono_ns(self) -> int:
        return self.now_ns


def make_world(**options: Any) -> World:
    packs = [PackSetup("house", 1, HOUSE), PackSetup("leaf", 2, LEAF)]
    return World(StillClock(), packs, **options)


def close(world: World, *names: str) -> None:
    for name in names:
        world.packs[name].command(BOTH_PATHS)


def run(world: World, seconds: float) -> None:
    for _ in range(round(seconds * 10)):
        world.step()


def read(world: World, name: str) -> Any:
    ((_, payload),) = PacketReader().feed(world.packs[name].measure(world.now_s))
    return parse_reading(payload)


def test_a_step_is_a_cycle() -> None:
    """A step is 100 ms of story time, and one conversion."""
    world = make_world()
    before = read(world, "house")
    run(world, 2.0)
    after = read(world, "house")
    assert (after.time_ms - before.time_ms, after.scan - before.scan) == (2000, 20)
    assert (before.time_ms, len(after.cells_mv), len(after.temps_dc)) == (5000, 8, 4)


def test_time_wraps_for_the_node() -> None:
    """The time that a node is told wraps at 2^30 ms."""
    world = World(StillClock((1 << 30) * 10**6 - 50 * 10**6), [PackSetup("house", 1, HOUSE)])
    world.step()
    assert read(world, "house").time_ms == 50


def test_profile_flows_through_closed_paths_only() -> None:
    """A profile starts counting when it is set, and needs a node that has closed."""
    world = make_world()
    run(world, 10)
    close(world, "house")
    world.set_profile("house", Profile([(0, -40.0), (5, 0.0)]))
    world.set_profile("leaf", Profile.constant(-40.0))
    run(world, 10)
    packs = world.status()["packs"]
    assert packs["house"]["charge_out_ah"] == pytest.approx(40 * 5 / 3600, rel=0.03)
    assert packs["leaf"]["charge_out_ah"] == 0.0


def test_shared_link() -> None:
    """Packs named to one link exchange current when both are closed."""
    full, empty = (PackParameters(cells=8, capacity_ah=320, initial_soc=soc) for soc in (0.9, 0.3))
    world = World(StillClock(), [PackSetup("a", 1, full, "bank"), PackSetup("b", 2, empty, "bank")],
                  links=[LinkSetup("bank", LinkParameters(charger_v=28.4))])
    close(world, "a")
    run(world, 1)
    assert world.packs["b"].plant.current_a == 0.0
    close(world, "b")
    run(world, 1)
    assert world.packs["b"].plant.current_a > 50


def test_same_seed_same_world() -> None:
    """Two worlds under one seed give the same readings, byte for byte."""
    def story(seed: int) -> list[bytes]:
        world = make_world(seed=seed)
        close(world, "house")
        world.inject("house", profile=[[0, 30.0], [3, -80.0]], cells_missing=[3])
        taken = []
        for _ in range(60):
            world.step()
            taken.append(world.packs["house"].measure(world.now_s))
        return taken

    assert story(1) == story(1) != story(2)


SOUND = 0b0010_0001_0000_0000  # emergency stop released, the monitor's own limits read back


@pytest.mark.parametrize(("changes", "field", "expected"), [
    ({"cells_missing": [0, 7]}, "cells_mv", lambda cells: cells[0] is cells[7] is None and None not in cells[1:7]),
    ({"sensors_missing": [1]}, "temps_dc", lambda sensors: sensors[1] is None),
    ({"cell_offset_mv": {"3": 500}}, "cells_mv", lambda cells: cells[3] - cells[2] == pytest.approx(500, abs=8)),
    ({"soc": {"2": 1.02}}, "cells_mv", lambda cells: cells[2] > 4100 > cells[1]),
    ({"soc": 0.9}, "cells_mv", lambda cells: min(cells) > 3345),
    ({"temp_c": -12.5}, "temps_dc", lambda sensors: max(sensors) < -120),
    ({"sensor_offset_dc": {"0": 700}}, "temps_dc", lambda sensors: sensors[0] > 890),
    ({"current_offset_ma": 5000}, "current_ma", lambda current: current == pytest.approx(5000, abs=200)),
    ({"current_missing": True}, "current_ma", lambda current: current is None),
    ({"pack_voltage_missing": True}, "pack_mv", lambda pack: pack is None),
    ({"link_voltage_missing": True}, "link_mv", lambda link: link is None),
    ({"charger_present": True}, "flags", lambda flags: flags == SOUND | 0b0101_0000),
    ({"charger_present": True, "charger_v": 27.0}, "link_mv", lambda link: link == pytest.approx(27_000, abs=60)),
    ({"profile": 10}, "flags", lambda flags: flags == SOUND | 0b0101_0000),
    ({"profile": 10, "charger_present": None}, "flags", lambda flags: flags == SOUND | 0b0101_0000),
    ({"welded": ["charge"]}, "flags", lambda flags: flags == SOUND | 0b0001_0001),
    ({"heater_welded": True}, "flags", lambda flags: flags == SOUND | 0b0001_1000),
    ({"feedback_stuck": {"discharge": True}}, "flags", lambda flags: flags == SOUND | 0b0001_0010),
    ({"feedback_broken": True}, "flags", lambda flags: flags == SOUND | 0b1001_0000),
    ({"interlock_open": True}, "flags", lambda flags: flags == SOUND),
    ({"arming_held": True}, "flags", lambda flags: flags == SOUND | 0b0011_0000),
])
def test_injected_fault_reaches_the_reading(changes: dict[str, Any], field: str, expected: Any) -> None:
    """Each fault that a story names is seen by the node, and only by that pack's."""
    world = make_world()
    world.inject("house", **changes)
    world.step()
    assert expected(getattr(read(world, "house"), field))
    other = read(world, "leaf")
    assert (None in other.cells_mv, other.flags) == (False, SOUND | 0b0001_0000)


@pytest.mark.parametrize(("changes", "wanted_a", "flows_a"), [
    ({"charge_allowed_a": 12.0}, 50.0, 12.0), ({"discharge_allowed_a": 0}, -50.0, 0.0),
    ({"charge_allowed_a": 12.0, "obeys": False}, 50.0, 50.0), ({"stuck_open": ["charge", "discharge"]}, 50.0, 0.0),
])
def test_injected_limits(changes: dict[str, Any], wanted_a: float, flows_a: float) -> None:
    """Allowances, disobedience and stuck paths decide what flows."""
    world = make_world()
    close(world, "house")
    world.inject("house", profile=wanted_a, **changes)
    run(world, 2)
    assert world.packs["house"].plant.current_a == pytest.approx(flows_a, abs=0.01)


def test_frozen_scan_and_ambient() -> None:
    """A frozen scan stops the counter; the room's temperature moves the cells slowly."""
    world = make_world()
    world.inject("house", scan_frozen=True, ambient_c=-20.0)
    before = read(world, "house").scan
    run(world, 60)
    assert read(world, "house").scan == before
    assert 19.0 < world.packs["house"].plant.cells[0].temp_c < 20.0


def test_every_setting_is_tried() -> None:
    """No row of the table of settings goes untested in this file."""
    with open(__file__) as file:
        text = file.read()
    assert [key for key in SETTINGS if f'"{key}"' not in text and f"{key}=" not in text] == []


@pytest.mark.parametrize(("changes", "reason"), [
    ({"colour": 1}, "colour: expected one of profile"), ({"cells_missing": [8]}, "expected 0 to 7"),
    ({"cells_missing": 3}, "cells_missing"), ({"soc": "full"}, "expected a number"),
    ({"soc": True}, "expected a number"), ({"soc": {"8": 0.5}}, "expected 0 to 7"),
    ({"obeys": 1}, "expected true or false"), ({"welded": ["heater"]}, "expected charge, discharge, precharge"),
    ({"profile": {"repeat_s": 5}}, "profile"), ({"profile": [[5, 1], [0, 1]]}, "rising"),
    ({"feedback_stuck": ["charge"]}, "feedback_stuck"), ({"cell_offset_mv": {"x": 1}}, "cell_offset_mv"),
])
def test_refused_changes(changes: dict[str, Any], reason: str) -> None:
    """A change that the world does not know is refused by name."""
    with pytest.raises(ValueError, match="pack house") as caught:
        make_world().inject("house", **changes)
    assert reason in str(caught.value)


def test_unknown_pack() -> None:
    """A pack that is not there is named, with those that are."""
    with pytest.raises(ValueError, match="expected one of house, leaf"):
        make_world().inject("garage", soc=0.5)


@pytest.mark.parametrize("changes", [
    {"colour": 1}, {"silent": 1}, {"drop_every": 2.5}, {"drop_every": True}, {"drop_fraction": "1"}, {"only_id": "x"}])
def test_refused_bus_faults(changes: dict[str, Any]) -> None:
    """A bus fault of an unknown name or kind is refused."""
    with pytest.raises(ValueError, match="bus: "):
        make_world().inject_bus(**changes)


@pytest.mark.parametrize("packs", [
    [PackSetup("a", 1, HOUSE), PackSetup("a", 2, HOUSE)], [PackSetup("a", 1, HOUSE), PackSetup("b", 1, HOUSE)]])
def test_one_name_one_number(packs: list[PackSetup]) -> None:
    """Two packs cannot share a name or a node number."""
    with pytest.raises(ValueError, match="of its own"):
        World(StillClock(), packs)


class Node:
    """A node that closes both paths at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.packets = reader, writer, PacketReader()

    async def cycles(self, count: int) -> list[Any]:
        """Answers so many readings."""
        seen: list[Any] = []
        while len(seen) < count:
            data = await self.reader.read(1000)
            assert data, "the line was cut"
            for _, payload in self.packets.feed(data):
                seen.append(parse_reading(payload))
                self.writer.write(BOTH_PATHS.packet())
        return seen


async def join_node(port: int) -> Node:
    node = Node(*await asyncio.open_connection("127.0.0.1", port))
    node.writer.write(Hello(1, 8, 4).packet())
    return node


def test_running_world() -> None:
    """On a fast clock nodes get their readings, close, carry current, and drop out when they are gone."""
    async def story() -> dict[str, Any]:
        world = World(StoryClock.begin(50.0), [PackSetup("house", 1, HOUSE)])
        ports = await world.start()
        world.inject("house", profile=25.0)
        running = asyncio.create_task(world.run())
        node = await join_node(ports.plant)
        seen = await node.cycles(20)
        assert [after.time_ms > before.time_ms for before, after in pairwise(seen)] == [True] * 19
        assert seen[-1].flags & 3 == 3
        assert seen[-1].current_ma == pytest.approx(25_000, abs=200)
        world.inject_bus(silent=True)
        world.disconnect_node("house")
        while world.packs["house"].plant.closed("charge"):
            await asyncio.sleep(0)
        again = await join_node(ports.plant)
        assert (await again.cycles(1))[0].flags & 3 == 0
        status = world.status()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return status

    status = json.loads(json.dumps(asyncio.run(asyncio.wait_for(story(), 20))))
    assert status["plant"]["nodes"]["1"]["connections"] == 2
    assert status["packs"]["house"]["charge_in_ah"] > 0
