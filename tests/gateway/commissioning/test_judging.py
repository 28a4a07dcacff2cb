"""Judgements over readings, with numbers worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolbms.commissioning.judging import (
    around_wire,
    beyond,
    current_correction,
    gains_ppm,
    listed,
    moved,
    named,
    offsets_dc,
    risen,
    settled,
)


@pytest.mark.parametrize(("before", "now", "cells"), [
    ((3.3, 3.3, 3.3), (3.3, 3.3, 3.3), []), ((3.3, 3.3, 3.3), (3.3, 3.281, 3.3), []),
    ((3.3, 3.3, 3.3), (3.3, 3.279, 3.3), [2]), ((3.3, 3.3, 3.3), (2.9, 3.7, 3.3), [1, 2]),
    ((3.3, 3.3, 3.3), (2.9, 3.35, 3.3), [1]), ((3.3, 3.3, 3.3), (None, None, 3.3), [1, 2]),
    ((3.3, 3.3, 3.3), (None, 3.3, 3.33), [1, 3]), ((None, 3.3, 3.3), (3.3, 3.3, 3.3), [])])
def test_which_moved(before: tuple[float | None, ...], now: tuple[float | None, ...], cells: list[int]) -> None:
    """At least 20 mV and half of the furthest; a value that was lost has moved, one that came has not."""
    assert moved(before, now, 0.02) == cells


@pytest.mark.parametrize(("now", "sensors"), [
    ((21.0, 21.0), []), ((22.4, 21.0), []), ((22.6, 21.0), [1]), ((19.0, 23.0), [2]), ((None, 23.0), [2]),
    ((23.0, 22.6), [1, 2]), ((25.0, 22.6), [1])])
def test_which_rose(now: tuple[float | None, ...], sensors: list[int]) -> None:
    """A sensor that cools, or is lost, did not rise."""
    assert risen((21.0, 21.0), now, 1.5) == sensors


def test_back_where_it_was() -> None:
    """All of them, within the bound; one that is missing is not back."""
    assert settled((3.3, 3.3), (3.309, 3.291), 0.01) and not settled((3.3, 3.3), (3.3, 3.311), 0.01)
    assert not settled((3.3, 3.3), (3.3, None), 0.01)


def test_cells_around_a_wire() -> None:
    """Both sides of it, at the ends only one."""
    assert [around_wire(wire, 8) for wire in (0, 1, 7, 8)] == [[1], [1, 2], [7, 8], [8]]


def test_gains_of_cells_and_of_taps() -> None:
    """A cell's gain is its own; a tap's is that of the sum below it."""
    shown, meter = [3.3, 3.2, 3.1], [3.3033, 3.2, 3.0969]
    assert gains_ppm(shown, meter, False) == [1000, 0, -1000]
    assert gains_ppm(shown, meter, True) == [1000, round(0.0033 / 6.5 * 1e6), round(0.0002 / 9.6 * 1e6)]


def test_offsets_of_sensors() -> None:
    """In tenths of a kelvin, so that the thermometer is shown."""
    assert offsets_dc([20.0, 22.5, 21.0], 21.0) == [10, -15, 0]
    assert beyond([10, -15, 0], 10) == [2]


@given(st.floats(-0.02, 0.02), st.floats(-1.0, 1.0), st.floats(2.0, 200.0), st.floats(2.0, 200.0))
def test_a_current_is_corrected(gain: float, offset_a: float, charging_a: float, discharging_a: float) -> None:
    """What a sensor shows, corrected as the node does it, is what the ammeter says, at both points and at rest."""
    def shows(true_a: float) -> float:
        return true_a * (1 + gain) + offset_a

    gain_ppm, offset_ma = current_correction(shows(0.0), (shows(charging_a), charging_a),
                                             (shows(-discharging_a), -discharging_a))
    for true_a in (charging_a, -discharging_a, 0.0):
        corrected = shows(true_a) * (1 + gain_ppm / 1e6) + offset_ma / 1e3
        assert corrected == pytest.approx(true_a, abs=0.002)


def test_numbers_as_people_say_them() -> None:
    """One, two, many, none."""
    assert [listed(numbers) for numbers in ([], [3], [3, 4], [1, 3, 4])] == ["none", "3", "3 and 4", "1, 3 and 4"]
    assert [named("cell", numbers) for numbers in ([], [3], [3, 4])] == ["no cell", "cell 3", "cells 3 and 4"]
