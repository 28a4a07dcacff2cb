"""The heating relay: on when it is certain that it may, off otherwise."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from node.heat import Heat

COLD = {"known": True, "temp_min_dc": 34, "temp_max_dc": 50, "cell_min_mv": 3300, "current_ma": 0, "pack_mv": 26400,
        "link_mv": 26400}


def after(heat: Heat, cycles: int = 1, periods: int = 1, relay: int | None = None, paths: int = 3, forbidden: int = 0,
          **readings: Any) -> int:
    """`relay` is the feedback; without it the relay follows. The cells warm by 1 K in 2,000 cycles while it is on."""
    for _ in range(cycles):
        measured = heat.on if relay is None else relay
        heat.warmth = getattr(heat, "warmth", 0) + 10 * measured * periods
        m = SimpleNamespace(**{**COLD, "temp_mean_dc": 40 + heat.warmth // 2000, **readings})
        heat.step(m, measured, True, paths, forbidden, periods)
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


def test_the_budget_is_given_back_by_charging_only(lfp: Any) -> None:
    """1,600 Wh of heat, then none until the pack is charged: 300 W for 5 h 20 min, with rests between."""
    heat = Heat(lfp)
    cycles = 0
    while heat._spent // 10 < 1600 * 3600:
        after(heat, 1000)
        cycles += 1000
        assert cycles < 300_000
    assert 1600 <= heat.energy_wh <= 1610
    assert not after(heat, 20_000), "no charge, no heat"
    assert not after(heat, 5_400, current_ma=50_000), "not yet an eighth, 200 Wh"
    assert after(heat, 100, current_ma=50_000)


@pytest.mark.parametrize("rise_dc, no_rise", [(9, 1), (10, 0)])
def test_a_heater_that_does_not_warm_is_found(lfp: Any, rise_dc: int, no_rise: int) -> None:
    """1.0 K within 20 minutes of heat, or the fault."""
    heat = Heat(lfp)
    after(heat, 2, temp_mean_dc=40)
    after(heat, 11_999, temp_mean_dc=40)
    assert heat.no_rise == 0
    after(heat, temp_mean_dc=40 + rise_dc)
    assert heat.no_rise == no_rise and heat.on
    after(heat, forbidden=1, temp_mean_dc=40)
    after(heat, forbidden=1, temp_mean_dc=40)
    assert heat.no_rise == 0, "the cause has gone with the heat"


def test_a_relay_that_stays_closed_is_found(lfp: Any) -> None:
    """Contacts still closed 0.6 s after the command to open."""
    heat = Heat(lfp)
    after(heat, 20)
    after(heat, 7, temp_min_dc=61, relay=1)
    assert heat.stuck == 0
    after(heat, temp_min_dc=61, relay=1)
    assert heat.stuck == 1


@pytest.mark.parametrize("current_ma, paths, stuck", [(-5138, 0, 1), (-5136, 0, 0), (-9000, 2, 0), (9000, 0, 0)])
def test_current_with_everything_open_is_the_heater(lfp: Any, current_ma: int, paths: int, stuck: int) -> None:
    """A third of what it draws at most (15.4 A for 300 W), while all paths are open and it is switched off."""
    heat = Heat(lfp)
    after(heat, 10, temp_min_dc=200, relay=0, paths=paths, current_ma=current_ma)
    assert heat.stuck == stuck


@pytest.mark.parametrize("rise_dc, stuck", [(40, 0), (41, 1)])
def test_a_pack_at_rest_that_warms_has_a_stuck_heater(lfp: Any, rise_dc: int, stuck: int) -> None:
    """More than 4 K in 20 minutes without current cannot be the room."""
    heat = Heat(lfp)
    after(heat, 11_999, temp_min_dc=200, temp_mean_dc=200)
    after(heat, 3, temp_min_dc=200, temp_mean_dc=200 + rise_dc)
    assert heat.stuck == stuck


def test_a_heater_fed_from_the_link_needs_a_link(lfp: Any) -> None:
    """Where the outputs feed the heater nothing is switched on while the link is dead."""
    fed = SimpleNamespace(**{name: value for name, value in vars(lfp).items() if name.isupper()} | {
        "HEATER_FROM_LINK": 1, "HEATER_MA": 0})
    assert not after(Heat(fed), link_mv=13_199) and after(Heat(fed), link_mv=13_200)
