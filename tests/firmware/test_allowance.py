"""Derating lines and what the node allows."""

from __future__ import annotations

from array import array
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from generated import codec
from hypothesis import given, settings
from hypothesis import strategies as st
from node.allowance import CHARGE, DISCHARGE, UNLIMITED_MA, Allowance, curve, least


def line(xs: Any, ys: Any, x: int) -> int:
    """One curve alone, as least() has it."""
    found = array("i", [0, 0])
    least(curve(xs, ys), array("i", [x]), 1, found)
    assert found[1] == 0
    return found[0]


POINTS = st.lists(st.tuples(st.integers(-500, 5000), st.integers(0, 200_000)), min_size=2, max_size=12,
                  unique_by=lambda p: p[0]).map(sorted)


@settings(deadline=None)
@given(POINTS, st.integers(-700, 5200))
def test_a_line_is_straight_between_points_and_level_outside(points: list[tuple[int, int]], x: int) -> None:
    """Every value is the exact one rounded down, so that no current is allowed that the line does not."""
    xs, ys = zip(*points, strict=True)
    held = min(max(x, xs[0]), xs[-1])
    i = next(i for i in range(1, len(xs)) if held <= xs[i])
    exact = ys[i - 1] + Fraction((ys[i] - ys[i - 1]) * (held - xs[i - 1]), xs[i] - xs[i - 1])
    assert line(xs, ys, x) == exact.__floor__()


@pytest.mark.parametrize("x, expected", [(-1, 0), (0, 0), (1, 1280), (50, 64000), (100, 112000), (600, 0), (601, 0)])
def test_a_line_passes_through_its_points(lfp: Any, x: int, expected: int) -> None:
    """The charge line of the LiFePO4 pack: 0 A at 0 degC, 64 A at 5, 112 A half way to 15, 0 A at 60."""
    assert line(lfp.CHARGE_BY_TEMPERATURE_X, lfp.CHARGE_BY_TEMPERATURE_MA, x) == expected


@settings(deadline=None)
@given(st.lists(st.tuples(POINTS, st.integers(-700, 5200)), min_size=1, max_size=4))
def test_the_lowest_of_several_curves_wins_the_first_of_equals(each: list[tuple[list[tuple[int, int]], int]]) -> None:
    """Several curves at once give the least of what each gives alone, and say which."""
    alone = [line(*zip(*points, strict=True), x) for points, x in each]
    curves = array("i")
    for points, _ in each:
        curves += curve(*zip(*points, strict=True))
    found = array("i", [0, 0])
    least(curves, array("i", [x for _, x in each]), len(each), found)
    assert list(found) == [min(alone), alone.index(min(alone))]


def test_a_curve_of_one_point_is_level() -> None:
    """One point allows its current everywhere."""
    assert [line((10,), (500,), x) for x in (-5, 10, 40)] == [500, 500, 500]


READINGS = {"known": True, "temp_min_dc": 250, "temp_max_dc": 250, "cell_min_mv": 3300, "cell_max_mv": 3300}
CLOSED = SimpleNamespace(paths=3, state=codec.STATE_CLOSED)
SOUND = {"blocks_now": 0, "blocks_after": 0, "limited": 0, "first_blocking": lambda mask: 255}
ASKED = {"charge_ma": UNLIMITED_MA, "discharge_ma": UNLIMITED_MA, "silent_cap": False}


def allowed(lfp: Any, *, cycles: int = 200, paths: int = 3, readings: Any = (), sound: Any = (),
            asked: Any = ()) -> Allowance:
    made = Allowance(lfp)
    for _ in range(cycles):
        made.step(SimpleNamespace(**{**READINGS, **dict(readings)}), SimpleNamespace(**{**SOUND, **dict(sound)}),
                  SimpleNamespace(paths=paths, state=codec.STATE_CLOSED),
                  SimpleNamespace(**{**ASKED, **dict(asked)}), 1)
    return made


def test_the_rating_is_the_most(lfp: Any) -> None:
    """A closed, sound, warm pack allows its rating, however much the gateway asks."""
    made = allowed(lfp, asked={"charge_ma": 900_000})
    assert (made.charge_ma, made.discharge_ma, made.charge_by) == (200_000, 200_000, codec.REASON_RATING)


def test_it_rises_by_2_a_a_cycle_and_falls_at_once(lfp: Any) -> None:
    """20 A/s upwards, in one cycle down."""
    made = allowed(lfp, cycles=3)
    assert made.charge_ma == 6000
    made.step(SimpleNamespace(**{**READINGS, "known": False}), SimpleNamespace(**SOUND), CLOSED,
              SimpleNamespace(**ASKED), 1)
    assert (made.charge_ma, made.charge_by) == (0, codec.REASON_UNKNOWN_READING)


def test_an_open_path_is_allowed_nothing_in_its_direction(lfp: Any) -> None:
    """With only discharge closed, charge is 0 A and says why."""
    made = allowed(lfp, paths=DISCHARGE)
    assert (made.charge_ma, made.charge_by, made.discharge_ma) == (0, codec.REASON_PATH_OPEN, 200_000)


@pytest.mark.parametrize("asked, forbids", [({}, False), ({"charge_ma": 0}, False), ({"silent_cap": True}, False)])
def test_a_wish_for_nothing_forbids_nothing(lfp: Any, asked: dict[str, Any], forbids: bool) -> None:
    """The gateway's 0 A and the silent row's are told, but current all the same is no fault of the node's."""
    assert allowed(lfp, asked=asked).forbids(CHARGE) is forbids


def test_full_cells_forbid(lfp: Any) -> None:
    """0 A by the cells' own lines is what charge_while_blocked judges, whatever the gateway asks."""
    assert allowed(lfp, readings={"cell_max_mv": 3600}, asked={"charge_ma": 0}).forbids(CHARGE)


def test_a_tripped_row_is_the_reason_told(lfp: Any) -> None:
    """A row that blocks is named before any derating."""
    tripped = {"blocks_after": CHARGE, "first_blocking": lambda mask: 0}
    made = allowed(lfp, readings={"cell_max_mv": 3700}, sound=tripped)
    assert (made.charge_ma, made.charge_by) == (0, codec.REASON_CELL_OVER_VOLTAGE)
