"""The limit table where it is easy to be off by one: first steps, other rows, what is told to the rest of the node."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from generated import codec
from node.protect import HOLDING, LATCHED_PAGE, LIMIT_PAGE, OK, TRIPPED, WAITING, WARN_PAGE, Protect

Table = Callable[..., SimpleNamespace]
KNOWN, DOUBTFUL = 1, 2


def run(protect: Protect, *values: int, cycles: int = 1, known: int = KNOWN, periods: int = 1) -> Protect:
    """That many cycles with one value for each row."""
    for _ in range(cycles):
        protect.step(list(values), [known] * len(values), periods)
    return protect


class Watched(Protect):  # type: ignore[misc]  # the firmware has no types
    """Notes which rows are judged at all."""

    def __init__(self, limits: SimpleNamespace) -> None:
        super().__init__(limits)
        self.judged: list[int] = []

    def _judge(self, n: int, *rest: int) -> None:
        self.judged.append(n)
        super()._judge(n, *rest)


def waiting(protect: Protect, *rows: int) -> Protect:
    """Every row named has tripped and is over its hold; the others were never beyond."""
    count = protect.rows
    run(protect, *(101 if n in rows else 0 for n in range(count)), cycles=3)
    return run(protect, *[0] * count, cycles=6)


def test_each_tier_counts_its_delay_from_nothing(table: Table) -> None:
    """A fresh row that is beyond from its first cycle warns, limits and trips in the third, not before."""
    protect = run(Protect(table({"WARN": 50, "LIMIT": 60})), 101, cycles=2)
    assert not any(protect.bits)
    run(protect, 101)
    assert protect.get(WARN_PAGE, 0) and protect.get(LIMIT_PAGE, 0) and protect.state[0] == TRIPPED


def test_the_first_cycle_beyond_counts_as_one_however_late_it_comes(table: Table) -> None:
    """What happened in a gap is not known: only cycles that saw the value beyond count."""
    assert run(Protect(table()), 101, periods=50).state[0] == OK


def test_between_clear_and_trip_a_trip_comes_back(table: Table) -> None:
    """In the hold a value outside clear is the cause again, also one that would not have tripped."""
    protect = run(run(Protect(table()), 101, cycles=3), 90, cycles=2)
    assert protect.state[0] == HOLDING
    assert run(protect, 95).state[0] == TRIPPED and run(protect, 90).longest_hold() == 5


def test_a_beat_for_each_step(table: Table) -> None:
    """The count of steps moves by one and wraps at 256, so that the watchdog sees every step."""
    protect = Protect(table())
    assert protect.beat == 0
    assert [run(protect, 0).beat for _ in range(257)] == [*range(1, 256), 0, 1]


def test_the_worst_state_is_told(table: Table) -> None:
    """A cause comes before a hold, a hold before a latch that waits; nothing when all is well."""
    protect = Protect(table({"HOLD": 50}, {}, {"HOLD": 50}))
    assert run(protect, 0, 0, 0).worst == OK
    run(protect, 0, 101, 0, cycles=3)
    assert protect.worst == TRIPPED
    assert run(protect, 0, 0, 0, cycles=6).worst == WAITING
    run(protect, 101, 0, 0, cycles=3)
    assert protect.worst == TRIPPED
    assert run(protect, 0, 0, 0).worst == HOLDING
    run(protect, 0, 0, 101, cycles=3)
    assert protect.worst == TRIPPED
    for n in range(3):
        protect.state[n] = OK
    assert run(protect, 0, 0, 0).worst == OK


def test_a_row_above_the_eighth_has_its_own_bit(table: Table) -> None:
    """Rows are told in bytes of eight; the tenth is not the second."""
    protect = run(Protect(table(*[{}] * 10)), *[0] * 9, 101, cycles=3)
    assert [n for n in range(10) if protect.get(LATCHED_PAGE, n)] == [9]


@pytest.mark.parametrize("known, expected", [(KNOWN, codec.ANSWER_ACCEPTED), (DOUBTFUL, codec.ANSWER_UNKNOWN_READING),
                                             (0, codec.ANSWER_UNKNOWN_READING)])
def test_a_clear_needs_a_sure_reading(table: Table, known: int, expected: int) -> None:
    """What waits can be cleared only while its value is complete and fresh."""
    assert run(waiting(Protect(table()), 0), 0, known=known).refusal(0) == expected


def test_a_cleared_latch_is_not_told_any_more(table: Table) -> None:
    """The bit goes with the clear, not with the next cycle."""
    protect = waiting(Protect(table()), 0)
    assert protect.get(LATCHED_PAGE, 0)
    protect.clear(0)
    assert protect.state[0] == OK and not protect.get(LATCHED_PAGE, 0)


def test_a_person_clears_what_waits_and_nothing_else(table: Table) -> None:
    """The button clears a latch for persons too, but neither a cause, nor a hold, nor what is not seen for sure."""
    local = {"REMOTE_CLEAR": 0}
    protect = waiting(Protect(table(local, {}, {"LATCH": 0}, {"TRIP_BLOCKS": 0})), 0, 1, 3)
    assert protect.clear_here() and not any(protect.state)
    assert protect.clear_here(), "with nothing latched nothing stays"
    for wrong in ("cause", "hold", "doubt"):
        protect = waiting(Protect(table(local, {})), 0, 1)
        if wrong == "doubt":
            run(protect, 0, 0, known=DOUBTFUL)
        else:
            run(protect, 0, 101, cycles=3)
        if wrong == "hold":
            run(protect, 0, 0)
        assert not protect.clear_here(), wrong
        assert protect.state[1] == {"cause": TRIPPED, "hold": HOLDING, "doubt": WAITING}[wrong]
        assert protect.state[0] == (WAITING if wrong == "doubt" else OK)


def test_a_row_that_does_not_latch_is_no_reason_to_refuse(table: Table) -> None:
    """What goes by itself is not for a person: it stays, and the button's answer is yes."""
    protect = run(Protect(table({"LATCH": 0})), 101, cycles=3)
    assert protect.clear_here() and protect.state[0] == TRIPPED


