"""The charge count: no milliampere-hour is lost, and nothing grows."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from node.charge import WRAP, Charge
from node.measure import NA


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-2_000_000, 2_000_000), st.integers(0, 500)), max_size=60))
def test_in_and_out_add_up_exactly(cycles: list[tuple[int, int]]) -> None:
    """What is told is the whole mAh of the exact sums, in and out apart, whatever the order."""
    charge = Charge()
    for current_ma, elapsed_ms in cycles:
        charge.step(current_ma, elapsed_ms)
    taken = sum(ma * ms for ma, ms in cycles if ma > 0)
    given_out = -sum(ma * ms for ma, ms in cycles if ma < 0)
    assert charge.in_mah == taken // 3_600_000 & WRAP and charge.out_mah == given_out // 3_600_000 & WRAP


def test_the_count_wraps_at_2_to_the_20() -> None:
    """1,048.575 Ah are followed by 0, and the next count goes on from there."""
    charge = Charge()
    charge.in_mah = charge.out_mah = (1 << 20) - 1
    charge.step(36_000, 100)
    charge.step(-36_000, 100)
    assert (charge.in_mah, charge.out_mah) == (0, 0)


def test_an_unknown_current_counts_nothing() -> None:
    """A cycle without a current reading changes neither count."""
    charge = Charge()
    charge.step(NA, 100)
    assert (charge.in_mah, charge.out_mah, charge._in, charge._out) == (0, 0, 0, 0)


def test_the_largest_step_is_a_small_integer() -> None:
    """2,000 A for 500 ms on top of the largest remainder stays below 2^30, so that the chip allocates nothing."""
    assert 2_000_000 * 500 + 3_599_999 < 1 << 30
