"""Sources in parallel with a capacitor: balance, share, blocked directions, and any step length alike."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from twolbms.sim.branch import Branch, Feed, settle, total_a

BLEED = Branch(0.0, 10_000.0)
NOTHING = Feed(0.0, 0.0)
CAPACITANCE_F = 0.01

branches = st.builds(Branch, st.floats(10, 60), st.floats(1e-3, 100), st.booleans(), st.booleans(),
                     st.sampled_from([0.0, 0.7]), st.sampled_from([0.0, 0.7]))
feeds = st.builds(Feed, st.floats(-500, 500), st.floats(5, 65))


@given(st.lists(branches, max_size=3), feeds, st.floats(0, 70), st.floats(1e-3, 1.0))
def test_charge_is_conserved(sources: list[Branch], feed: Feed, bar_v: float, elapsed_s: float) -> None:
    """What the feed gives goes into the branches and the capacitor, and never more than it wants."""
    end_v, currents_a = settle([*sources, BLEED], feed, bar_v, CAPACITANCE_F, elapsed_s)
    given_a = sum(currents_a) + CAPACITANCE_F * (end_v - bar_v) / elapsed_s
    low_a, high_a = sorted((0.0, feed.wanted_a))
    tolerance_a = 1e-6 * (1 + abs(feed.wanted_a) + max(abs(current_a) for current_a in currents_a))
    assert low_a - tolerance_a <= given_a <= high_a + tolerance_a


@given(st.lists(branches, max_size=3), feeds, st.floats(0, 70), st.floats(1e-3, 1.0), st.integers(2, 5))
def test_steps_may_be_cut(sources: list[Branch], feed: Feed, bar_v: float, elapsed_s: float, pieces: int) -> None:
    """One long step ends where several short ones do, with the same charge."""
    bars = [*sources, BLEED]
    assume(abs(bar_v - feed.limit_v) > 1e-6)
    whole = settle(bars, feed, bar_v, CAPACITANCE_F, elapsed_s)
    sums = [0.0] * len(bars)
    for _ in range(pieces):
        bar_v, currents_a = settle(bars, feed, bar_v, CAPACITANCE_F, elapsed_s / pieces)
        sums = [total + current_a / pieces for total, current_a in zip(sums, currents_a, strict=True)]
    assert bar_v == pytest.approx(whole.bar_v, rel=1e-6, abs=1e-6)
    assert sums == pytest.approx(whole.currents_a, rel=1e-5, abs=1e-4)


def test_two_packs_exchange_by_difference() -> None:
    """Two packs closed on each other exchange voltage difference / both resistances."""
    bar_v, currents_a = settle([Branch(26.5, 0.003), Branch(26.2, 0.003), BLEED], NOTHING, 26.35, CAPACITANCE_F, 1.0)
    assert bar_v == pytest.approx(26.35, abs=1e-4)
    assert currents_a[:2] == pytest.approx([-50.0, 50.0], abs=0.01)


def test_share_by_resistance() -> None:
    """Packs of equal voltage share a current by their conductances."""
    _, currents_a = settle([Branch(26.0, 0.002), Branch(26.0, 0.006), BLEED], Feed(80.0, 30.0), 26.12, 1e-6, 1.0)
    assert currents_a[:2] == pytest.approx([60.0, 20.0], abs=0.01)


def test_capacitor_curve() -> None:
    """Through one resistance the bars follow the exponential of R times C."""
    for seconds in (0.01, 0.47, 3.0):
        end_v, _ = settle([Branch(26.0, 47.0), Branch(0.0, 1e9)], NOTHING, 0.0, CAPACITANCE_F, seconds)
        assert end_v == pytest.approx(26 * -math.expm1(-seconds / 0.47), rel=1e-6)


@pytest.mark.parametrize(("feed", "end_v"), [
    (Feed(30.0, 28.4), 28.4),  # a charger against a pack that may not charge ends at its voltage
    (Feed(-30.0, 20.0), 20.0 * math.exp(-0.01)),  # a load stops at its own; then only the bleed resistor empties
    (Feed(30.0, 25.0), 26.0 * math.exp(-0.01)),  # a charger below the bars gives nothing
])
def test_feed_keeps_to_its_voltage(feed: Feed, end_v: float) -> None:
    """Charger and load work on their own side of their voltage only."""
    blocked = Branch(26.0, 0.003, charges=False, discharges=False)
    result = settle([blocked, BLEED], feed, 26.0, CAPACITANCE_F, 1.0)
    assert result.bar_v == pytest.approx(end_v, abs=0.01)
    assert result.currents_a[0] == 0.0


@pytest.mark.parametrize(("bar_v", "charge_only_a", "discharge_only_a"), [
    (27.0, 100.0, 0.0), (26.0, 0.0, 0.0), (25.0, 0.0, -100.0)])
def test_blocked_direction(bar_v: float, charge_only_a: float, discharge_only_a: float) -> None:
    """A direction that is not allowed carries nothing."""
    assert Branch(26.0, 0.01, discharges=False).current_a(bar_v) == pytest.approx(charge_only_a)
    assert Branch(26.0, 0.01, charges=False).current_a(bar_v) == pytest.approx(discharge_only_a)


def test_diode_drop() -> None:
    """Through a body diode a current begins only beyond its forward voltage."""
    branch = Branch(26.0, 0.01, charges=False, discharge_drop_v=0.7)
    assert branch.current_a(25.4) == 0.0
    assert branch.current_a(25.2) == pytest.approx(-10.0)
    assert total_a([branch, branch], 25.2) == pytest.approx(-20.0)
