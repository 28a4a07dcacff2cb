"""Packs that share a bank: silence, twins, who may join."""

from __future__ import annotations

import pytest

from voices.listening import LEAF, World, hash_of, leaf_voice, two_packs
from voices.node_voice import NodeVoice

# (north, south; each "closed", "open", "silent while closed", "silent while open", "never heard") ->
# (bank discharge A, who limits)
BANK = {
    ("closed", "closed"): (200.0, "north"),
    ("closed", "open"): (100.0, "north"),
    ("closed", "silent while closed"): (0.0, "south: pack_silent"),
    ("closed", "silent while open"): (100.0, "north"),
    ("closed", "never heard"): (0.0, "south: pack_silent"),
    ("open", "open"): (0.0, "no pack is closed"),
    ("silent while closed", "silent while closed"): (0.0, "north: pack_silent"),
}


@pytest.mark.parametrize(("packs", "bank"), BANK.items(), ids=[" + ".join(packs) for packs in BANK])
def test_silence_in_a_bank(packs: tuple[str, str], bank: tuple[float, str]) -> None:
    """A pack leaves its bank only when last heard measured open; one silent while closed makes the bank 0 A."""
    world = two_packs(type=LEAF)
    for voice, what in zip(world.voices.values(), packs, strict=True):
        leaf_voice(voice)
        if "open" in what:
            voice.open()
    world.run(16, silent=[name for name, what in zip(world.voices, packs, strict=True) if what == "never heard"])
    silent = [name for name, what in zip(world.voices, packs, strict=True) if "silent" in what or "never" in what]
    world.run(6, silent=silent)
    picture = world.engine.snapshot(world.now_ns)["banks"]["bank"]
    assert picture["discharge_a"] == pytest.approx(bank[0])
    assert picture["discharge_limited_by"].startswith(bank[1])
    assert picture["packs"] == ["north", "south"]


def test_a_person_at_the_enclosure_may_say_that_a_silent_pack_is_open() -> None:
    """confirm-open takes a silent pack out of its bank, until its node is heard again."""
    world = two_packs(type=LEAF)
    for voice in world.voices.values():
        leaf_voice(voice)
    world.run(16)
    world.run(6, silent=["south"])
    assert world.engine.snapshot(world.now_ns)["banks"]["bank"]["discharge_a"] == 0
    assert world.engine.ask("south", "confirm-open", "Ann", world.now_ns).accepted
    world.run(1, silent=["south"])
    assert world.engine.snapshot(world.now_ns)["banks"]["bank"]["discharge_a"] == pytest.approx(100.0)
    world.run(1)
    assert world.snapshot("south")["requests"]["confirmed_open"] is False


def test_nobody_confirms_open_what_the_node_says_is_closed() -> None:
    """While PackState is heard a person's word is refused, also when another message is missing, and the bank is 0 A.

    Only TempExtremes is missing: the pack is silent by rule, and still says that its paths are closed.
    """
    world = two_packs()
    world.run(16)
    world.voices["south"].mute.add("TempExtremes")
    world.run(7)
    ticket = world.engine.ask("south", "confirm-open", "Ann", world.now_ns)
    assert (ticket.accepted, ticket.note) == (False, "its node is heard and says itself whether the pack is open")
    world.run(1)
    assert world.engine.snapshot(world.now_ns)["banks"]["bank"]["discharge_a"] == 0


def test_the_first_pack_state_ends_a_confirmation() -> None:
    """One PackState from the node and the person's word no longer counts, though every other message is missing."""
    world = two_packs()
    world.run(16)
    world.run(7, silent=["south"])
    assert world.engine.ask("south", "confirm-open", "Ann", world.now_ns).accepted
    world.run(1, silent=["south"])
    assert world.engine.snapshot(world.now_ns)["banks"]["bank"]["discharge_a"] > 0
    voice = world.voices["south"]
    world.hear(voice.frame("PackState", voice.said["PackState"]))
    assert world.engine.snapshot(world.now_ns)["banks"]["bank"]["discharge_a"] == 0
    assert world.snapshot("south")["requests"]["confirmed_open"] is False
    refusal = world.engine.banks.join_refusal(world.engine.packs["north"], world.now_ns)
    assert refusal == "south is silent and was not heard measured open"


