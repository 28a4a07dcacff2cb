"""How a BQ76952 is started: its order, what it proves, what it refuses."""

from __future__ import annotations

import pytest
from drivers import bq76952_start as start
from drivers.bq76952 import ERROR_CALIBRATION
from node.measure import NA

from firmware.drivers.bq76952_bench import Bench, limits

BOTH = pytest.mark.parametrize("crc", [True, False], ids=["crc", "plain"])


@BOTH
def test_a_fresh_chip(crc: bool) -> None:
    """A chip out of the bag is configured, its FETs in its own control but off, nothing lost on the way."""
    bench = Bench(crc)
    chip, driver = bench.chip, bench.driver
    assert driver.config_ok and driver.comms_age == 0 and not chip.config and not chip.por and chip.fet_en
    assert chip.fets == 0 and chip.host_off == 0xF and driver.hard_trip == 0 and not driver.fets_known
    assert chip.lost_commands == chip.bad_checksums == chip.refused_writes == chip.unknown == 0


def test_the_order() -> None:
    """All off comes first and again before CONFIG_UPDATE; FET_EN is toggled only after everything was read back."""
    bench = Bench()
    log = bench.chip.commands
    enter, leave = log.index(0x0090), log.index(0x0092)
    assert log[0] == 0x0095 and 0x0001 in log[:enter] and 0x0095 in log[1:enter]
    assert all(code >= 0x9000 for code in log[enter + 1 : leave])
    after = log[leave + 1 :]
    blocks = list(bench.driver.watch.blocks)
    assert after[: len(blocks)] == blocks
    assert after.count(0x0022) == 1 and after.index(0x0022) > after.index(0x0095) > len(blocks) - 1
    assert not {0x0096, 0x0097} & set(log)


def test_settings_are_written_in_config_update_only() -> None:
    """No write to data memory comes outside CONFIG_UPDATE."""
    bench = Bench()
    bench.cycle(3, count=20)
    assert bench.chip.refused_writes == 0


def test_no_fet_is_ever_on_in_a_start() -> None:
    """Whatever the chip was doing, from the first command on no FET is on until the node allows one."""
    bench = Bench()
    bench.close()
    seen: list[int] = []
    bench.bus.spoil = lambda kind, frame: seen.append(bench.chip.fets)
    assert bench.driver.start(bench.limits) == 0
    assert seen[0] == 5 and set(seen[3:]) == {0}
    assert bench.chip.commands.count(0x0022) == 1  # FET_EN was on already and stays on
    bench.cycle(0, count=5)
    assert bench.driver.fets == 0


@pytest.mark.parametrize("forgets", [True, False])
def test_the_hosts_flags_survive_config_update_or_start_off(forgets: bool) -> None:
    """Whether the chip keeps the host's FET flags over CONFIG_UPDATE or sets them anew, they are off."""
    bench = Bench(start=False)
    bench.chip.exit_forgets = forgets
    bench.chip.fet_en = True
    bench.chip.host_off = 0
    assert bench.driver.start(bench.limits) == 0 and bench.chip.fets == 0 and bench.chip.host_off == 0xF


@pytest.mark.parametrize("silence_us", [0, 200_000, 1_000_000])
def test_a_chip_that_wakes_up(silence_us: int) -> None:
    """It answers nothing for a while and never its first transfer: the start waits."""
    bench = Bench(start=False)
    bench.chip.advance_us(silence_us)
    assert bench.driver.start(bench.limits) == 0


def test_no_chip() -> None:
    """Nobody at the address: a code after half a second, no exception."""
    bench = Bench(start=False)
    bench.chip.lose_power()
    began = bench.clock.slept_us
    assert bench.driver.start(bench.limits) == start.ERROR_SILENT and not bench.driver.config_ok
    assert bench.clock.slept_us - began <= 600_000
    assert not bench.cycle() and bench.nothing_known


@pytest.mark.parametrize(("device", "code"), [(0x7695, 0), (0x7694, start.ERROR_IDENTITY), (0, start.ERROR_IDENTITY)])
def test_another_chip(device: int, code: int) -> None:
    """Only a BQ76952 is started."""
    bench = Bench(start=False)
    bench.chip.device = device
    assert bench.driver.start(bench.limits) == code


@BOTH
def test_the_other_crc_mode_is_refused(crc: bool) -> None:
    """A part with the other interface is not mistaken: no start, no readings."""
    bench = Bench(crc, start=False)
    bench.chip.crc = not crc
    assert bench.driver.start(bench.limits) in (start.ERROR_SILENT, start.ERROR_IDENTITY)
    assert not bench.cycle() and bench.nothing_known


@pytest.mark.parametrize(("security", "code"), [(1, 0), (2, 0), (3, start.ERROR_SEALED)])
def test_a_sealed_chip(security: int, code: int) -> None:
    """Settings of a sealed chip cannot be written."""
    bench = Bench(start=False)
    bench.chip.security = security
    assert bench.driver.start(bench.limits) == code


def test_every_byte_that_does_not_take_is_found() -> None:
    """A byte of data memory that keeps another value ends the start at its block, FETs off, outputs never allowed."""
    items = Bench().items
    tried = 0
    for address, data in items:
        for n, value in enumerate(data):
            bench = Bench(start=False)
            bench.chip.advance_us(300_000)
            if bench.chip.u8(address + n) == value:
                continue
            tried += 1
            bench.chip.holds = {address + n}
            code = bench.driver.start(bench.limits)
            if address + n == 0x926D:  # no alarm, no sign of a scan
                assert code == start.ERROR_CONVERSION
            else:
                assert code == start.ERROR_READ_BACK and 0 <= address + n - bench.driver.bad_address < 32
            bench.cycle(3, count=3)
            assert bench.chip.fets == 0 and not bench.driver.config_ok
    assert tried > 40


