"""Wanted currents over time."""

from __future__ import annotations

import pytest

from twolbms.sim.profile import Profile


@pytest.mark.parametrize(("at_s", "current_a"), [(-1, 0.0), (0, 5.0), (9.9, 5.0), (10, -3.0), (1e6, -3.0)])
def test_steps_hold(at_s: float, current_a: float) -> None:
    """Each step holds until the next; before the first nothing flows."""
    assert Profile([(0, 5), (10, -3)]).current_a(at_s) == current_a


@pytest.mark.parametrize(("at_s", "current_a"), [(5, 0.0), (15, 8.0), (24, 0.0), (35, 8.0), (-5, 0.0)])
def test_repeats(at_s: float, current_a: float) -> None:
    """A repeated story begins again."""
    assert Profile([(10, 8.0)], repeat_s=20).current_a(at_s) == current_a


def test_empty_and_constant() -> None:
    """No steps want nothing; a constant wants the same for ever."""
    assert Profile(()).current_a(100) == 0.0
    assert Profile.constant(-7).current_a(1e9) == -7.0


def test_refuses_falling_times() -> None:
    """Times must rise, and the story must not repeat before its last step."""
    with pytest.raises(ValueError, match="rising"):
        Profile([(10, 1), (5, 2)])
    with pytest.raises(ValueError, match="after its last step"):
        Profile([(0, 1), (50, 2)], repeat_s=50)
