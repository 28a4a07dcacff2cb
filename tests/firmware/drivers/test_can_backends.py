"""The suite that every CAN back end passes: frames out and in, filters, bounds, freshness, bus-off."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from drivers.can_controller import ControllerCan
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.drivers.can_bench import (
    ANSWER,
    BACK_ENDS,
    CELLS,
    CONTROLLERS,
    FAULTS,
    HEARTBEAT,
    INFO,
    REQUEST,
    VALUES,
    SlcanBench,
    make_bench,
)
from twolbms.sim.chips.can_mailbox import MailboxPort
from twolbms.sim.slcan import CanFrame

DATA = bytes.fromhex("1122334455667788")
STALE_CYCLES = 3
SINGLE = tuple(kind for kind in CONTROLLERS if not kind.startswith("pyb"))  # can abort one frame


@pytest.fixture(params=BACK_ENDS)
def bench(request: pytest.FixtureRequest) -> Any:
    """Each back end in turn, on the bus."""
    return make_bench(request.param)


@pytest.fixture(params=CONTROLLERS)
def wired(request: pytest.FixtureRequest) -> Any:
    """Each back end that sees its controller."""
    return make_bench(request.param)


def deaf(bench: Any, cycles: int) -> None:
    """Cycles with nobody there to acknowledge."""
    bench.far.online = False
    for _ in range(cycles):
        bench.full_cycle()


# frames out and in


def test_a_frame_goes_out_as_it_was_given(bench: Any) -> None:
    """Id and eight bytes arrive unchanged, the highest and lowest id too."""
    for can_id in (VALUES, 0, 0x1FFFFFFF):
        bench.can.send(can_id, DATA)
    bench.cycle()
    assert sorted(bench.heard()) == [(0, DATA), (VALUES, DATA), (0x1FFFFFFF, DATA)]


def test_a_frame_comes_in_once(bench: Any) -> None:
    """What the far side sends is received in the next cycle, unchanged and only once."""
    bench.cycle()
    bench.say(HEARTBEAT, DATA)
    bench.say(REQUEST, bytes(8))
    bench.cycle()
    assert sorted(bench.cycle()) == [(REQUEST, bytes(8)), (HEARTBEAT, DATA)] and bench.cycle() == []


def test_frames_of_one_id_stay_in_order(bench: Any) -> None:
    """Groups and pages of one id all go out, in the order in which they came, whatever stands between them."""
    sent = [bench.tell(can_id) for _ in range(5) for can_id in (CELLS, FAULTS, INFO)]
    bench.cycle()
    for can_id in (CELLS, FAULTS, INFO):
        assert [each for each in bench.listened() if each.can_id == can_id] == [s for s in sent if s.can_id == can_id]


def test_received_frames_of_one_id_stay_in_order(bench: Any) -> None:
    """A request that came first is handed on first."""
    bench.cycle()
    for n in range(5):
        bench.say(REQUEST, bytes([n] * 8))
    got = bench.cycle() + bench.cycle()
    assert got == [(REQUEST, bytes([n] * 8)) for n in range(5)]


def test_only_the_newest_of_a_latest_frame_waits(bench: Any) -> None:
    """A frame put as latest takes the place of the waiting one; groups of one id never do."""
    bench.tell(VALUES, latest=True)
    groups = [bench.tell(CELLS), bench.tell(CELLS)]
    newest = bench.tell(VALUES, latest=True)
    bench.cycle()
    assert sorted(bench.listened()) == [newest, *groups] and bench.can.stale == 1


@pytest.mark.parametrize("kind", BACK_ENDS)
def test_filters_pass_just_these_ids(kind: str) -> None:
    """Neighbouring ids, other nodes' requests and 11-bit ids with the same digits do not come in."""
    bench = make_bench(kind)
    bench.cycle()
    for can_id in (HEARTBEAT ^ 1, REQUEST + 1, REQUEST ^ 1 << 28, HEARTBEAT ^ 1 << 18, VALUES, 0):
        bench.say(can_id, DATA)
    bench.say(HEARTBEAT & 0x7FF, DATA, extended=False)
    bench.say(HEARTBEAT >> 18, DATA, extended=False)
    bench.say(REQUEST, DATA)
    assert bench.cycle() + bench.cycle() == [(REQUEST, DATA)]


