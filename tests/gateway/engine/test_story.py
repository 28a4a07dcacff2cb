"""A story of a weak cell, and whatever frames come in whatever order."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twolbms.wire import BusFrame
from voices.listening import World, hash_of, setup
from voices.node_voice import NS, NodeVoice, database, sealed


def test_story_of_a_weak_cell() -> None:
    """Charging, a weak cell trips, the node opens, a person is refused, clears and closes: told in this order."""
    world = World(setup(keep_closed=True))
    voice = world.voice
    voice.say("PackValues", PackCurrent=100.0)
    world.run(12)
    voice.say("CellExtremes", CellVoltageMax=3.661, CellMaxIndex=4)
    voice.faults[2] = {"CellOverVoltage"}
    voice.say("PackAllowance", ChargeCurrentAllowed=0.0, ChargeLimitedBy=0)
    voice.mute = {"CellVoltages"}  # the table would lag behind this shorthand
    world.run(1)
    voice.open(reason=0)
    voice.say("PackState", State=5)
    voice.faults[2], voice.faults[3] = set(), {"CellOverVoltage"}
    voice.say("CellExtremes", CellVoltageMax=3.307, CellMaxIndex=7)
    voice.mute = set()
    world.run(3)
    world.answering = lambda pack, request: [] if request["Request"] != "Clear" else [
        voice.answer(5, request["RequestNumber"], 2, hold_s=20.0)]
    world.engine.ask("north", "clear", "Ann", world.now_ns)
    world.run(1)
    voice.faults[3] = set()
    voice.say("PackState", State=1)
    world.run(0.5)
    world.answering = lambda pack, request: [] if request["Request"] != "Close" else [
        voice.answer(2, request["RequestNumber"], 0)]
    world.run(3)
    voice.close()
    world.run(1)
    aside = ("mark", "allowance", "alarm", "alarm_gone")
    kinds = [event.kind for event in world.kept.events if event.kind not in aside]
    assert kinds == ["node_heard", "fault", "state", "opened", "fault_gone", "latched", "request", "answer",
                     "state", "latch_cleared", "answer", "state", "closed"]
    assert world.kept.texts("opened", "answer", "closed") == [
        "opened: cell over voltage, cell 5 at 3.661 V, above the trip value 3.65 V",
        "clear asked by Ann: refused: the hold time is still running, 20 s to go",
        "close asked by gateway: accepted", "closed: asked by gateway"]



@st.composite
def frames(draw: st.DrawFn) -> list[tuple[BusFrame, int]]:
    """Sequences of sound, damaged and foreign frames with pauses, around a voice whose values wander."""
    voice = NodeVoice(hash_of())
    names = [*voice.said, "NodeFaults", "NodeInfo", "CellVoltages", "NodeAnswer"]
    found: list[tuple[BusFrame, int]] = []
    for _ in range(draw(st.integers(1, 40))):
        name = draw(st.sampled_from(names))
        message = database().get_message_by_name(name)
        can_id = message.frame_id | draw(st.sampled_from([1, 1, 1, 2]))
        data = draw(st.binary(min_size=draw(st.sampled_from([8, 8, 8, 3])), max_size=8))
        if len(data) == 8 and draw(st.integers(0, 4)):
            data = sealed(can_id, data, voice.count(name))
        found.append((BusFrame("can0", can_id, draw(st.integers(0, 9)) > 0, data),
                      draw(st.sampled_from([0, NS // 50, NS // 10, 2 * NS, 11 * NS]))))
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames(), st.lists(st.integers(0, 60), max_size=6))
def test_no_frame_crashes_and_no_allowance_is_too_high(story: list[tuple[BusFrame, int]], spoken: list[int]) -> None:
    """Whatever frames come in whatever order: nothing raises, and an allowance is never above node, own or rating,
    never positive with unknown readings or cells.
    """
    world = World()
    world.run(1.5)
    for n, (frame, pause_ns) in enumerate(story):
        world.hear(frame)
        if n in spoken:
            world.hear(*world.voice.cycle())
        world.now_ns += pause_ns
        world.engine.tick(world.now_ns)
        check_allowances(world)


def check_allowances(world: World) -> None:
    picture = world.engine.snapshot(world.now_ns)
    json.dumps(picture, allow_nan=False)
    pack, heard = picture["packs"]["north"], world.pack.heard
    for way, most_a in (("charge", 200.0), ("discharge", 200.0)):
        allowed = pack["allowance"][f"{way}_a"]
        node = heard.state.signal("PackAllowance", f"{way.capitalize()}CurrentAllowed", world.now_ns) or 0.0
        assert 0 <= allowed <= min(node, world.pack.allowances[way].own.current_a, most_a) + 1e-6
        unknown = bool(heard.state.silent(world.now_ns)) or None in [cell["value"] for cell in pack["cells_v"]] \
            or pack["values"]["cell_max_v"]["value"] is None or pack["values"]["temperature_min_c"]["value"] is None
        assert allowed == 0 or not unknown
    assert picture["banks"]["north"]["charge_a"] <= pack["allowance"]["charge_a"] + 1e-6
