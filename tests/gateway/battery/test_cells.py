"""The table of cells: whole, aged, and never in contradiction to the protected extremes."""

from __future__ import annotations

import pytest

from twolbms.battery.cells import CellTable
from voices.listening import World

NS = 1_000_000_000
CELLS = [3.300, 3.301, 3.302, 3.303, 3.304, 3.305, 3.306, 3.307]


def table(*, low: float = 3.300, high: float = 3.307, low_at: int = 0, high_at: int = 7) -> CellTable:
    made = CellTable(8, 1.0)
    made.extremes.take(low, high, low_at, high_at, 0)
    return made


def fill(cells: CellTable, now_ns: int = 0, values: list[float] | None = None) -> list[int]:
    values = values or CELLS
    return [cells.take(group, values[4 * group:4 * group + 4], now_ns) for group in (0, 1)]


def test_whole_needs_every_group() -> None:
    """A table is whole when all groups came within two periods."""
    cells = table()
    cells.take(0, CELLS[:4], 0)
    assert not cells.whole(0)
    cells.take(1, CELLS[4:], NS)
    assert cells.whole(2 * NS)
    assert not cells.whole(2 * NS + 1)
    assert cells.known(6 * NS)
    assert not cells.known(6 * NS + 1)


@pytest.mark.parametrize(("group", "values"), [(2, [3.3] * 4), (255, [3.3] * 4)])
def test_groups_of_another_pack(group: int, values: list[float]) -> None:
    """A group number this pack does not have is left out."""
    cells = table()
    fill(cells)
    assert cells.take(group, values, 0) == 0
    assert cells.whole(0)


def test_the_last_group_may_be_short() -> None:
    """A pack of six cells takes two of the last group's values and ignores the rest."""
    cells = CellTable(6, 1.0)
    assert [cells.take(0, [3.3] * 4, 0), cells.take(1, [3.3, 3.3, None, None], 0)] == [4, 2]
    assert cells.known(0)


# What a group says beside extremes of 3.300 V (cell 1) and 3.307 V (cell 8): (values of group 2, believed)
GROUPS = {
    "as measured": ([3.304, 3.305, 3.306, 3.307], True),
    "2 mV beyond": ([3.304, 3.305, 3.306, 3.309], True),
    "3 mV beyond": ([3.304, 3.305, 3.306, 3.310], False),
    "a low one": ([3.304, 3.297, 3.306, 3.307], False),
    "the named cell has another value": ([3.304, 3.305, 3.307, 3.304], False),
    "one missing": ([3.304, None, 3.306, 3.307], False),
}


@pytest.mark.parametrize(("values", "believed"), GROUPS.values(), ids=GROUPS.keys())
def test_agreement_with_the_extremes(values: list[float | None], believed: bool) -> None:
    """A group is believed only if every value lies between the extremes and the named cell holds the extreme."""
    assert (table().take(1, values, 0) == 4) is believed


def test_one_contradiction_is_passed_over_two_are_not() -> None:
    """A single group that contradicts keeps its older values; the second time the whole table is unknown."""
    cells = table()
    fill(cells)
    assert cells.take(1, [4.0] * 4, NS) == 0
    assert (cells.value(4, NS), cells.disagrees) == (3.304, False)
    cells.extremes.take(3.300, 3.307, 0, 7, 2 * NS)
    cells.take(1, [4.0] * 4, 2 * NS)
    assert cells.disagrees
    assert [cells.value(cell, 2 * NS) for cell in range(8)] == [None] * 8
    cells.extremes.take(3.300, 3.307, 0, 7, 3 * NS)
    fill(cells, 3 * NS)
    assert cells.known(3 * NS)


def test_a_step_of_load_is_no_contradiction() -> None:
    """A group measured just before or after a step agrees with one of the last three frames of extremes."""
    cells = table()
    cells.extremes.take(3.200, 3.207, 0, 7, NS // 10)
    assert fill(cells, NS // 10, [value - 0.1 for value in CELLS]) == [4, 4]
    assert fill(cells, NS // 10) == [4, 4]


def test_old_extremes_judge_nothing() -> None:
    """Extremes from two seconds ago say nothing about a group of now."""
    cells = table()
    assert cells.take(0, [3.9] * 4, 2 * NS + 1) == 4


def test_a_disagreeing_table_allows_no_current() -> None:
    """When cells and extremes contradict each other the pack is 0 A, its cells are unknown and a person is told."""
    world = World()
    world.run(15)
    world.voice.cells[5] = 3.450
    world.run(2.2)
    assert world.allowed() == (0.0, 0.0)
    assert world.snapshot()["cells_v"][0]["value"] is None
    assert world.kept.texts("alarm") == ["0 A: cell voltages contradict the extremes"]
    world.voice.cells[5] = 3.305
    world.run(2.2)
    assert min(world.allowed()) > 0
    assert world.kept.texts("alarm_gone")


def test_missing_cell_groups_allow_no_current() -> None:
    """Without cell voltages the pack is 0 A after six seconds, though the extremes go on."""
    world = World()
    world.run(15)
    world.voice.mute = {"CellVoltages"}
    world.run(5)
    assert min(world.allowed()) > 0
    world.run(2)
    assert world.snapshot()["allowance"]["charge_limited_by"] == "cells_unknown"
    assert world.allowed() == (0.0, 0.0)