@pytest.mark.parametrize("kind", BACK_ENDS)
@pytest.mark.parametrize("ids", [(HEARTBEAT,), (HEARTBEAT, REQUEST, 0x08FF8201), tuple(REQUEST + n for n in range(6))])
def test_filters_take_one_to_six_ids(kind: str, ids: tuple[int, ...]) -> None:
    """Each id that was asked for comes in, and nothing else."""
    bench = make_bench(kind)
    bench.can.filters(ids)
    bench.cycle()
    got = []
    for can_id in (*ids, VALUES):
        bench.say(can_id, DATA)
        got += bench.cycle()
    assert got + bench.cycle() == [(can_id, DATA) for can_id in ids]


def test_other_shapes_are_passed_over(bench: Any) -> None:
    """Short and remote frames of an id that is asked for are no frames of ours; the next good one comes in."""
    bench.cycle()
    bench.say(REQUEST, DATA[:5])
    bench.say(REQUEST, DATA, remote=True)
    bench.say(REQUEST, b"")
    got = bench.cycle()
    bench.say(REQUEST, DATA)
    assert got + bench.cycle() + bench.cycle() == [(REQUEST, DATA)] and bench.can.overruns == 0


def test_a_cycle_gets_a_bounded_number_of_frames(bench: Any) -> None:
    """However many frames come, a cycle gets at most MOST_IN; the others come later or are counted as lost."""
    bench.cycle()
    count = 2 * bench.can.MOST_IN + 5
    for n in range(count):
        bench.say(REQUEST, bytes([n] * 8))
        if n % 50 == 49:
            bench.idle()
    bench.idle()
    got = [bench.cycle() for _ in range(count)]
    assert max(map(len, got)) == bench.can.MOST_IN == 16
    assert sum(map(len, got)) == count or bench.can.overruns > 0


def test_what_does_not_fit_is_dropped_and_counted(bench: Any) -> None:
    """The queue holds 48 frames; a frame too many is counted, and the frames of high priority stay."""
    sent = [bench.tell(VALUES) for _ in range(40)] + [bench.tell(INFO) for _ in range(18)]
    assert bench.can.dropped == 10
    bench.idle()
    bench.cycle()
    assert bench.listened() == sent[:48]


def test_a_closed_back_end_says_and_hears_nothing(bench: Any) -> None:
    """State 0, nothing on the bus, nothing received; opened again it goes on."""
    bench.can.close()
    assert bench.can.state == 0
    bench.say(REQUEST, DATA)
    bench.tell_all()
    assert bench.cycle() + bench.cycle() == [] and bench.heard() == []
    assert bench.can.open()
    bench.tell(VALUES)
    bench.cycle()
    assert bench.can.state == 1 and VALUES in [each.can_id for each in bench.listened()]


def test_what_waited_when_it_was_closed_is_not_sent_later(bench: Any) -> None:
    """Closing gives up what waits and what was received; opened again only new frames go out."""
    bench.say(REQUEST, DATA)
    bench.idle()
    bench.tell_all()
    bench.can.close()
    assert bench.can.open()
    told = bench.told
    bench.tell(VALUES)
    assert bench.cycle() + bench.cycle() == [] or isinstance(bench, SlcanBench)
    assert [each.number for each in bench.listened() if each.number <= told] == []


def test_a_quiet_bus_is_active(bench: Any) -> None:
    """On a sound bus the state is 1, the counters 0, nothing is lost, stale or restarted."""
    for _ in range(60):
        bench.full_cycle()
    can = bench.can
    assert (can.state, can.tec, can.rec, can.bus_offs, can.restarts) == (1, 0, 0, 0, 0)
    assert can.dropped == can.stale == can.overruns == can.bad == 0
    assert len(bench.listened()) == 60 * 8


# nobody listens


def test_without_acknowledgement_the_node_is_passive_and_never_off(wired: Any) -> None:
    """The transmit error counter rises to 128 and stays; no bus-off, no restart, and the cycle goes on."""
    deaf(wired, 40)
    can = wired.can
    assert (can.state, can.tec, can.bus_offs, can.restarts) == (3, 128, 0, 0)


