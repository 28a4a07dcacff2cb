"""The closing sequence on its own: what it decides from readings, the table and feedback."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from generated import codec
from node.contactor import Contactor
from node.measure import NA

LIMITS = {"COMMON": 0, "PORTS": 0, "CLOSE_ALONE": 0, "PRECHARGE_CYCLES": 30, "PRECHARGE_DIFFERENCE_MV": 1500,
          "PRECHARGE_CURRENT_MA": 5000, "BREAK_MAX_MA": 300_000, "BREAK_HOLD_CYCLES": 3, "PRECHARGE_TRIES": 3,
          "PRECHARGE_COOL_CYCLES": 20, "LIFE_X": (1000, 200_000, 300_000), "LIFE_PPM": (1, 10, 1000)}
SOUND = {"blocks_now": 0, "blocks_after": 0, "beyond": 0, "latched": 0, "opened_by": 255}
READINGS = {"measured": True, "known": True, "pack_mv": 26400, "link_mv": 26400, "current_ma": 0}


class Rig:
    """A contactor with things around it that are set by name; feedback follows the command of the cycle before."""

    def __init__(self, **limits: int) -> None:
        self.contactor = Contactor(SimpleNamespace(**{**LIMITS, **limits}))
        self.m = SimpleNamespace(**READINGS)
        self.protect = SimpleNamespace(**SOUND)
        self.run(10)

    def run(self, cycles: int = 1, feedback: int | None = None, **changes: Any) -> Rig:
        for name, value in changes.items():
            setattr(self.m if hasattr(self.m, name) else self.protect, name, value)
        for _ in range(cycles):
            follows = self.contactor.paths | 4 * self.contactor.precharge
            self.contactor.step(self.m, self.protect, follows if feedback is None else feedback, True, 1)
        return self

    def close(self) -> int:
        answer: int = self.contactor.close(self.m, self.protect)
        return answer

    @property
    def state(self) -> tuple[int, int, int]:
        return self.contactor.state, self.contactor.paths, self.contactor.precharge


OPEN, CLOSED = (codec.STATE_OPEN, 0, 0), (codec.STATE_CLOSED, 3, 0)


def closed(**limits: int) -> Rig:
    rig = Rig(**limits)
    assert rig.close() == codec.ANSWER_ACCEPTED
    return rig.run()


def test_boots_open_and_closes_only_when_asked() -> None:
    """A sound pack stays open for ever unless it is asked."""
    rig = Rig().run(1000)
    assert rig.state == OPEN
    rig.close()
    assert rig.run().state == CLOSED


def test_a_low_link_is_charged_first() -> None:
    """Precharge alone is on until voltage and current say that the link is up."""
    rig = Rig().run(link_mv=0)
    rig.close()
    assert rig.run(20).state == (codec.STATE_PRECHARGE, 0, 1)
    assert rig.run(link_mv=24_900, current_ma=5001).state == (codec.STATE_PRECHARGE, 0, 1)
    assert rig.run(current_ma=5000).state == CLOSED


def test_a_failed_precharge_is_told_for_one_cycle() -> None:
    """Three tries with a pause between; then the row sees a single event, and everything is off again."""
    rig = Rig().run(link_mv=0)
    rig.close()
    for start in (30, 31):
        assert rig.run(start - 1).state == (codec.STATE_PRECHARGE, 0, 1)
        assert rig.run().state == (codec.STATE_COOLING, 0, 0) and rig.contactor.precharge_failed == 0
        assert rig.run(19).state == (codec.STATE_COOLING, 0, 0)
    rig.run(31)
    assert rig.state == OPEN and rig.contactor.precharge_failed == 1
    assert rig.run().contactor.precharge_failed == 0


def test_a_link_that_comes_up_while_cooling_needs_no_precharge() -> None:
    """Another pack may have lifted the link meanwhile."""
    rig = Rig().run(link_mv=0)
    rig.close()
    rig.run(30)
    assert rig.run(20, link_mv=26_400).state == CLOSED


def test_discharge_follows_into_a_dead_link_only_after_precharge() -> None:
    """After an under-voltage the charge path may be closed while inverter capacitors are empty."""
    rig = closed().run(blocks_now=2).run(link_mv=0)
    assert rig.state == (codec.STATE_CLOSED, 1, 0)
    assert rig.run(blocks_now=0).state == (codec.STATE_PRECHARGE, 1, 1)
    assert rig.run(link_mv=26_000).state == CLOSED


def test_a_path_that_is_blocked_during_that_precharge_opens() -> None:
    """The charge path does not wait for the end of the precharge."""
    rig = closed().run(blocks_now=2).run(link_mv=0).run(blocks_now=0)
    assert rig.run(blocks_now=1).state == OPEN


def test_a_charger_on_the_link_is_let_in_without_precharge() -> None:
    """After an under-voltage a charger above the pack's voltage charges it, where outputs switch apart."""
    def waiting(**limits: int) -> Rig:
        rig = Rig(**limits).run(blocks_now=2, pack_mv=20_000, link_mv=27_000)
        rig.contactor.charger = 1
        return rig

    rig = waiting()
    rig.close()
    assert rig.state == (codec.STATE_CLOSED, 1, 0)
    common = waiting(COMMON=1)
    assert common.close() == codec.ANSWER_LATCHED


