"""The simulated BQ76952's protections: thresholds, delays and recoveries as the reference page has them."""

from __future__ import annotations

import pytest

from firmware.drivers.bq76952_hand import Hand
from twolbms.sim.chips.bq76952 import CHG, DSG


def trip_ms(hand: Hand, status: int, bit: int, step_us: int = 100) -> float:
    """Until a bit of a safety status stands; the host goes on talking."""
    began = hand.chip.now_us
    while not hand.chip.protections.status[status] >> bit & 1:
        assert hand.chip.now_us - began < 20_000_000
        hand.chip.advance_us(step_us)
        hand.chip.heard_us = hand.chip.now_us
    return (hand.chip.now_us - began) / 1000


@pytest.mark.parametrize(("threshold", "delay", "address", "current_ma", "bit", "ms"), [
    (20, 4, 0x9280, 170_000, 4, 19.8), (20, 127, 0x9280, 170_000, 4, 425.7),  # 40 mV are 160 A; 3.3 ms, and 6.6
    (30, 1, 0x9282, -250_000, 5, 9.9), (40, 7, 0x9284, -330_000, 6, 29.7)])
def test_over_currents(threshold: int, delay: int, address: int, current_ma: int, bit: int, ms: float) -> None:
    """2 mV a step across the shunt, 3.3 ms a step and two more; below it nothing trips."""
    hand = Hand()
    hand.setting(0x9261, b"\x70")
    hand.setting(0x9280, bytes((62, 4, 100, 1, 100, 7)))
    hand.setting(address, bytes((threshold, delay)))
    limit_ma = 2 * threshold / 0.25 * 1000
    hand.chip.current_ma = limit_ma * (1 if current_ma > 0 else -1)
    hand.chip.advance_us(1_000_000)
    assert hand.chip.protections.status[0] == 0
    hand.chip.current_ma = current_ma
    assert ms <= trip_ms(hand, 0, bit) <= ms + 0.2


@pytest.mark.parametrize(("mv", "bit", "address"), [(2_450.0, 2, 0x9275), (3_700.0, 3, 0x9278)])
def test_cell_voltages(mv: float, bit: int, address: int) -> None:
    """50.6 mV a step, the delay runs from the scan that saw it; it recovers by its hysteresis and 3 s."""
    hand = Hand()
    hand.setting(0x9261, b"\x0c")
    hand.setting(address, bytes((49 if bit == 2 else 72, 98, 0)))  # 2.479 and 3.643 V; 330 ms
    hand.chip.advance_us(300_000)
    hand.chip.cells_mv[5] = mv
    assert 330 <= trip_ms(hand, 0, bit) <= 330 + 64
    hand.chip.cells_mv[5] = 2_500.0 if bit == 2 else 3_600.0  # inside, within the hysteresis
    for _ in range(10):
        hand.chip.advance_us(1_000_000)
    assert hand.chip.protections.status[0] == 1 << bit
    hand.chip.cells_mv[5] = 3_300.0
    hand.chip.advance_us(2_900_000)
    assert hand.chip.protections.status[0] == 1 << bit
    hand.chip.advance_us(200_000)
    assert hand.chip.protections.status[0] == 0


def test_only_connected_cells_count() -> None:
    """An input without a cell trips nothing."""
    hand = Hand()
    hand.setting(0x9304, b"\x7f\x80")
    hand.setting(0x9261, b"\x0c")
    hand.chip.cells_mv[10] = 0.0
    hand.chip.advance_us(2_000_000)
    assert hand.chip.protections.status[0] == 0 and hand.read(0x28, 2) == b"\0\0"


def test_a_short_circuit_is_cut_at_once() -> None:
    """Above the threshold for 60 us both FETs open; 5 s later the chip would close, unless told to wait."""
    hand = Hand()
    hand.close()
    hand.setting(0x9261, b"\x80")
    hand.setting(0x9286, bytes((7, 5)))
    hand.command(0x0096)
    hand.chip.current_ma = -620_000
    hand.chip.advance_us(50)
    assert hand.chip.fets == CHG | DSG
    hand.chip.advance_us(20)
    assert hand.chip.fets == 0 and hand.read(0x03, 1) == b"\x80"
    hand.chip.current_ma = 0
    hand.chip.advance_us(4_900_000)
    assert hand.chip.fets == 0
    hand.chip.advance_us(200_000)
    assert hand.chip.fets == CHG | DSG


def test_a_short_circuit_that_waits() -> None:
    """Then only 0x009C ends it, and not while it lasts."""
    hand = Hand()
    hand.chip.protections.scd_waits = True
    hand.chip.current_ma = -620_000
    hand.chip.advance_us(1_000)
    hand.command(0x009C)
    assert hand.chip.protections.status[0] == 0x80
    hand.chip.current_ma = 0
    hand.chip.advance_us(60_000_000)
    assert hand.chip.protections.status[0] == 0x80
    hand.command(0x009C)
    assert hand.chip.protections.status[0] == 0


@pytest.mark.parametrize(("celsius", "bit"), [(55.0, 4), (60.0, 5), (0.0, 0)])
def test_temperatures(celsius: float, bit: int) -> None:
    """At the threshold, after its seconds; nothing of it by default."""
    hand = Hand()
    hand.chip.thermistors_c["TS1"] = celsius
    hand.chip.advance_us(5_000_000)
    assert hand.chip.protections.status[1] == 0
    hand.setting(0x9262, bytes((1 << bit,)))
    assert 2_000 <= trip_ms(hand, 1, bit, 5_000) <= 2_400


def test_the_die() -> None:
    """OTINT judges the die, OTF a thermistor that is one of the FETs'."""
    hand = Hand()
    hand.setting(0x9262, b"\xc0")
    hand.chip.thermistors_c["DDSG"] = 90.0
    hand.chip.advance_us(1_000_000)
    hand.chip.heard_us = hand.chip.now_us
    hand.chip.advance_us(4_000_000)
    assert hand.chip.protections.status[1] == 0
    hand.chip.die_c = 85.0
    assert trip_ms(hand, 1, 6, 5_000) <= 2_300
    hand.setting(0x9302, b"\x0f")
    assert trip_ms(hand, 1, 7, 5_000) <= 2_300


def test_the_host_watchdog() -> None:
    """Silence trips it, a valid transfer ends it; a transfer whose check is wrong does not count."""
    hand = Hand(crc=True)
    chip = hand.chip
    chip.ram[0x263], chip.ram[0x2B2] = 0x02, 2
    chip.advance_us(100)
    chip.heard_us = chip.now_us
    chip.advance_us(1_900_000)
    hand.write("3E9500")  # without checks
    assert hand.bus.bad_checks == 1
    chip.advance_us(200_000)
    assert chip.protections.status[2] == 0x02
    hand.read(0x12, 4)
    chip.advance_us(1_000)
    assert chip.protections.status[2] == 0