def test_without_acknowledgement_the_controller_holds_one_frame(wired: Any) -> None:
    """From the second cycle on at most one frame is in the controller, and it is never three cycles old."""
    deaf(wired, 2)
    most = 1 if wired.port.one_by_one else STALE_CYCLES
    for _ in range(30):
        wired.begin()
        wired.tell_all()
        wired.can.pump_out()
        for _ in range(10):
            wired.idle()
            assert len(wired.held_ages()) <= 1 and all(age < most for age in wired.held_ages())


@pytest.mark.parametrize("kind", CONTROLLERS)
@pytest.mark.parametrize("cycles", range(1, 9))
@pytest.mark.parametrize("steps", [0, 1, 40])
def test_who_comes_first_hears_fresh_frames(kind: str, cycles: int, steps: int) -> None:
    """A listener that comes at any time hears nothing of three cycles ago, and first what was made in this cycle.

    Where frames can only be aborted all at once the first frame is of the last three cycles.
    """
    bench = make_bench(kind)
    deaf(bench, cycles)
    bench.begin()
    bench.tell_all()
    bench.can.pump_out()
    bench.run(steps)
    bench.far.online = True
    bench.idle()
    bench.full_cycle()
    heard = bench.listened()
    ages = [mark - each.cycle for mark, each in zip(bench.marks, heard, strict=True)]
    assert max(ages) < STALE_CYCLES
    if kind in SINGLE:
        assert ages[0] == 0 and heard[0].can_id == VALUES
    assert {each.can_id for each in heard if each.cycle == bench.now} == {
        VALUES, 0x0CFF1101, 0x0CFF1201, FAULTS, 0x0CFF1401, CELLS, INFO}


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_what_nobody_heard_is_counted_as_stale(kind: str) -> None:
    """Every frame was heard, went stale, was dropped, or still waits: none is lost without a count."""
    bench = make_bench(kind)
    for far, cycles in ((True, 3), (False, 7), (True, 2), (False, 1), (True, 1), (False, 5)):
        bench.far.online = far
        for _ in range(cycles):
            bench.full_cycle()
    bench.far.online = True
    bench.cycle()
    bench.cycle()
    assert bench.can.stale + bench.can.dropped + len(bench.listened()) == bench.told
    assert bench.can.stale > 60


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_a_frame_that_comes_back_keeps_its_age(kind: str) -> None:
    """Taken out of the controller because nobody listened, it still is not heard three cycles after it was made."""
    for away in (1, 2, 3):
        bench = make_bench(kind)
        bench.far.online = False
        bench.begin()
        bench.tell(CELLS)
        bench.can.pump_out()
        bench.idle()
        for _ in range(away - 1):
            bench.cycle()
        bench.begin()
        bench.can.pump_out()
        bench.far.online = True
        bench.idle()
        assert len(bench.listened()) == (1 if away < STALE_CYCLES and kind in SINGLE else 0)


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_an_answer_is_not_replaced(kind: str) -> None:
    """Two answers of one id go out when the listener was away for one cycle.

    Where frames can only be aborted all at once those in the controller are lost, and counted.
    """
    bench = make_bench(kind)
    bench.far.online = False
    bench.begin()
    answers = [bench.tell(ANSWER), bench.tell(ANSWER)]
    bench.can.pump_out()
    bench.idle()
    bench.far.online = True
    bench.full_cycle()
    heard = [each for each in bench.listened() if each.can_id == ANSWER]
    lost = {"pyb_bxcan": 1, "pyb_fdcan": 2}.get(kind, 0)
    assert heard == answers[lost:] and bench.can.stale >= lost


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_a_bus_full_of_others_makes_no_stale_frames(kind: str) -> None:
    """Behind a babbler of the highest priority frames grow old and are aborted; when it stops, fresh ones are heard."""
    bench = make_bench(kind)
    bench.far.babble = CanFrame(0, True, bytes(8))
    for _ in range(12):
        bench.full_cycle()
        assert all(age < STALE_CYCLES for age in bench.held_ages())
    assert bench.listened() == [] and bench.can.state == 1 and bench.can.stale > 0
    bench.far.babble = None
    bench.full_cycle()
    assert bench.can.stale + bench.can.dropped + len(bench.listened()) >= bench.told
    ages = [mark - each.cycle for mark, each in zip(bench.marks, bench.listened(), strict=True)]
    assert ages and max(ages) < STALE_CYCLES


