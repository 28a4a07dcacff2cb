"""The heater's counts: energy, budget and windows, to the count."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from node.heat import Heat

COLD = {"known": True, "temp_min_dc": 34, "temp_max_dc": 50, "cell_min_mv": 3300, "current_ma": 0, "pack_mv": 26400,
        "link_mv": 26400, "temp_mean_dc": 40}
WARM = {"temp_min_dc": 200, "temp_mean_dc": 200}
BUDGET_J = 1600 * 3600


def step(heat: Heat, cycles: int = 1, periods: int = 1, relay: int | None = None, **readings: Any) -> int:
    """So many cycles; `relay` is the feedback, without it the relay follows."""
    m = SimpleNamespace(**{**COLD, **readings})
    for _ in range(cycles):
        heat.step(m, heat.on if relay is None else relay, True, 3, 0, periods)
    on: int = heat.on
    return on


def heat_of(lfp: Any, **limits: int) -> Heat:
    """A heater of the eight cells with other numbers."""
    return Heat(SimpleNamespace(**{name: value for name, value in vars(lfp).items() if name.isupper()} | limits))


# --- energy and budget ---

def test_energy_is_counted_to_the_watt_hour(lfp: Any) -> None:
    """300 W are 1 Wh in 12 s; what is left of one hour's count goes into the next."""
    heat = Heat(lfp)
    step(heat, 119, relay=1)
    assert heat.energy_wh == 0
    step(heat, relay=1)
    assert heat.energy_wh == 1
    step(heat, 130, relay=1)
    assert heat.energy_wh == 2
    step(heat, 110, relay=1)
    assert heat.energy_wh == 3


@pytest.mark.parametrize("watts, wh", [(35_999, 0), (36_000, 1), (71_999, 1), (72_000, 2)])
def test_a_watt_hour_is_36000_watt_cycles(lfp: Any, watts: int, wh: int) -> None:
    """A fresh heater has used nothing, and not one count is lost or made up."""
    heat = heat_of(lfp, HEATER_W=watts)
    step(heat, relay=1)
    assert heat.energy_wh == wh and heat.spent_j == watts // 10


def test_what_is_left_of_a_watt_hour_is_kept(lfp: Any) -> None:
    """Three cycles of 35,000 W are 105,000 watt cycles: two watt hours, and 33,000 left."""
    heat = heat_of(lfp, HEATER_W=35_000)
    step(heat, 3, relay=1)
    assert heat.energy_wh == 2


def test_a_late_cycle_counts_as_the_time_it_took(lfp: Any) -> None:
    """Energy and budget go by the time that passed."""
    heat = Heat(lfp)
    step(heat, periods=600, relay=1)
    assert heat.energy_wh == 5 and heat.spent_j == 300 * 60


def test_energy_wraps_and_goes_on_after_a_restart(lfp: Any) -> None:
    """The count that is told has 24 bits and continues an earlier life's."""
    heat = Heat(lfp)
    heat.resume((1 << 24) + 0xFFFFFF, 1234)
    assert heat.energy_wh == 0xFFFFFF and heat.spent_j == 1234
    step(heat, 120, relay=1)
    assert heat.energy_wh == 0


@pytest.mark.parametrize("spent_j, on", [(BUDGET_J - 31, 1), (BUDGET_J - 30, 0)])
def test_the_budget_ends_heat_in_its_very_cycle(lfp: Any, spent_j: int, on: int) -> None:
    """A cycle of 300 W is 30 J: the one that uses up the budget is the last."""
    heat = Heat(lfp)
    step(heat)
    heat.resume(0, spent_j)
    assert step(heat) == on


