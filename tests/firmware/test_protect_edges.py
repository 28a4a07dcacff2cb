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