class Hesitant(MailboxPort):
    """Refuses the first frame of each cycle for no reason."""

    refuse = False

    def load(self, can_id: int, frame: bytearray) -> int:
        if self.refuse:
            self.refuse = False
            return -1
        return super().load(can_id, frame)


def test_a_passing_refusal_is_no_reason_for_a_restart() -> None:
    """Only a controller that refuses all for three cycles with nothing in it is restarted."""
    bench = make_bench("mailbox")
    port = Hesitant(bench.wire)
    bench.can = ControllerCan(port)
    assert bench.can.open()
    for _ in range(20):
        port.refuse = True
        bench.begin()
        bench.tell(VALUES)
        bench.can.pump_out()
        bench.idle()
    assert bench.can.restarts == 0 and len(bench.listened()) == 20


# bus-off


def restarts_of(bench: Any, cycles: int) -> list[int]:
    """The cycles in which the controller was restarted, counted from the first that found it off."""
    found: list[int] = []
    first = 0
    for n in range(cycles):
        before = bench.can.restarts
        bench.full_cycle()
        first = first or (n if bench.can.bus_offs else 0)
        if bench.can.restarts > before:
            found.append(n - first)
    return found


def test_bus_off_is_left_with_a_growing_wait(wired: Any) -> None:
    """After 1, 2, 4, 8, 16, 32 and then always 50 cycles, as long as the wire stays broken."""
    wired.wire.shorted = True
    tries = restarts_of(wired, 190)
    waits = [tries[0]] + [later - earlier - 1 for earlier, later in pairwise(tries)]
    assert waits == [1, 2, 4, 8, 16, 32, 50, 50]
    assert wired.can.restarts == 8 and wired.can.bus_offs in (8, 9)


def test_bus_off_is_reported_and_nothing_is_sent(wired: Any) -> None:
    """State 4 while off; frames wait, grow old and are counted, and the node keeps cycling."""
    wired.wire.shorted = True
    off = 0
    for _ in range(30):
        wired.full_cycle()
        if wired.can.state == 4:
            off += 1
            assert wired.chip.held() == [] or not wired.port.one_by_one
    assert off > 20 and wired.can.bus_offs >= 4 and wired.can.stale > 0


def test_after_bus_off_the_bus_is_used_again(wired: Any) -> None:
    """When the wire is whole, fresh frames flow again after the wait; after a calm time the wait is short again."""
    wired.wire.shorted = True
    for _ in range(12):
        wired.full_cycle()
    wired.wire.shorted = False
    for _ in range(12):
        wired.full_cycle()
    ages = [mark - each.cycle for mark, each in zip(wired.marks, wired.listened(), strict=True)]
    assert wired.can.state == 1 and len(ages) > 8 and max(ages) < STALE_CYCLES
    for _ in range(60):
        wired.full_cycle()
    wired.wire.shorted = True
    assert restarts_of(wired, 9)[:2] == [1, 4]


class Wrapping(MailboxPort):
    """Its transmit counter reads 0 in bus-off, and it comes back by itself."""

    rejoins = True

    def look(self) -> None:
        super().look()
        if self.state == 4:
            self.tec = 0


def test_nothing_goes_out_by_itself_after_bus_off() -> None:
    """What was in a controller that comes back on its own waits for the node's word, whatever the counter says."""
    bench = make_bench("mailbox")
    port = Wrapping(bench.wire)
    bench.can = ControllerCan(port)
    assert bench.can.open()
    bench.begin()
    sent = [bench.tell(ANSWER), bench.tell(CELLS)]
    bench.can.pump_out()
    bench.wire.shorted = True
    bench.run(32)
    bench.begin()
    assert bench.can.state == 4 and port.held() == []
    bench.wire.shorted = False
    bench.idle()
    assert port.line.tec == 0 and bench.heard() == []
    bench.cycle()
    assert bench.listened() == sent and bench.can.stale == 0


def test_counters_are_reported(wired: Any) -> None:
    """Twelve destroyed frames are a warning with a transmit counter of 96, sixteen are passive."""
    wired.begin()
    wired.tell(VALUES)
    wired.can.pump_out()
    wired.wire.shorted = True
    wired.run(12)
    wired.begin()
    assert (wired.can.state, wired.can.tec) == (2, 96)
    wired.run(4)
    wired.begin()
    assert (wired.can.state, wired.can.tec) == (3, 128)


