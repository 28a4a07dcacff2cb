"""Open sense wires of a BQ76952: each one found, how soon, and nothing found where every wire is sound."""

from __future__ import annotations

import random
import re
from array import array
from pathlib import Path

import pytest
from drivers.bq76952_wires import OpenWires
from generated import limits_leaf_2013_14s as leaf
from generated import limits_lfp_8s_320ah as lfp

from firmware.drivers.bq76952_bench import EIGHT, Bench, limits

MEASURING = (Path(__file__).resolve().parents[3] / "docs/measuring.md").read_text(encoding="utf-8")
SIXTEEN = tuple(range(1, 17))


def cells_of(driver: object) -> set[int]:
    mask = driver.open_wire_mask  # type: ignore[attr-defined]
    return {n for n in range(128) if mask[n >> 3] >> (n & 7) & 1}


def until_found(bench: Bench, most: int = 2000) -> int:
    """Cycles until a wire is told, at most `most`."""
    for n in range(most):
        bench.cycle()
        if bench.driver.open_wires:
            return n + 1
    return most


def judge(cells: list[int], times: int = 3, rows: object = lfp) -> OpenWires:
    """The verdict on the same cells, seen `times` times."""
    wires = OpenWires(len(cells))
    wires.take(rows)
    for _ in range(times):
        wires.judge(array("i", cells))
    return wires


@pytest.mark.parametrize("wire", range(1, 9))
def test_each_wire_of_eight_is_found(wire: int) -> None:
    """Wire 1 to 8 off: one wire is open, its cells are named, within 4 s for the top one and 3 s for the others."""
    bench = Bench()
    bench.cycle(count=7)
    bench.chip.wires.off = {EIGHT[wire - 1]}
    assert until_found(bench, 40 if wire == 8 else 30) < (40 if wire == 8 else 30)
    assert bench.driver.open_wires == 1 and cells_of(bench.driver) == {wire - 1, wire} - {8}
    bench.cycle(count=100)
    assert bench.driver.open_wires == 1 and cells_of(bench.driver) == {wire - 1, wire} - {8}


@pytest.mark.parametrize("wire", range(1, 17))
@pytest.mark.parametrize("mv", [2000, 2500, 3000, 3300, 3650])
def test_each_wire_of_sixteen_is_found_at_any_charge(wire: int, mv: int) -> None:
    """Every wire above the lowest one, from empty to full, with cells that differ by up to 100 mV."""
    bench = Bench(inputs=SIXTEEN, sensors=(), rows=limits(CELLS=16, SENSORS=0))
    for n in range(16):
        bench.chip.cells_mv[n] = mv - 37 * n % 100
    bench.chip.wires.off = {wire}
    assert until_found(bench, 60) < 60
    assert bench.driver.open_wires == 1 and cells_of(bench.driver) == {wire - 1, wire} - {16}


def test_the_lowest_wire_is_found_when_its_input_moves() -> None:
    """VC0 is not drawn from. Where it rises without its wire the wire is found; where it stays, cell 1 reads right."""
    bench = Bench()
    bench.cycle(count=5)
    bench.chip.wires.off = {0}
    bench.cycle(count=300)
    assert bench.driver.open_wires == 0 and bench.m.cell_mv[0] == 3300
    bench.chip.wires.zero_drift_mv_s = 200.0
    assert until_found(bench) < 300
    assert bench.driver.open_wires == 1 and cells_of(bench.driver) == {0}