def with_twin(world: World, apart: int) -> NodeVoice:
    """A second node with the first one's number, its counters `apart` ahead; its cell 8 is above the limit."""
    twin = NodeVoice(hash_of(), world.voice.node)
    twin.counters = {name: (count + apart) % 15 for name, count in world.voice.counters.items()}
    twin.cycle_number = world.voice.cycle_number
    twin.cells[7] = 3.70
    twin.say("CellExtremes", CellVoltageMax=3.70)
    twin.say("PackAllowance", ChargeCurrentAllowed=0.0)
    return twin


@pytest.mark.parametrize("apart", range(15))
def test_two_nodes_of_one_number_are_allowed_nothing(apart: int) -> None:
    """Two nodes with the same number, their counters apart by any number or in step: 0 A, and why in an alarm."""
    world = World()
    world.run(12)
    twin = with_twin(world, apart)
    most = []
    for n in range(120):
        world.run(0.06)
        world.hear(*twin.cycle())
        world.run(0.04)
        most.append(world.allowed() if n > 60 else (0, 0))
    assert max(most) == (0, 0)
    alarms = [alarm["text"] for alarm in world.engine.snapshot(world.now_ns)["alarms"]]
    assert any(text.startswith("damaged or out of sequence: ") for text in alarms)
    assert ("two nodes answer as node 1" in alarms) == (apart in (0, 1))


def test_two_nodes_of_one_number_are_told_once() -> None:
    """That two nodes answer as one is one event however long it lasts, and over half a minute after the last sign."""
    world = World()
    world.run(12)
    twin = with_twin(world, 0)
    for _ in range(120):
        world.run(0.06)
        world.hear(*twin.cycle())
        world.run(0.04)
    world.run(20)
    assert world.kept.texts("alarm").count("two nodes answer as node 1") == 1
    assert "no longer: two nodes answer as node 1" not in world.kept.texts("alarm_gone")
    world.run(12)
    assert world.kept.texts("alarm_gone").count("no longer: two nodes answer as node 1") == 1


# (south's voltage, is it asked to close)
@pytest.mark.parametrize(("voltage_v", "asked"), [(53.3, True), (54.6, True), (54.9, False), (51.7, False)])
def test_a_pack_joins_only_under_the_join_rule(voltage_v: float, asked: bool) -> None:
    """keep_closed asks a pack to join only when the difference in voltage is harmless: at most 1.5 V."""
    world = two_packs(type=LEAF, keep_closed=True)
    for voice in world.voices.values():
        leaf_voice(voice)
    south = world.voices["south"]
    south.say("PackValues", PackVoltage=voltage_v)
    south.open()
    world.run(20)
    asks = [frame for _, frame in world.sent if frame.can_id & 0xFF == 2 and frame.data[0] & 0x0F == 2
            and frame.can_id >> 8 & 0xFF == 0x81]
    assert bool(asks) is asked


def test_two_packs_never_close_at_the_same_time() -> None:
    """While one pack of a bank is closing, no other is asked: they could meet at different voltages."""
    world = two_packs(type=LEAF, keep_closed=True)
    for voice in world.voices.values():
        leaf_voice(voice)
        voice.open()
    world.run(8)  # nobody answers: north's close stays under way
    assert {frame.can_id & 0xFF for _, frame in world.sent if frame.can_id >> 8 & 0xFF == 0x81
            and frame.data[0] & 0x0F == 2} == {1}
    world.voices["north"].close()
    leaf_voice(world.voices["north"])
    world.hear(world.voices["north"].answer(2, world.requests("Close")[-1]["RequestNumber"], 0))
    world.run(8)
    assert 2 in {frame.can_id & 0xFF for _, frame in world.sent if frame.data[0] & 0x0F == 2
                 and frame.can_id >> 8 & 0xFF == 0x81}


def test_nobody_joins_a_silent_pack() -> None:
    """Beside a pack that fell silent while closed no other is closed, by nobody, and the refusal names it."""
    world = two_packs(type=LEAF)
    for voice in world.voices.values():
        leaf_voice(voice)
    world.voices["north"].open()
    world.run(16)
    world.run(6, silent=["south"])
    ticket = world.engine.ask("north", "close", "Ann", world.now_ns)
    assert ticket.accepted is False
    assert ticket.note == "south is silent and was not heard measured open"