def test_overruns_are_counted(wired: Any) -> None:
    """Frames that come faster than they are taken are lost in the controller, and the node says so."""
    wired.say(REQUEST, DATA)
    wired.idle()
    wired.cycle()
    for n in range(60):
        wired.say(REQUEST, bytes([n] * 8))
    wired.run(60)
    got = wired.cycle() + wired.cycle() + wired.cycle()
    assert 0 < len(got) < 60 and wired.can.overruns > 0


# the controller itself


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_the_self_test_needs_no_bus(kind: str) -> None:
    """Alone, on a broken wire, the controller hears its own frame; nothing goes out, and it is closed afterwards."""
    bench = make_bench(kind, opened=False)
    bench.wire.shorted = True
    assert bench.can.self_test() is True
    assert bench.can.state == 0 and not bench.chip.online
    bench.run(20)
    assert bench.heard() == [] and bench.chip.line.tec == 0


@pytest.mark.parametrize("kind", CONTROLLERS)
@pytest.mark.parametrize("bit", [0, 37, 63, None, -1])
def test_the_self_test_finds_a_lie(kind: str, bit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong bit in the frame that comes back, another id, or none coming back, is a failed test."""
    bench = make_bench(kind, opened=False)
    hear = bench.chip.hear

    if bit == -1:
        monkeypatch.setattr("drivers.can_controller._TEST_ID", 0x1FFF0001)
        monkeypatch.setattr(bench.port, "loopback", lambda can_id, loopback=bench.port.loopback: loopback(0x1FFF0000))
        monkeypatch.setattr(bench.port, "load", lambda can_id, d, load=bench.port.load: load(0x1FFF0000, d))
        assert bench.can.self_test() is False
        return

    def wrong(frame: Any) -> None:
        if bit is not None:
            data = int.from_bytes(frame.data, "big") ^ 1 << bit
            hear(frame._replace(data=data.to_bytes(8, "big")))
    monkeypatch.setattr(bench.chip, "hear", wrong)
    assert bench.can.self_test() is False


def test_slcan_has_no_self_test() -> None:
    """What cannot be tested is unknown, not good."""
    assert make_bench("slcan").can.self_test() is None


# any order of troubles

TROUBLES = st.lists(st.sampled_from(["deaf", "listen", "short", "whole", "babble", "hush", "cycle", "full", "late"]),
                    max_size=40)


@settings(deadline=None, max_examples=60)
@given(kind=st.sampled_from(CONTROLLERS), troubles=TROUBLES)
def test_no_order_of_troubles_makes_an_old_frame(kind: str, troubles: list[str]) -> None:
    """Whatever happens on the bus, no frame of three cycles ago is heard; those of one id come once and in order.

    Each frame was heard or counted, once; a pyb.CAN on an FDCAN part cannot know it of those it gave up.
    """
    bench = make_bench(kind)
    for trouble in troubles:
        if trouble in ("deaf", "listen"):
            bench.far.online = trouble == "listen"
        elif trouble in ("short", "whole"):
            bench.wire.shorted = trouble == "short"
        elif trouble in ("babble", "hush"):
            bench.far.babble = CanFrame(0, True, bytes(8)) if trouble == "babble" else None
        elif trouble == "late":  # a cycle without any service
            bench.begin()
            bench.tell_all()
            bench.can.pump_out()
            bench.run(60)
        else:
            bench.full_cycle() if trouble == "full" else bench.cycle()
    heard = bench.listened()
    assert all(mark - each.cycle < STALE_CYCLES for mark, each in zip(bench.marks, heard, strict=True))
    for can_id in {each.can_id for each in heard}:
        numbers = [each.number for each in heard if each.can_id == can_id]
        assert numbers == sorted(set(numbers))
    bench.far.online, bench.wire.shorted, bench.far.babble = True, False, None
    for _ in range(4):
        bench.cycle()
    counted = bench.can.stale + bench.can.dropped + len(bench.listened())
    assert counted == bench.told or (kind == "pyb_fdcan" and counted > bench.told)
