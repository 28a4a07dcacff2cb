"""Extremes, sums and plausibility of one cycle's readings."""

from __future__ import annotations

from typing import Any

import pytest
from node.measure import NA, OLDEST, Measure


def measured(lfp: Any, cells: list[int] | None = None, temps: list[int] | None = None, **other: int) -> Measure:
    """Readings of the eight-cell pack after one proven conversion."""
    m = Measure(lfp)
    for i, mv in enumerate(cells or [3300] * 8):
        m.cell_mv[i] = mv
    for i, dc in enumerate(temps or [250] * 4):
        m.temp_dc[i] = dc
    m.pack_mv = other.get("pack_mv", sum(m.cell_mv))
    m.link_mv = 0
    m.current_ma = other.get("current_ma", 0)
    m.second_ma, m.supply_mv, m.humidity_percent = 0, 12_000, 45
    for name, value in other.items():
        setattr(m, name, value)
    m.step(True, 1)
    return m


def test_extremes_know_their_cell_and_sensor(lfp: Any) -> None:
    """Lowest and highest come with the number of the cell or sensor, counted from 0."""
    m = measured(lfp, [3300, 3290, 3300, 3310, 3300, 3300, 3300, 3300], [250, 260, -5, 250])
    assert (m.cell_min_mv, m.cell_min, m.cell_max_mv, m.cell_max) == (3290, 1, 3310, 3)
    assert (m.temp_min_dc, m.temp_min, m.temp_max_dc, m.temp_max, m.temp_mean_dc) == (-5, 2, 260, 1, 188)
    assert m.known


def test_a_bad_reading_is_left_out_of_the_extremes(lfp: Any) -> None:
    """A missing cell counts as a doubt and not as a voltage; the others go on being judged."""
    m = measured(lfp, [NA, 3301, 3302, 3303, 3304, 3305, 3306, 3307], pack_mv=26400)
    assert (m.cell_min_mv, m.cell_min, m.implausible, m.known) == (3301, 1, 1, False)


def test_nothing_measured_has_no_extremes(lfp: Any) -> None:
    """Without a single good cell or sensor there is no extreme and no number of one."""
    m = measured(lfp, [NA] * 8, [NA] * 4)
    assert {m.cell_min_mv, m.cell_max_mv, m.cell_min, m.cell_max} == {NA}
    assert {m.temp_min_dc, m.temp_max_dc, m.temp_mean_dc, m.temp_min, m.temp_max} == {NA}


@pytest.mark.parametrize("pack_mv, known", [(26800, True), (26801, False), (26000, True), (25999, False), (NA, False)])
def test_the_pack_voltage_must_agree_with_the_cells(lfp: Any, pack_mv: int, known: bool) -> None:
    """8 x 3.3 V may differ from the pack voltage by 0.4 V."""
    assert measured(lfp, pack_mv=pack_mv).known is known


def test_fresh_means_a_proven_conversion(lfp: Any) -> None:
    """Readings age in cycles until a new conversion is proven; 1.0 s is still known, 1.1 s is not."""
    m = measured(lfp)
    for _ in range(10):
        m.step(False, 1)
    assert m.stale == 10 and m.known
    m.step(False, 1)
    assert not m.known
    m.step(True, 1)
    assert m.stale == 0 and m.known


def test_age_stops_before_it_is_a_large_number(lfp: Any) -> None:
    """The age of a monitor that is dead for ever stays a small integer."""
    m = measured(lfp)
    for _ in range(3000):
        m.step(False, 600)
    assert OLDEST <= m.stale < 1 << 21


def test_nothing_is_known_before_the_first_conversion(lfp: Any) -> None:
    """A node that has not seen a conversion measures nothing, whatever the registers hold."""
    m = Measure(lfp)
    m.step(False, 1)
    assert not m.measured and not m.known and m.cell_min_mv == NA


@pytest.mark.parametrize("name", ["second_ma", "supply_mv", "humidity_percent", "current_ma"])
def test_a_fitted_sensor_that_is_missing_is_noticed(lfp: Any, name: str) -> None:
    """A sensor the pack has does not fail open: without its value nothing is known."""
    assert measured(lfp).known
    assert not measured(lfp, **{name: NA}).known


def test_a_sensor_that_is_not_fitted_is_not_missed(lfp: Any) -> None:
    """The eight-cell bank has no insulation monitor."""
    assert measured(lfp, insulation_kohm=NA).known