@pytest.mark.parametrize("nf", [22, 100, 220, 1000])
def test_the_page_says_how_long_it_takes(nf: int) -> None:
    """Each detection time of docs/measuring.md, by filter and current of the chip, holds and is not 2 s too long."""
    [row] = re.findall(rf"^\| {nf} nF \| (\d+) s \| (\d+) s \| (\d+) s \| (\d+) s \|$", MEASURING, re.M)
    for n, told in enumerate(row):
        bench = Bench()
        bench.cycle(count=9)
        bench.chip.wires.filter_nf, bench.chip.wires.check_ua = float(nf), (55.0, 22.0)[n // 2]
        bench.chip.wires.off = {EIGHT[3] if n % 2 == 0 else EIGHT[7]}
        assert int(told) - 2 < until_found(bench) / 10 <= int(told)


def test_without_the_chip_s_check_nothing_sinks() -> None:
    """It is the chip's own check that makes a wire visible: with it off the capacitors go on showing good cells."""
    bench = Bench()
    bench.cycle(count=5)
    bench.chip.wires.off = {4}
    bench.chip.wires.next_check = 1 << 62
    bench.cycle(count=100)
    assert bench.driver.open_wires == 0 and list(bench.m.cell_mv) == [3300 + n for n in range(8)]


def test_the_check_is_set_and_watched() -> None:
    """The check time is written, 1 s, and a chip that has lost it is found out."""
    bench = Bench()
    assert bench.chip.u8(0x9314) == 1
    bench.cycle(count=12)
    bench.chip.ram[0x314] = 5
    bench.cycle(count=10)
    assert not bench.driver.config_ok


def test_a_wire_that_is_back() -> None:
    """Put back, its cells read right at once and the wire counts as sound after three more conversions."""
    bench = Bench()
    bench.chip.wires.off = {4}
    until_found(bench)
    bench.chip.wires.off = set()
    seen = [(bench.cycle(), bench.driver.open_wires)[1] for _ in range(6)]
    assert seen[0] == 1 and seen[-1] == 0 and seen == sorted(seen, reverse=True)
    assert cells_of(bench.driver) == set()


@pytest.mark.parametrize(("off", "least"), [({2, 5}, 2), ({3, 4}, 1), ({1, 16}, 2), ({1, 3, 5, 7}, 2)])
def test_several_wires(off: set[int], least: int) -> None:
    """More than one wire off: at least one is told, and each told one is off."""
    bench = Bench()
    bench.chip.wires.off = off
    until_found(bench)
    bench.cycle(count=100)
    assert bench.driver.open_wires >= least
    near = {cell for pin in off for cell in (EIGHT.index(pin), EIGHT.index(pin) + 1)}
    assert cells_of(bench.driver) <= near


def test_a_restart_knows_nothing_of_the_wires() -> None:
    """start() begins anew; with a wire still off and its cells no cells it does not succeed."""
    bench = Bench()
    bench.chip.wires.off = {4}
    until_found(bench)
    bench.cycle(count=100)
    assert bench.driver.start(bench.limits) != 0
    assert bench.driver.open_wires == 0
    bench.chip.wires.off = set()
    assert bench.driver.start(bench.limits) == 0


def test_only_new_conversions_count() -> None:
    """The same scan read again is no second finding."""
    bench = Bench()
    bench.cycle(count=3)
    bench.chip.measured[3], bench.chip.measured[4] = 1000, 5600
    bench.chip.frozen = True
    for _ in range(8):
        bench.cycle()
    assert bench.driver.open_wires == 0


def test_three_conversions_in_a_row() -> None:
    """Two findings and a good conversion, over and over, are none; the third in a row is."""
    wires = OpenWires(8)
    wires.take(lfp)
    bad, good = array("i", [3300] * 3 + [2000, 4600] + [3300] * 3), array("i", [3300] * 8)
    for _ in range(20):
        for cells in (bad, bad, good):
            wires.judge(cells)
            assert wires.count == 0
    for count in (0, 0, 1):
        wires.judge(bad)
        assert wires.count == count


def test_either_way() -> None:
    """An input that rises without its wire is found as well."""
    wires = judge([3300, 3300, 4600, 2000, 3300, 3300, 3300, 3300])
    assert wires.count == 1 and wires.mask[0] == 0b1100


@pytest.mark.parametrize(("rows", "cells"), [(lfp, 8), (leaf, 14), (lfp, 16)])
def test_no_cells_within_the_limits_are_taken_for_a_wire(rows: object, cells: int) -> None:
    """A hundred thousand random packs, each cell anywhere between the pack's trips: nothing is found, not even once."""
    low, high = rows.TRIP[1], rows.TRIP[0]  # type: ignore[attr-defined]
    random_ = random.Random(76952)
    wires = OpenWires(cells)
    wires.take(rows)
    for n in range(100_000):
        pick = (lambda: random_.choice((low, high))) if n & 1 else (lambda: random_.randint(low, high))
        wires.judge(array("i", [pick() for _ in range(cells)]))
        assert not wires._doubt


@pytest.mark.parametrize("at", range(8))
@pytest.mark.parametrize("mv", [0, 500, 1500, 2000, 4400, 4600, 6000, -300])
def test_one_cell_alone_is_no_wire(at: int, mv: int) -> None:
    """A single cell far off is a cell; only an end cell below every plausible one is taken for its outer wire."""
    cells = [3290, 3310, 3300, 3280, 3320, 3300, 3310, 3290]
    cells[at] = mv
    wires = judge(cells, 20)
    assert wires.count == (1 if at in (0, 7) and mv < 500 else 0)


def test_a_collapsed_pair_at_the_end_of_the_range() -> None:
    """Where the converter ends the sum is no longer right: one above every cell, one below the trip is enough."""
    wires = judge([4100] * 5 + [-600, 6060] + [4100] * 7, rows=leaf)
    assert wires.count == 1 and wires.mask[0] == 0b1100000
    assert judge([4100] * 5 + [2900, 6060] + [4100] * 7, rows=leaf).count == 1


def test_bounds_of_the_rule() -> None:
    """Further apart than 3.65 and 2.5 V, and a mean within a quarter of that of the others'."""
    base = [3300] * 8
    for below, above, found in ((2725, 3875, 0), (2724, 3875, 1), (3011, 4162, 1), (3013, 4164, 0), (2437, 3588, 1),
                                (2436, 3587, 0), (2435, 3585, 0)):
        base[3:5] = below, above
        assert judge(base).count == found, (below, above)
