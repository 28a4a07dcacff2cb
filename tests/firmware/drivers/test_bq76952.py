"""What a BQ76952 measures and how far it is believed: readings, freshness, restarts, a bus that fails, time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from node.measure import NA

from firmware.drivers.bq76952_bench import EIGHT, Bench, limits
from twolbms.sim.chips.bq76952 import Bq76952Chip

BOTH = pytest.mark.parametrize("crc", [True, False], ids=["crc", "plain"])


@BOTH
def test_every_reading_in_its_place(crc: bool) -> None:
    """Cells by their inputs, stack and PACK in mV, current in mA, die and thermistors in 0.1 degC."""
    bench = Bench(crc)
    chip = bench.chip
    for n, pin in enumerate(EIGHT):
        chip.cells_mv[pin - 1] = 3000 + 111 * n
    chip.stack_error_mv, chip.link_mv, chip.load_mv = 8, 26_420, 25_000
    chip.current_ma, chip.die_c = -123_450, 41.3
    chip.thermistors_c |= {"TS1": -12.4, "TS3": 0.0, "HDQ": 25.0, "DCHG": 64.9}
    assert bench.cycle(count=4)
    m = bench.m
    assert list(m.cell_mv) == [3000 + 111 * n for n in range(8)]
    assert (m.pack_mv, m.link_mv, m.current_ma) == (27_120, 26_420, -123_450)
    assert abs(bench.driver.die_dc - 413) <= 1
    assert all(abs(dc - true) <= 1 for dc, true in zip(m.temp_dc, (-124, 0, 250, 649), strict=True))
    assert bench.driver.open_wires == bench.driver.hard_trip == 0


def test_sixteen_cells() -> None:
    """All inputs and all nine thermistor pins."""
    sixteen, pins = tuple(range(1, 17)), tuple(range(9))
    bench = Bench(inputs=sixteen, sensors=pins, rows=limits(CELLS=16, SENSORS=9))
    for n, pin in enumerate(bench.chip.thermistors_c):
        bench.chip.thermistors_c[pin] = 10.0 + n
    assert bench.cycle(count=4) and list(bench.m.cell_mv) == [3300 + n for n in range(16)]
    assert all(abs(bench.m.temp_dc[n] - 100 - 10 * n) <= 1 for n in range(9))


def test_the_link_at_ld() -> None:
    """With `link_at_ld` m.link_mv is the LD pin."""
    bench = Bench(link_at_ld=True)
    bench.chip.link_mv, bench.chip.load_mv = 1_000, 12_340
    bench.cycle()
    assert bench.m.link_mv == 12_340


@pytest.mark.parametrize("true_ma", [0, 10, -10, 199_990, -280_000, 320_000, -320_000])
def test_current_of_a_large_pack(true_ma: int) -> None:
    """In counts of 10 mA, positive charges."""
    bench = Bench()
    bench.chip.current_ma = true_ma
    bench.cycle()
    assert bench.m.current_ma == true_ma


@pytest.mark.parametrize("true_ma", [0, 7, -7, 29_999, -32_000])
def test_current_of_a_small_pack(true_ma: int) -> None:
    """Up to 32 A in counts of 1 mA."""
    small = limits(TRIP={2: 20_000, 3: 20_000, 18: 30_000, 19: 30_000}, BREAK_MAX_MA=40_000)
    bench = Bench(rows=small, micro_ohm=1000)
    bench.chip.current_ma = true_ma
    bench.cycle()
    assert bench.m.current_ma == true_ma


@pytest.mark.parametrize("true_ma", [400_000, -400_000])
def test_the_end_of_the_range_is_beyond_every_trip(true_ma: int) -> None:
    """A current the chip cannot show reads as its end, which no limit of the pack reaches."""
    bench = Bench()
    bench.chip.current_ma = true_ma
    bench.cycle()
    assert abs(bench.m.current_ma) > 320_000 and (bench.m.current_ma > 0) == (true_ma > 0)


def test_calibration_is_applied() -> None:
    """The gain goes into the chip, the offset onto the reading."""
    bench = Bench()
    bench.driver.gain_ppm, bench.driver.offset_ma = 10_000, -50
    assert bench.driver.start(bench.limits) == 0
    bench.chip.current_ma = 100_000
    bench.cycle()
    assert abs(bench.m.current_ma - (101_000 - 50)) <= 10


@pytest.mark.parametrize(("celsius", "known"), [
    (-39.9, True), (119.9, True), (-41.0, False), (121.0, False), (-120.0, False), (300.0, False)])
def test_a_thermistor_that_cannot_be(celsius: float, known: bool) -> None:
    """What no thermistor says, open or shorted, is not available."""
    bench = Bench()
    bench.chip.thermistors_c["TS3"] = celsius
    bench.cycle(count=4)
    assert (bench.m.temp_dc[1] != NA) == known and bench.m.temp_dc[0] != NA


def test_noise_goes_through() -> None:
    """A few mV of noise are readings like any other."""
    bench = Bench()
    bench.chip.noise_mv = (0, 3, -2, 1, -4)
    seen = set()
    for _ in range(10):
        assert bench.cycle() or len(seen) == 0
        seen.add(bench.m.cell_mv[0])
    assert seen <= {3296, 3298, 3300, 3301, 3303} and len(seen) > 2


# Freshness


def test_a_value_that_does_not_move_is_new_with_every_scan() -> None:
    """The same voltages, scanned again, are new in every cycle."""
    bench = Bench()
    bench.cycle()
    assert all(bench.cycle() for _ in range(20))


def test_a_scan_is_new_once() -> None:
    """Read twice between two scans, the second reading is not new; nor is the first after a start."""
    bench = Bench()
    assert not bench.read()
    bench.cycle(count=3)
    bench.chip.advance_us(70_000)
    assert bench.read() and not bench.read()


def test_a_value_that_moves_proves_nothing() -> None:
    """Voltages that change without a scan are not new."""
    bench = Bench()
    bench.cycle(count=3)
    bench.chip.frozen = True
    bench.cycle()
    for n in range(5):
        bench.chip.measured[0] = 3400 + n
        assert not bench.cycle() and bench.m.cell_mv[0] == 3400 + n


def test_a_flag_that_is_never_clear_proves_nothing() -> None:
    """A scan flag that stands right after it was cleared, over and over, is no proof."""
    bench = Bench()
    bench.cycle(count=3)
    bench.chip.stuck[0x62] = b"\x82"
    bench.cycle()
    assert not any(bench.cycle() for _ in range(9))


def test_without_full_scans_the_settings_are_doubted() -> None:
    """No full scan for a second: the chip is no longer the one that was set up, nothing is read and nothing allowed."""
    bench = Bench()
    bench.close()
    bench.chip.frozen = True
    seen = []
    for _ in range(14):
        bench.cycle()
        seen.append(bench.driver.config_ok)
    assert seen[:9] == [True] * 9 and seen[-1] is False
    assert bench.nothing_known and bench.chip.fets == 0


def test_a_full_scan_every_other_cycle_is_enough() -> None:
    """Balancing and many thermistors slow the scans; 0.2 s a full scan is what the chip does at best."""
    bench = Bench()
    assert bench.cycle(count=300) and bench.driver.config_ok and bench.driver.config_losses == 0


# Restarts


def lose_settings(chip: Bq76952Chip) -> None:
    chip.lose_power()
    chip.wake()
    chip.advance_us(300_000)


def watchdog(chip: Bq76952Chip) -> None:
    """The chip's own watchdog has bitten; that POR were clear does not help it."""
    chip.wake(watchdog=True)
    chip.advance_us(300_000)
    chip.por = False


