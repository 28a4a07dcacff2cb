"""What comes from a bus and is not used: counted, told, named."""

from __future__ import annotations

from twolbms.wire import BusFrame
from voices.listening import World, hash_of
from voices.node_voice import NodeVoice, sealed


def test_counts_of_what_is_dropped() -> None:
    """Damaged, short, repeated, foreign and unknown frames are counted each under its name, and change nothing."""
    world = World()
    world.run(2)
    good = world.voice.frame("PackValues", world.voice.said["PackValues"] | {"PackVoltage": 99.0})
    before = world.snapshot()["values"]["pack_voltage_v"]["value"]
    damaged = good._replace(data=good.data[:7] + bytes([good.data[7] ^ 1]))
    old = sealed(good.can_id, good.data, (good.data[6] & 0x0F) - 1 & 0x0F)
    told = world.voice.frame("NodeHistory", {"HistoryPage": 2})
    page = told._replace(data=sealed(told.can_id, told.data[:6] + b"\x30\0", told.data[6] & 0x0F))
    world.hear(damaged, good._replace(data=good.data[:7]), good._replace(data=old), good._replace(extended=False),
               BusFrame("can0", 0x123, False, b"\1"), BusFrame("can0", 0x18DA10F1, True, bytes(8)), page)
    bus = world.engine.snapshot(world.now_ns)["buses"]["can0"]
    assert {name: bus[name] for name in ("bad_check", "short", "bad_counter", "unknown_id", "bad_page")} == {
        "bad_check": 1, "short": 1, "bad_counter": 1, "unknown_id": 3, "bad_page": 1}
    assert world.snapshot()["values"]["pack_voltage_v"]["value"] == before


def test_bad_frames_are_told_once_a_minute() -> None:
    """However many frames are damaged, one event a minute counts them, with the two good ones until trust is back."""
    world = World()
    for _ in range(20):
        frame = world.voice.frame("PackValues", {})
        world.hear(frame._replace(data=frame.data[:7] + bytes([frame.data[7] ^ 1])))
    world.run(130)
    assert world.kept.texts("bad_frames") == ["bus can0: 22 frames of our nodes dropped in the last minute"]


def test_a_message_whose_protection_fails_is_an_alarm() -> None:
    """Three damaged of the last five frames raise an alarm; it goes when the frames are good again."""
    world = World()
    world.run(2)
    for _ in range(5):
        frame = world.voice.frame("PackState", {})
        world.hear(frame._replace(data=bytes(7) + bytes([frame.data[7] ^ 0xFF])))
    world.run(1.5)
    assert world.kept.texts("alarm") == ["damaged or out of sequence: PackState"] or world.kept.texts("alarm_gone")


def test_strangers_are_named() -> None:
    """A node that no pack of the site has, and another gateway, are alarms with their names; they go when they go."""
    world = World()
    stranger = NodeVoice(hash_of(), node=9)
    world.hear(stranger.frame("PackValues", {}), BusFrame("can0", 0x0CFF8080, True, bytes(8)))
    world.run(2)
    assert sorted(world.kept.texts("alarm")) == [
        "another gateway speaks on bus can0", "node 9 speaks on bus can0 but stands in no pack of the site file"]
    world.run(31)
    assert world.engine.snapshot(world.now_ns)["alarms"] == []


def test_many_strangers_are_one_alarm() -> None:
    """A foreign device with ids near ours is told once, not once a node number."""
    world = World()
    for node in range(20, 40):
        world.hear(NodeVoice(hash_of(), node=node).frame("PackValues", {}))
    world.run(2)
    assert world.kept.texts("alarm") == [
        "nodes 20, 21, 22, 23, 24 and 15 more speak on bus can0 but stand in no pack of the site file"]
