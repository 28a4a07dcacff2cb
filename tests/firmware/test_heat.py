"""The heating relay: on when it is certain that it may, off otherwise."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from node.heat import Heat

COLD = {"known": True, "temp_min_dc": 34, "temp_max_dc": 50, "cell_min_mv": 3300}


def after(heat: Heat, cycles: int = 1, periods: int = 1, **readings: Any) -> int:
    for _ in range(cycles):
        heat.step(SimpleNamespace(**{**COLD, **readings}), periods)
    on: int = heat.on
    return on


@pytest.mark.parametrize("readings, on", [
    ({}, 1), ({"temp_min_dc": 35}, 0), ({"temp_max_dc": 350}, 1), ({"temp_max_dc": 351}, 0),
    ({"cell_min_mv": 3000}, 1), ({"cell_min_mv": 2999}, 0), ({"known": False}, 0)])
def test_goes_on_below_3_5_degrees_and_only_then(lfp: Any, readings: dict[str, int], on: int) -> None:
    """Cold, known, no sensor above 35 degC and no cell below 3.0 V: each to the count."""
    assert after(Heat(lfp), **readings) == on


@pytest.mark.parametrize("readings, on", [
    ({"temp_min_dc": 60}, 1), ({"temp_min_dc": 61}, 0), ({"temp_max_dc": 351}, 0), ({"cell_min_mv": 2999}, 0),
    ({"known": False}, 0)])
def test_goes_off_by_the_same_guards(lfp: Any, readings: dict[str, int], on: int) -> None:
    """A running heater stops above 6.0 degC and for each guard at once."""
    heat = Heat(lfp)
    after(heat)
    assert after(heat, **readings) == on


def test_rests_after_four_hours(lfp: Any) -> None:
    """14,400 s on, then 900 s off, however cold it is."""
    heat = Heat(lfp)
    assert after(heat) and after(heat, 143_999) and not after(heat)
    assert not after(heat, 8_999) and after(heat)


def test_a_lost_reading_buys_no_time(lfp: Any) -> None:
    """The longest time counts over interruptions: 143,000 cycles, one lost reading, and only 1,000 more."""
    heat = Heat(lfp)
    assert after(heat) and after(heat, 143_000)
    assert not after(heat, known=False)
    assert after(heat) and after(heat, 999) and not after(heat, 1)


def test_a_pack_without_a_heater_has_none(lfp: Any) -> None:
    """Nothing is switched where no heater is."""
    from generated import limits_leaf_2013_14s
    assert not after(Heat(limits_leaf_2013_14s), temp_min_dc=-300)
