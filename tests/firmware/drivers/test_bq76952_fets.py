"""The FETs of a BQ76952: what the node allows is on, nothing else, and nothing closes by itself."""

from __future__ import annotations

import pytest

from firmware.drivers.bq76952_bench import Bench
from twolbms.sim.chips.bq76952 import CHG, DSG, PDSG

BOTH = pytest.mark.parametrize("crc", [True, False], ids=["crc", "plain"])


@BOTH
@pytest.mark.parametrize(("paths", "on"), [(0, 0), (1, CHG), (2, DSG), (3, CHG | DSG)])
def test_what_is_allowed_is_on(crc: bool, paths: int, on: int) -> None:
    """Each path has its FET, seen in the next cycle; the others stay off."""
    bench = Bench(crc)
    bench.cycle(paths, count=2)
    assert bench.chip.fets == on and bench.driver.fets == paths and bench.driver.fets_known


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("after", range(4))
def test_from_any_paths_to_any(before: int, after: int) -> None:
    """A change never turns on a FET that is in neither state on its way."""
    bench = Bench()
    bench.cycle(before, count=3)
    seen: set[int] = set()
    bench.bus.spoil = lambda kind, frame: seen.add(bench.chip.fets)
    bench.cycle(after, count=3)
    allowed = (CHG if (before | after) & 1 else 0) | (DSG if (before | after) & 2 else 0)
    assert bench.driver.fets == after and all(on & ~allowed == 0 for on in seen)


def test_nothing_is_sent_while_nothing_changes() -> None:
    """FETs that are as they should be cost no transfer."""
    bench = Bench()
    bench.close()
    count = bench.chip.commands.count(0x0097)
    bench.cycle(3, count=20)
    assert bench.chip.commands.count(0x0097) == count


@BOTH
def test_a_lost_command_is_sent_again(crc: bool) -> None:
    """Closed or opened, a command that did not arrive is sent again in the next cycle."""
    bench = Bench(crc)
    for paths in (3, 0):
        bench.chip.deaf = {0x0095, 0x0097}
        bench.cycle(paths, count=3)
        assert bench.driver.fets == 3 - paths
        bench.chip.deaf = set()
        bench.cycle(paths, count=2)
        assert bench.driver.fets == paths


def test_opening_needs_one_transfer() -> None:
    """All off is a single command without data."""
    bench = Bench()
    bench.close()
    bench.cycle(0)
    assert bench.chip.fets == 0 and bench.chip.commands[-1] == 0x0095


@BOTH
def test_while_the_bus_fails_nothing_is_widened(crc: bool) -> None:
    """A lost cycle keeps what is closed for the node to decide, closes nothing, and lets the node open."""
    bench = Bench(crc)
    bench.cycle(1, count=3)
    bench.bus.fails = set(range(bench.bus.transfers, bench.bus.transfers + (2 if crc else 4)))
    bench.chip.advance_us(90_000)
    bench.read()
    assert bench.driver.comms_age == 1
    bench.driver.allow(3, 0)
    bench.chip.advance_us(100)
    assert bench.chip.fets == CHG
    bench.driver.allow(0, 0)
    bench.chip.advance_us(100)
    assert bench.chip.fets == 0


def test_the_host_watchdog_opens() -> None:
    """2 s after the last transfer both FETs are off; while the node reads they stay on."""
    bench = Bench()
    bench.close()
    bench.cycle(3, count=50)
    assert bench.chip.fets == CHG | DSG
    bench.chip.advance_us(1_990_000)
    assert bench.chip.fets == CHG | DSG
    bench.chip.advance_us(20_000)
    assert bench.chip.fets == 0


def on_time_us(bench: Bench, count: int = 1) -> int:
    """How long any FET is on in `count` cycles in which the node asks for both paths; looked at every 20 us."""
    on = 0
    advance = bench.chip.advance_us

    def slowly(us: float) -> None:
        nonlocal on
        for _ in range(round(us) // 20):
            advance(20)
            on += 20 if bench.chip.fets else 0
        advance(round(us) % 20)
    bench.chip.advance_us = slowly  # type: ignore[method-assign]
    bench.cycle(3, count=count)
    bench.chip.advance_us = advance  # type: ignore[method-assign]
    return on


@BOTH
def test_after_a_hang_the_node_decides(crc: bool) -> None:
    """A node that was silent for 2.5 s says "all off" first: no FET is on for longer than that word takes.

    Both paths then wait until the node has asked for them open.
    """
    bench = Bench(crc)
    bench.close()
    bench.chip.advance_us(2_500_000)
    assert bench.chip.fets == 0
    bench.spent_us = 99_800
    assert on_time_us(bench) < 200
    bench.cycle(3, count=10)
    assert bench.chip.fets == 0 and bench.driver.fets == 0
    bench.cycle(0)
    bench.cycle(3, count=3)
    assert bench.driver.fets == 3


@BOTH
def test_after_a_dead_bus_the_node_decides(crc: bool) -> None:
    """The same when it was the bus that was silent."""
    bench = Bench(crc)
    bench.close()
    bench.bus.nacks = 10**6
    bench.cycle(3, count=25)
    assert bench.chip.fets == 0
    bench.bus.nacks = 0
    assert on_time_us(bench, count=3) < 200 and bench.driver.comms_age == 0
    bench.cycle(0)
    bench.cycle(3, count=3)
    assert bench.driver.fets == 3


def test_a_short_silence_opens_nothing() -> None:
    """Up to 1.4 s the chip has not opened, and the node goes on."""
    bench = Bench()
    bench.close()
    bench.chip.advance_us(1_300_000)
    bench.cycle(3)
    assert bench.driver.fets == 3 and bench.chip.fets == CHG | DSG


def test_a_start_finds_what_the_watchdog_opened() -> None:
    """After the node's restart no FET comes on by the first word it says."""
    bench = Bench()
    bench.close()
    bench.chip.advance_us(2_500_000)
    seen: set[int] = set()
    bench.bus.spoil = lambda kind, frame: seen.add(bench.chip.fets)
    assert bench.driver.start(bench.limits) == 0
    assert seen == {0}


def test_precharge_by_the_pre_discharge_fet() -> None:
    """Only PDSG is on while the node pre-charges; then the paths, and PDSG goes off."""
    bench = Bench(predischarge=True)
    bench.chip.load_mv = 0
    bench.cycle(0, 1, count=3)
    assert bench.chip.fets == PDSG and bench.driver.fets == 4
    bench.chip.load_mv = 26_000
    bench.cycle(3, 0, count=4)
    assert bench.chip.fets == CHG | DSG and bench.driver.fets == 3
    bench.cycle(0, 0, count=2)
    assert bench.chip.fets == 0


def test_a_chip_that_will_not_pre_discharge_alone() -> None:
    """If PDSG does not follow its own flag, the node sees no pre-charge; the discharge FET never comes on instead."""
    bench = Bench(predischarge=True)
    bench.chip.pdsg_alone = False
    bench.cycle(0, 1, count=30)
    assert bench.chip.fets == 0 and bench.driver.fets == 0


def test_without_the_fet_precharge_is_not_the_chips() -> None:
    """A board that pre-charges by a pin leaves PDSG off."""
    bench = Bench()
    bench.cycle(0, 1, count=5)
    assert bench.chip.fets == 0 and bench.driver.fets == 0
