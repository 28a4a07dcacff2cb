"""The walk over the limit table: tiers, delays, holds and latches."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from generated import codec
from node.protect import HOLDING, LATCHED_PAGE, LIMIT_PAGE, OK, TRIP_PAGE, TRIPPED, WAITING, WARN_PAGE, Protect

Table = Callable[..., SimpleNamespace]


def run(protect: Protect, value: int, cycles: int = 1, known: int = 1, periods: int = 1) -> Protect:
    """That many cycles of one row at `value`."""
    for _ in range(cycles):
        protect.step([value], [known], periods)
    return protect


def test_equal_is_inside_and_one_beyond_trips_after_the_delay(table: Table) -> None:
    """A value at trip never trips; one count beyond does, in the cycle after the delay."""
    assert run(Protect(table()), 100, 50).state[0] == OK
    protect = run(Protect(table()), 101, 2)
    assert protect.state[0] == OK and run(protect, 101).state[0] == TRIPPED


def test_a_row_that_looks_below_mirrors_one_that_looks_above(table: Table) -> None:
    """With sign -1 everything is the other way round, equal still inside."""
    low = table({"SIGN": -1, "TRIP": 100, "CLEAR": 110})
    assert run(Protect(low), 100, 50).state[0] == OK
    protect = run(Protect(low), 99, 3)
    assert protect.state[0] == TRIPPED
    assert run(protect, 109).state[0] == TRIPPED and run(protect, 110).state[0] == HOLDING


def test_no_delay_trips_at_once(table: Table) -> None:
    """Delay 0 trips in the first cycle beyond."""
    assert run(Protect(table({"DELAY": 0})), 101).state[0] == TRIPPED


def test_one_cycle_inside_begins_the_delay_anew(table: Table) -> None:
    """The value must stay beyond for the whole delay, not add up to it."""
    protect = Protect(table())
    for _ in range(20):
        run(run(protect, 101, 2), 100)
    assert protect.state[0] == OK


def test_an_unknown_value_neither_trips_nor_clears(table: Table) -> None:
    """Unknown leaves a row as it is: half a delay stays half a delay, a trip stays a trip."""
    protect = run(run(Protect(table()), 101, 2), 999, 50, known=0)
    assert protect.state[0] == OK and run(protect, 101).state[0] == TRIPPED
    assert run(protect, 0, 50, known=0).state[0] == TRIPPED


def test_hold_and_latch_follow_the_cause(table: Table) -> None:
    """Cause gone, then the hold time to the cycle, then the latch waits for ever."""
    protect = run(run(Protect(table()), 101, 3), 90)
    assert (protect.state[0], protect.longest_hold()) == (HOLDING, 5)
    assert run(protect, 90, 4).state[0] == HOLDING and run(protect, 90).state[0] == WAITING
    assert run(protect, 90, 1000).state[0] == WAITING and protect.latched == 1


def test_a_row_that_does_not_latch_ends_with_its_hold(table: Table) -> None:
    """Without a latch the row is ok again after the hold time and blocks nothing."""
    protect = run(run(Protect(table({"LATCH": 0})), 101, 3), 90, 5)
    assert protect.blocks_now == 3 and protect.latched == 0
    assert run(protect, 90).state[0] == OK and protect.blocks_now == 0


def test_a_new_cause_in_the_hold_trips_again(table: Table) -> None:
    """A value beyond trip during the hold time is a cause again, and the hold begins anew after it."""
    protect = run(run(run(Protect(table()), 101, 3), 90, 4), 101, 3)
    assert protect.state[0] == TRIPPED
    assert run(protect, 90).longest_hold() == 5


def test_the_row_that_opens_is_named_once(table: Table) -> None:
    """`opened_by` names the row in the cycle of its trip only."""
    protect = run(Protect(table()), 101, 3)
    assert protect.opened_by == 0 and run(protect, 101).opened_by == 255


def test_late_cycles_count_as_the_time_that_passed(table: Table) -> None:
    """Delay and hold go by periods, however few cycles ran."""
    protect = run(Protect(table({"DELAY": 100, "HOLD": 100})), 101)
    assert run(protect, 101, periods=99).state[0] == OK and run(protect, 101).state[0] == TRIPPED
    assert run(run(protect, 90), 90, periods=100).state[0] == WAITING


def test_timers_stay_small_integers(table: Table) -> None:
    """A cause that lasts for years never makes a number the chip would have to allocate."""
    protect = run(Protect(table({"WARN": 50, "LIMIT": 60})), 101, 4000, periods=600)
    assert max(protect._trip_time[0], protect._warn_time[0], protect._limit_time[0]) < 1 << 21


def test_warn_goes_at_once_and_limit_goes_at_clear(table: Table) -> None:
    """Warn has no memory; limit stays until the value is back at clear."""
    protect = run(Protect(table({"WARN": 50, "LIMIT": 60, "CLEAR": 40, "LIMIT_BLOCKS": 1})), 61, 3)
    assert protect.get(WARN_PAGE, 0) and protect.get(LIMIT_PAGE, 0) and protect.limited == 1
    assert not run(protect, 50).get(WARN_PAGE, 0) and run(protect, 41).get(LIMIT_PAGE, 0)
    assert not run(protect, 40).get(LIMIT_PAGE, 0) and protect.limited == 0


def test_a_page_is_marked_changed_when_a_bit_moves(table: Table) -> None:
    """Each change of a tier is told at once; a tier that stays is not told again for it."""
    protect = run(Protect(table()), 101, 3)
    assert protect.changed[TRIP_PAGE] and protect.changed[LATCHED_PAGE] and not protect.changed[WARN_PAGE]
    protect.changed[TRIP_PAGE] = protect.changed[LATCHED_PAGE] = 0
    assert not any(run(protect, 101, 10).changed)


LOCAL = {"REMOTE_CLEAR": 0}


@pytest.mark.parametrize("row, state, expected", [
    ({}, OK, codec.ANSWER_ACCEPTED),
    ({}, TRIPPED, codec.ANSWER_CAUSE_PRESENT),
    ({}, HOLDING, codec.ANSWER_HOLD_RUNNING),
    ({}, WAITING, codec.ANSWER_ACCEPTED),
    (LOCAL, TRIPPED, codec.ANSWER_CAUSE_PRESENT),
    (LOCAL, HOLDING, codec.ANSWER_LOCAL_CLEAR_ONLY),
    (LOCAL, WAITING, codec.ANSWER_LOCAL_CLEAR_ONLY),
    ({**LOCAL, "LATCH": 0}, HOLDING, codec.ANSWER_HOLD_RUNNING),
])
def test_a_clear_is_refused_with_its_reason(table: Table, row: dict[str, int], state: int, expected: int) -> None:
    """The gateway may clear only what latches, is over, has held, and is not kept for a person."""
    protect = Protect(table(row))
    protect.state[0] = state
    assert protect.refusal(0) == expected


def test_what_blocks_is_named_by_tier(table: Table) -> None:
    """The allowance names limit tiers too; a refused close names only what has tripped."""
    never = (1 << 28) - 1
    protect = Protect(table({"LIMIT": 60, "TRIP": never, "LIMIT_BLOCKS": 1, "DELAY": 0}, {"DELAY": 0}))
    protect.step([61, 101], [1, 1], 1)
    assert protect.first_blocking(1) == 0 and protect.first_tripped(1) == 1
    assert protect.first_blocking(2) == 1 and protect.first_tripped(4) == 255