def test_a_remembered_latch_holds_anew(table: Table) -> None:
    """After a restart a latched row blocks, is told, and runs its whole hold; one that does not latch is forgotten."""
    protect = Protect(table({"HOLD": 4}, {"LATCH": 0}))
    protect.remember(0)
    protect.remember(1)
    assert list(protect.state) == [HOLDING, OK] and protect.get(LATCHED_PAGE, 0) and not protect.get(LATCHED_PAGE, 1)
    assert run(protect, 0, 0, cycles=3).longest_hold() == 1 and protect.blocks_now == 3
    assert run(protect, 0, 0).state[0] == WAITING


@pytest.mark.parametrize("n, state, expected", [
    (255, OK, codec.ANSWER_LATCHED), (0, WAITING, codec.ANSWER_LATCHED), (0, HOLDING, codec.ANSWER_HOLD_RUNNING),
    (0, TRIPPED, codec.ANSWER_CAUSE_PRESENT)])
def test_a_refused_close_says_how_far_the_row_is(table: Table, n: int, state: int, expected: int) -> None:
    """Its cause, its hold or its latch; with no row to name it is latched."""
    protect = Protect(table())
    protect.state[0] = state
    assert protect.why_closed_to(n) == expected


def test_what_blocks_one_direction_is_not_named_for_the_other(table: Table) -> None:
    """Only a row that blocks what is asked for is named; none is 255."""
    protect = run(Protect(table({"TRIP_BLOCKS": 1, "LIMIT_BLOCKS": 1, "DELAY": 0})), 101)
    assert [protect.first_blocking(mask) for mask in (1, 2, 3)] == [0, 255, 0]
    assert [protect.first_beyond(mask) for mask in (1, 2, 3)] == [0, 255, 0]
    assert [protect.first_tripped(mask) for mask in (1, 2, 3)] == [0, 255, 0]


def test_a_trip_blocks_what_a_trip_blocks(table: Table) -> None:
    """Not what its limit tier blocks: neither while its delay runs, nor when it asks first, nor when it opens now."""
    for after, where in ((1, "blocks_after"), (0, "blocks_now")):
        protect = Protect(table({"TRIP_BLOCKS": 1, "LIMIT_BLOCKS": 2, "AFTER_REQUEST": after}))
        assert run(protect, 101).beyond == 1 and [protect.first_beyond(mask) for mask in (1, 2)] == [0, 255]
        run(protect, 101, cycles=2)
        assert getattr(protect, where) == 1 and protect.blocks_now + protect.blocks_after == 1


def test_the_end_of_one_row_leaves_the_bits_of_its_neighbours(table: Table) -> None:
    """A bit that goes takes no other with it."""
    protect = run(Protect(table(*[{"WARN": 50, "DELAY": 0}] * 8)), *[51] * 8)
    run(protect, *(0 if n == 3 else 51 for n in range(8)))
    assert [n for n in range(8) if protect.get(WARN_PAGE, n)] == [0, 1, 2, 4, 5, 6, 7]


@pytest.mark.parametrize("late, cycles", [(1, 2), (2, 3), (9, 3)])
def test_flicker_counts_back_to_nothing_and_no_further(table: Table, late: int, cycles: int) -> None:
    """The delay of implausible readings runs backwards while they are plausible: it ends at 0."""
    row = codec.REASON_IMPLAUSIBLE_READING
    protect = Protect(table(*[{}] * (row + 1)))
    beyond, inside = ([*[0] * row, value] for value in (101, 0))
    run(run(protect, *beyond, cycles=2), *inside, periods=late)
    assert run(protect, *beyond, cycles=cycles - 1).state[row] == OK
    assert run(protect, *beyond).state[row] == TRIPPED