RESTARTS: list[Callable[[Bq76952Chip], object]] = [
    lose_settings, watchdog, lambda chip: setattr(chip, "por", True), lambda chip: setattr(chip, "watchdog_bit", True),
    lambda chip: setattr(chip, "alarm_enable", 0xF800), lambda chip: setattr(chip, "config", True)]


@BOTH
@pytest.mark.parametrize("restart", RESTARTS, ids=["power", "own watchdog", "POR", "WD", "alarm mask", "CONFIG_UPDATE"])
def test_a_restart_is_seen_in_the_same_cycle(crc: bool, restart: Callable[[Bq76952Chip], object]) -> None:
    """After any restart nothing is read, no FET is allowed although the node asks, until start() has done its work.

    All off is sent at once; where the chip was at a question it is heard in the second cycle.
    """
    bench = Bench(crc)
    bench.close()
    restart(bench.chip)
    for n in range(3):
        assert not bench.cycle(3) and not bench.driver.config_ok and bench.nothing_known
        assert n == 0 or bench.chip.fets == 0
    assert bench.driver.fets == 0
    assert bench.driver.config_losses == 1
    bench.chip.config = False
    assert bench.driver.start(bench.limits) == 0
    bench.cycle(3, count=4)
    assert bench.driver.config_ok and bench.driver.fets == 3 and not bench.nothing_known


def test_every_setting_is_watched() -> None:
    """A bit that changes in any byte that was written is found within 1 s, and so is FET_EN."""
    bench = Bench()
    for address, data in bench.items:
        for n in range(len(data)):
            assert bench.driver.start(bench.limits) == 0
            bench.cycle(count=12)
            bench.chip.ram[address + n - 0x9000] ^= 1 << n % 8
            bench.cycle(count=10)
            assert not bench.driver.config_ok, hex(address + n)
    assert bench.driver.start(bench.limits) == 0
    bench.cycle(count=2)
    bench.chip.fet_en = False
    bench.cycle(count=10)
    assert not bench.driver.config_ok


def test_a_chip_that_answers_no_question() -> None:
    """Direct readings go on, but a chip that has answered no question for 5 s cannot be trusted to obey."""
    bench = Bench()
    bench.cycle(count=3)
    bench.chip.command_us = bench.chip.memory_us = 10_000_000
    assert bench.cycle(count=45) and bench.driver.config_ok
    bench.cycle(count=10)
    assert not bench.driver.config_ok


def test_a_slow_answer_is_waited_for() -> None:
    """With 8.5 ms a question the settings are still watched, and FET commands get through."""
    bench = Bench()
    bench.chip.command_us = bench.chip.memory_us = 8_500
    bench.cycle(3, count=30)
    assert bench.driver.config_ok and bench.driver.fets == 3
    bench.cycle(0, count=3)
    assert bench.chip.fets == 0 and bench.driver.watch.age <= 4
    bench.chip.ram[0x275] ^= 1
    bench.cycle(count=20)
    assert not bench.driver.config_ok