@pytest.mark.parametrize("spent_j, on", [(BUDGET_J - BUDGET_J // 8, 0), (BUDGET_J - BUDGET_J // 8 - 1, 1)])
def test_an_eighth_must_be_charged_back(lfp: Any, spent_j: int, on: int) -> None:
    """After the budget is used up an eighth of it comes back before there is heat again."""
    heat = Heat(lfp)
    heat.resume(0, BUDGET_J)
    assert step(heat) == 0
    heat.resume(0, spent_j)
    assert step(heat) == on


@pytest.mark.parametrize("periods, spent_j", [(1, 967), (3, 902)])
def test_charging_pays_by_its_power(lfp: Any, periods: int, spent_j: int) -> None:
    """26.45 V and 12.34 A count as 26.4 V times 12.3 A, 324 W, for the time that passed."""
    heat = Heat(lfp)
    heat.resume(0, 1000)
    step(heat, periods=periods, relay=0, pack_mv=26_450, current_ma=12_340, **WARM)
    assert heat.spent_j == spent_j


def test_charging_pays_no_more_than_was_spent(lfp: Any) -> None:
    """The budget is never larger than it is."""
    heat = Heat(lfp)
    heat.resume(0, 10)
    step(heat, relay=0, current_ma=50_000, **WARM)
    assert heat._spent == 0


@pytest.mark.parametrize("readings", [{"known": False, "current_ma": 50_000}, {"current_ma": -50_000}])
def test_nothing_else_pays(lfp: Any, readings: dict[str, Any]) -> None:
    """Neither a current that is not known nor one that discharges."""
    heat = Heat(lfp)
    heat.resume(0, 1000)
    step(heat, relay=0, **{**WARM, **readings})
    assert heat.spent_j == 1000


def test_a_pack_without_a_heater_counts_nothing() -> None:
    """Its rows have nothing to judge."""
    from generated import limits_leaf_2013_14s
    heat = Heat(limits_leaf_2013_14s)
    step(heat, 10, relay=1)
    assert (heat.on, heat.stuck, heat.no_rise, heat.energy_wh, heat.spent_j) == (0, 0, 0, 0, 0)


# --- rests ---

def test_a_late_cycle_may_end_the_rest(lfp: Any) -> None:
    """The rest ends with the time that passed, and heat begins in that cycle."""
    heat = Heat(lfp)
    step(heat, cell_min_mv=2999)
    assert step(heat, periods=8_999) == 0
    assert step(heat, periods=50) == 1


def test_a_cell_that_sagged_below_the_floor_rests_900_s(lfp: Any) -> None:
    """A cell that recovers as soon as the heater is off must not make the relay chatter."""
    heat = Heat(lfp)
    step(heat)
    step(heat, cell_min_mv=2999)
    assert step(heat, 8_999) == 0 and step(heat) == 1


def test_the_longest_time_begins_anew_when_it_was_warm_enough(lfp: Any) -> None:
    """Switched off by warmth and on again: four hours more, to the cycle."""
    heat = Heat(lfp)
    step(heat)
    step(heat, periods=1000)
    assert step(heat, temp_min_dc=61) == 0
    assert step(heat) == 1
    assert step(heat, periods=143_999) == 1 and step(heat) == 0


# --- windows ---

@pytest.mark.parametrize("current_ma, stuck", [(-16_411, 0), (16_411, 0), (-16_410, 1), (16_410, 1)])
def test_only_a_pack_at_rest_is_watched(lfp: Any, current_ma: int, stuck: int) -> None:
    """Current warms cells too: above 1 A and what the heater draws (15.411 A) a rise proves nothing."""
    heat = Heat(lfp)
    step(heat, 11_999, relay=0, current_ma=current_ma, **WARM)
    step(heat, 3, relay=0, current_ma=current_ma, **{**WARM, "temp_mean_dc": 260})
    assert heat.stuck == stuck and heat.no_rise == 0


def test_each_window_begins_where_the_last_one_ended(lfp: Any) -> None:
    """3 K in each of two windows is a room that warms, not 6 K in one."""
    heat = Heat(lfp)
    for mean_dc in (200, 230, 260):
        step(heat, 12_001, relay=0, **{**WARM, "temp_mean_dc": mean_dc})
    assert heat.stuck == 0


def test_a_relay_that_does_not_close_is_not_a_heater_that_does_not_warm(lfp: Any) -> None:
    """A rise is looked for only while the heater is measured on and commanded on."""
    heat = Heat(lfp)
    step(heat, 13_000, relay=0)
    assert heat.on and heat.no_rise == 0
    heat = Heat(lfp)
    step(heat, 13_000, relay=1, **WARM)
    assert heat.no_rise == 0


def test_heat_ends_what_was_seen_at_rest(lfp: Any) -> None:
    """A pack that warmed by itself is watched anew after the heater has been on."""
    heat = Heat(lfp)
    step(heat, 11_999, relay=0, **WARM)
    step(heat, 3, relay=0, **{**WARM, "temp_mean_dc": 260})
    assert heat.stuck == 1
    assert step(heat, 2) == 1 and heat.stuck == 0
    step(heat, temp_min_dc=61)
    step(heat, 10, temp_min_dc=61)
    assert heat.stuck == 0


@pytest.mark.parametrize("current_ma, stuck", [(-5137, 0), (-5138, 1)])
def test_a_third_of_its_current_is_still_not_the_heater(lfp: Any, current_ma: int, stuck: int) -> None:
    """With everything open more than 5.137 A, a third of 15.411 A, can only be the heater."""
    heat = Heat(lfp)
    for _ in range(10):
        heat.step(SimpleNamespace(**{**COLD, **WARM, "current_ma": current_ma}), 0, True, 0, 0, 1)
    assert heat.stuck == stuck


def test_a_fresh_node_gives_the_relay_its_time(lfp: Any) -> None:
    """Contacts that are closed at boot are a fault in the seventh cycle, not before."""
    heat = Heat(lfp)
    step(heat, 6, relay=1, **WARM)
    assert heat.stuck == 0
    step(heat, relay=1, **WARM)
    assert heat.stuck == 1


@pytest.mark.parametrize("from_link, stuck", [(0, 1), (1, 0)])
def test_a_heater_on_the_link_draws_nothing_with_everything_open(lfp: Any, from_link: int, stuck: int) -> None:
    """Current that flows then is not its own: only a heater at the pack itself is found by it."""
    heat = heat_of(lfp, HEATER_FROM_LINK=from_link)
    m = SimpleNamespace(**COLD | WARM | {"current_ma": -9000})
    for _ in range(10):
        heat.step(m, 0, True, 0, 1, 1)
    assert heat.stuck == stuck