def test_a_limit_tier_is_named_by_its_own_row(table: Table) -> None:
    """A row without a trip that forbids by its limit tier is named, not the first row of the table."""
    never = (1 << 28) - 1
    protect = run(Protect(table({}, {"LIMIT": 60, "TRIP": never, "LIMIT_BLOCKS": 2, "DELAY": 0})), 0, 61)
    assert protect.first_blocking(2) == 1 and protect.first_blocking(1) == 255


def test_the_longest_hold_is_the_one_that_is_told(table: Table) -> None:
    """Of several holds the longest; none is 0, and so is a hold that is over."""
    protect = Protect(table({"HOLD": 5}, {"HOLD": 9}, {"HOLD": 2}))
    assert protect.longest_hold() == 0
    run(protect, 101, 101, 101, cycles=3)
    assert protect.longest_hold() == 0
    assert run(protect, 0, 0, 0).longest_hold() == 9
    assert run(protect, 0, 0, 0, cycles=9).longest_hold() == 0
    assert run(protect, 101, 0, 0, cycles=3).longest_hold() == 0, "what row 0 held before does not count again"


# --- what machine code passes over ---

FAR = 1 << 27  # more than any reading


@pytest.mark.parametrize("sign, value, judged", [
    (1, 50, False), (1, 51, True), (1, 0, False), (1, -FAR, False), (1, FAR, True),
    (-1, 50, False), (-1, 49, True), (-1, 100, False), (-1, FAR, False), (-1, -FAR, True)])
def test_a_row_at_rest_is_judged_only_beyond_a_tier(table: Table, sign: int, value: int, judged: bool) -> None:
    """The nearest tier counts, whichever it is; equal is inside; on the far side nothing is beyond."""
    for tier in ("WARN", "LIMIT", "TRIP"):
        tiers = {name: 50 if name == tier else 50 + 20 * sign for name in ("WARN", "LIMIT", "TRIP")}
        protect = Watched(table({}, {"SIGN": sign, "CLEAR": 40 if sign > 0 else 60, **tiers}))
        assert run(protect, 0, value).judged == ([1] if judged else []), tier


def test_an_unknown_value_beyond_is_not_judged(table: Table) -> None:
    """A row at rest stays there however far the number of an unknown value is."""
    assert run(Watched(table()), 101, known=0).judged == []


@pytest.mark.parametrize("known, sure", [(KNOWN, 1), (DOUBTFUL, 0), (0, 0)])
def test_a_row_that_is_passed_over_says_whether_it_was_sure(table: Table, known: int, sure: int) -> None:
    """`sure` is of the last reading, of a row at rest too."""
    assert list(run(Protect(table({}, {})), 0, 0, known=known).sure) == [sure, sure]


@pytest.mark.parametrize("tier, more", [({"WARN": 50}, 0), ({"LIMIT": 50}, 1), ({"TRIP": 50, "HOLD": 1}, 2)])
def test_a_row_is_judged_until_nothing_of_it_is_left(table: Table, tier: dict[str, int], more: int) -> None:
    """From the first value beyond until its delay, its limit or its trip is over; a doubtful value ends none."""
    protect = Watched(table({"WARN": 99, "LIMIT": 99, "TRIP": 99, "CLEAR": 40, "LATCH": 0, **tier}))
    run(run(run(protect, 51, cycles=4), 41, cycles=3, known=DOUBTFUL), 41)
    assert protect.judged == [0] * 8
    run(protect, 40, cycles=9)
    assert len(protect.judged) == 8 + more and not any(protect.bits) and protect.state[0] == OK


def test_a_limit_that_stays_keeps_its_row_from_rest(table: Table) -> None:
    """Between clear and limit the limit holds, and ends in the first sure cycle inside clear."""
    protect = run(Watched(table({"LIMIT": 95, "LIMIT_BLOCKS": 1, "DELAY": 0})), 96)
    run(protect, 93, cycles=20)
    assert protect.get(LIMIT_PAGE, 0) and protect.limited == 1 and len(protect.judged) == 21
    assert run(protect, 90).limited == 0 and not protect.get(LIMIT_PAGE, 0)


def test_what_was_remembered_does_not_rest(table: Table) -> None:
    """A latch from before the restart blocks from the first cycle, its value inside every tier."""
    protect = Watched(table({}, {}))
    protect.remember(1)
    assert run(protect, 0, 0).judged == [1] and protect.blocks_now == 3 and protect.latched == 1
    assert run(protect, 0, 0, known=0).blocks_now == 3, "nor does it while nothing is known"