@pytest.mark.parametrize(("code", "error"), [
    (0x0090, start.ERROR_CONFIG_MODE), (0x0092, start.ERROR_CONFIG_MODE), (0x0022, start.ERROR_FETS)])
def test_a_command_that_does_nothing(code: int, error: int) -> None:
    """CONFIG_UPDATE not entered or left, FET_EN not set: each has its code, and nothing is allowed."""
    bench = Bench(start=False)
    bench.chip.deaf = {code}
    assert bench.driver.start(bench.limits) == error
    bench.cycle(3, count=3)
    assert bench.chip.fets == 0


def test_fets_that_do_not_go_off() -> None:
    """A chip that ignores all off is not started."""
    bench = Bench()
    bench.close()
    bench.chip.deaf = {0x0095}
    assert bench.driver.start(bench.limits) == start.ERROR_FETS and not bench.driver.config_ok


def test_no_conversion_no_start() -> None:
    """A chip that answers but scans nothing is not started."""
    bench = Bench(start=False)
    bench.chip.frozen = True
    assert bench.driver.start(bench.limits) == start.ERROR_CONVERSION
    assert bench.clock.slept_us < 2_500_000


def test_scan_flags_that_stand_from_before_prove_nothing() -> None:
    """Flags stuck at 1 in the alarm register pass the start, but no cycle takes them for a conversion."""
    bench = Bench()
    bench.chip.stuck[0x62] = b"\x82"
    assert not any(bench.cycle() for _ in range(5))


@pytest.mark.parametrize(("off_mv", "code"), [
    (400, 0), (-400, 0), (411, start.ERROR_PLAUSIBLE), (-411, start.ERROR_PLAUSIBLE)])
def test_cells_against_the_stack(off_mv: int, code: int) -> None:
    """The sum of eight cells and the stack agree within 50 mV a cell, or the start ends."""
    bench = Bench(start=False)
    bench.chip.cells_mv[0] += 2  # the sum ends in ten, as the stack does
    bench.chip.stack_error_mv = off_mv
    assert bench.driver.start(bench.limits) == code


@pytest.mark.parametrize(("mv", "code"), [
    (500, 0), (4500, 0), (499, start.ERROR_PLAUSIBLE), (4501, start.ERROR_PLAUSIBLE), (-20, start.ERROR_PLAUSIBLE)])
def test_a_connected_cell_is_a_cell(mv: int, code: int) -> None:
    """A cell outside what a cell can have ends the start."""
    bench = Bench(start=False)
    bench.chip.cells_mv[2] = mv
    assert bench.driver.start(bench.limits) == code


def test_calibration_is_bounded() -> None:
    """Gain and offset are taken within the pack's bounds and refused beyond them."""
    bench = Bench(start=False)
    for gain, offset in ((20_000, 1_000), (-20_000, -1_000)):
        bench.driver.gain_ppm, bench.driver.offset_ma = gain, offset
        assert bench.driver.start(bench.limits) == 0
    for gain, offset in ((20_001, 0), (-20_001, 0), (0, 1_001), (0, -1_001)):
        bench.driver.gain_ppm, bench.driver.offset_ma = gain, offset
        assert bench.driver.start(bench.limits) == ERROR_CALIBRATION and not bench.driver.config_ok
        assert not bench.cycle() and bench.m.current_ma == NA


def test_a_pack_that_does_not_fit_touches_nothing() -> None:
    """With a table that is not the pack's, not one byte goes out."""
    bench = Bench(start=False)
    assert bench.driver.start(limits(CELLS=9)) == 1 and bench.bus.transfers == 0


@BOTH
def test_one_damaged_transfer_anywhere_changes_nothing(crc: bool) -> None:
    """Whichever transfer of a start is not acknowledged, the start ends well, every setting as wanted."""
    total = Bench(crc).bus.transfers
    wanted = dict(Bench(crc).items)
    for number in range(0, total, 1 if crc else 4):
        bench = Bench(crc, start=False)
        bench.bus.fails = {number}
        assert bench.driver.start(bench.limits) == 0
        for address, data in wanted.items():
            at = address - 0x9000
            assert bench.chip.ram[at : at + len(data)] == data


def test_too_many_damaged_transfers_end_it() -> None:
    """A bus that fails every third transfer is not trusted with a pack."""
    bench = Bench(start=False)
    bench.bus.fails = set(range(0, 2000, 3))
    assert bench.driver.start(bench.limits) != 0 and not bench.driver.config_ok


@pytest.mark.parametrize("busy_us", [50, 500, 8_500])
def test_a_slow_chip(busy_us: int) -> None:
    """With 8.5 ms for every command the start still waits for each and loses none."""
    bench = Bench(start=False)
    bench.chip.command_us = bench.chip.memory_us = busy_us
    assert bench.driver.start(bench.limits) == 0 and bench.chip.lost_commands == 0


def test_how_long_it_blocks() -> None:
    """A chip that is awake is started within 0.4 s."""
    bench = Bench()
    began = bench.chip.now_us
    assert bench.driver.start(bench.limits) == 0
    assert bench.chip.now_us - began < 400_000


def test_after_the_chips_own_watchdog() -> None:
    """WD stays set after a watchdog reset: the start takes it as it is, and only a new one counts."""
    bench = Bench()
    bench.chip.wake(watchdog=True)
    bench.chip.advance_us(500_000)
    assert not bench.cycle() and not bench.driver.config_ok
    assert bench.driver.start(bench.limits) == 0 and bench.chip.watchdog_bit
    assert bench.cycle(count=20) and bench.driver.config_ok
