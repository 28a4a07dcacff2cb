"""What the engine says on a bus by itself, and when it says nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest

from twolbms.battery.setup import SiteSetup
from twolbms.contract import node_contract
from twolbms.engine import Engine
from voices.listening import World, setup
from voices.node_voice import NS, database, sealed


def test_heartbeat_each_quarter_second() -> None:
    """The heartbeat goes out every 250 ms, sealed, with its counter running, and lets the nodes balance."""
    world = World()
    world.run(5)
    beats = [(at, frame) for at, frame in world.sent if frame.can_id == 0x0CFF8080]
    assert [round((b - a) / 1e6) for (a, _), (b, _) in pairwise(beats)] == pytest.approx(
        [250] * (len(beats) - 1), abs=20)
    assert [frame.data[6] & 0x0F for _, frame in beats] == [n % 15 for n in range(len(beats))]
    for _, frame in beats:
        assert frame.data == sealed(0x0CFF8080, frame.data, frame.data[6] & 0x0F)
        assert str(database().get_message_by_name("GatewayHeartbeat").decode(frame.data)["BalancingAllowed"]) == "On"


# (wall time known?, minutes since 2020)
@pytest.mark.parametrize(("wall_ns", "minutes"), [(None, "NotAvailable"), (1_577_836_800 * NS + 90 * 60 * NS, 90),
                                                  (1_000 * NS, "NotAvailable")])
def test_heartbeat_tells_the_time(wall_ns: int | None, minutes: int | str) -> None:
    """Minutes since 2020 once the wall clock is known and plausible, "not available" before."""
    world = World()
    if wall_ns is not None:
        world.engine.set_wall(wall_ns - world.now_ns, "rtc")
    beat = world.engine.tick(world.now_ns)[0]
    assert database().get_message_by_name("GatewayHeartbeat").decode(beat.data)["GatewayMinutes"] == minutes


def test_a_bus_without_nodes_is_only_listened_to() -> None:
    """No heartbeat goes onto a bus that carries no node of ours: it may be a car's own."""
    kept = World().kept
    engine = Engine(SiteSetup("home", ("can0", "car"), (setup(),), {"north": ("north",)}), node_contract(), kept, 0)
    sent = [frame for tick in range(60) for frame in engine.tick(tick * NS // 50)]
    assert {frame.bus for frame in sent} == {"can0"}


def test_a_bus_that_is_down_is_sent_nothing() -> None:
    """Opening and closing of a bus are events and an alarm, and a closed one gets nothing."""
    world = World()
    world.engine.bus_state("can0", False, "no such device", world.now_ns)
    world.run(1)
    assert world.sent == []
    assert world.kept.texts("bus_down", "alarm") == ["bus can0 is down: no such device"] * 2
    world.engine.bus_state("can0", True, None, world.now_ns)
    world.run(1)
    assert world.sent
    assert world.kept.texts("bus_up") == ["bus can0 is open"]


def test_an_adapter_that_opens_and_fails_for_ever_is_told_once() -> None:
    """A bus that was down is open again only when it gives frames or has stayed open for 5 s."""
    world = World()
    for voice in world.voices.values():
        voice.mute = set(voice.said)
    world.engine.bus_state("can0", True, None, world.now_ns)
    for _ in range(5):
        world.engine.bus_state("can0", False, "it fell off", world.now_ns)
        world.run(1)
        world.engine.bus_state("can0", True, None, world.now_ns)
        world.run(1, silent=["north"])
    assert world.kept.texts("bus_up", "bus_down") == ["bus can0 is open", "bus can0 is down: it fell off"]
    world.run(6, silent=["north"])
    assert world.kept.texts("bus_up")[1:] == ["bus can0 is open"]


def test_a_bus_whose_driver_hangs_is_an_alarm() -> None:
    """A bus that neither opens nor fails within half a minute is told."""
    world = World()
    world.run(29, silent=["north"])
    assert "bus can0 does not open: its driver hangs" not in world.kept.texts("alarm")
    world.run(3, silent=["north"])
    assert "bus can0 does not open: its driver hangs" in world.kept.texts("alarm")