def test_service_holds_everything_open() -> None:
    """Only from open; nothing closes, and after ten minutes without a word the node boots anew."""
    rig = closed()
    assert rig.contactor.request_service() == codec.ANSWER_WRONG_STATE
    rig = Rig()
    assert rig.contactor.request_service() == codec.ANSWER_ACCEPTED
    assert rig.close() == codec.ANSWER_WRONG_STATE
    assert rig.run(6000).state == (codec.STATE_SERVICE, 0, 0)
    assert rig.run().state == (codec.STATE_BOOT, 0, 0)


@pytest.mark.parametrize("current_ma, ppm", [(999, 0), (1000, 1), (-200_000, 10), (250_000, 505), (NA, 1000)])
def test_opening_under_load_wears(current_ma: int, ppm: int) -> None:
    """Each opening takes its share of the life at that current; an unknown current takes the most."""
    rig = closed().run(blocks_now=3, current_ma=current_ma)
    assert rig.state == OPEN and rig.contactor.wear_ppm == ppm


@pytest.mark.parametrize("blocks, paths", [(1, 2), (2, 1)])
def test_one_direction_opens_alone_on_fets(blocks: int, paths: int) -> None:
    """Outputs that switch apart keep the direction that is not blocked."""
    assert closed().run(blocks_now=blocks).state == (codec.STATE_CLOSED, paths, 0)


@pytest.mark.parametrize("blocks", [1, 2])
def test_common_outputs_open_together(blocks: int) -> None:
    """A block of one direction opens both where they cannot be switched apart."""
    assert closed(COMMON=1).run(blocks_now=blocks).state == OPEN


def test_what_is_wholly_open_comes_back_through_a_close() -> None:
    """A direction that comes free in the cycle in which the other opens is not closed past precharge."""
    rig = closed().run(blocks_now=1)
    assert rig.run(blocks_now=2, link_mv=0).state == OPEN
    assert rig.run(100).state == OPEN
    alone = closed(CLOSE_ALONE=1).run(blocks_now=1).run(blocks_now=2, link_mv=0)
    assert alone.run(2, blocks_now=0).state == (codec.STATE_PRECHARGE, 0, 1)


def test_a_requested_wait_ends_with_the_current() -> None:
    """after_request holds the path while current flows, for 5 s at most."""
    assert closed().run(50, blocks_after=1, current_ma=20_000).contactor.paths == 3
    assert closed().run(51, blocks_after=1, current_ma=20_000).contactor.paths == 2
    assert closed().run(1, blocks_after=1, current_ma=999).contactor.paths == 2
    assert closed().run(1, blocks_after=1, current_ma=-20_000).contactor.paths == 2


def test_an_overload_is_held_and_locks_out() -> None:
    """Above the breaking current the outputs wait three cycles, open, and say so for one cycle."""
    rig = closed().run(3, blocks_now=3, current_ma=-300_001)
    assert rig.contactor.paths == 3 and rig.contactor.overload == 0
    assert rig.run().state == OPEN and rig.contactor.overload == 1
    assert rig.run().contactor.overload == 0


def test_an_overload_that_ends_in_time_locks_out_too() -> None:
    """A contact that had to be held is looked at, also when it opened below its breaking current."""
    rig = closed().run(1, blocks_now=3, current_ma=300_001).run(current_ma=300_000)
    assert rig.state == OPEN and rig.contactor.overload == 1


def test_an_unknown_current_holds_nothing() -> None:
    """Without a current reading an output that has to open opens."""
    assert closed().run(blocks_now=3, current_ma=NA).state == OPEN


def test_an_open_request_outlives_everything_but_a_close() -> None:
    """A bank that closes alone stays open after a request until the gateway has asked for close."""
    rig = closed(CLOSE_ALONE=1)
    rig.contactor.request_open()
    assert rig.run(1000).state == OPEN and rig.contactor.open_reason == codec.REASON_GATEWAY_REQUEST
    rig.contactor.open_requested = False
    assert rig.run(2).state == CLOSED


def test_closes_alone_only_without_a_latch() -> None:
    """A trip that latches ends closing alone until it is cleared, even for the direction that is free."""
    rig = closed(CLOSE_ALONE=1).run(blocks_now=3, latched=1)
    assert rig.run(100, blocks_now=1).state == (codec.STATE_LATCHED, 0, 0)
    assert rig.run(2, latched=0).state == (codec.STATE_CLOSED, 2, 0)


@pytest.mark.parametrize("feedback, wrong", [(3, 0), (2, 1), (1, 1), (0, 1), (7, 1)])
def test_feedback_is_compared_bit_by_bit(feedback: int, wrong: int) -> None:
    """Every path and precharge must be measured as commanded."""
    assert closed().run(2, feedback=feedback).contactor.mismatch == wrong


@pytest.mark.parametrize("changes, answer", [
    ({"known": False}, codec.ANSWER_UNKNOWN_READING), ({"link_mv": NA}, codec.ANSWER_UNKNOWN_READING),
    ({"pack_mv": NA}, codec.ANSWER_UNKNOWN_READING), ({"blocks_after": 3}, codec.ANSWER_LATCHED),
    ({"beyond": 3}, codec.ANSWER_CAUSE_PRESENT), ({"blocks_now": 1}, codec.ANSWER_ACCEPTED)])
def test_a_close_is_refused_with_its_reason(changes: dict[str, int], answer: int) -> None:
    """Unknown readings, a blocked pack and a value beyond trip each refuse; one free direction does not."""
    assert Rig().run(**changes).close() == answer
