"""What a BQ76952 cuts by itself: told, kept open until the node has answered, a short circuit until a person has."""

from __future__ import annotations

import pytest

from firmware.drivers.bq76952_bench import Bench, limits
from twolbms.sim.chips.bq76952 import CHG, DSG

BOTH = pytest.mark.parametrize("crc", [True, False], ids=["crc", "plain"])
SHORT, DISCHARGE, CHARGE, OVER, UNDER, HEAT = 1, 2, 4, 8, 16, 32

TRIPS = [
    ("cells_mv", 3700.0, OVER, 1), ("cells_mv", 2400.0, UNDER, 2), ("current_ma", 270_000.0, CHARGE, 1),
    ("current_ma", -285_000.0, DISCHARGE, 2), ("current_ma", -650_000.0, SHORT, 3), ("TS1", 67.0, HEAT, 3),
    ("TS1", -2.0, HEAT, 1), ("TS1", -32.0, HEAT, 3), ("die_c", 86.0, HEAT, 3)]


def put(bench: Bench, what: str, value: float) -> None:
    if what == "cells_mv":
        bench.chip.cells_mv[2] = value
    elif what == "TS1":
        bench.chip.thermistors_c["TS1"] = value
    else:
        setattr(bench.chip, what, value)


@BOTH
@pytest.mark.parametrize(("what", "value", "bits", "cut"), TRIPS)
def test_a_trip_of_the_chip(crc: bool, what: str, value: float, bits: int, cut: int) -> None:
    """Each protection cuts its paths without the node, and hard_trip says which it was."""
    bench = Bench(crc)
    bench.close()
    normal = {"cells_mv": 3302.0, "current_ma": -500.0 if value > 0 else 0.0, "TS1": 25.0, "die_c": 30.0}[what]
    put(bench, what, value)
    for _ in range(100):
        bench.cycle(3)
        if bench.driver.hard_trip & bits and bench.driver.fets & cut == 0:
            break
    assert bench.driver.hard_trip & bits == bits and bench.driver.fets & cut == 0
    assert bench.driver.hard_trip in (bits, SHORT | DISCHARGE)  # a short is an over-current too
    put(bench, what, normal)  # an over-current in charge is only over when the pack is discharged
    bench.cycle(3, count=60)  # it has gone, the chip has recovered: nothing closes by itself
    assert bench.driver.fets & cut == 0
    bench.cycle(0, count=2)
    bench.cycle(3, count=3)
    assert bench.driver.fets == (0 if bits == SHORT else 3)


@pytest.mark.parametrize(("what", "value", "firmware_s"), [
    ("cells_mv", 3700.0, 2.2), ("cells_mv", 2400.0, 5.2), ("current_ma", 270_000.0, 0.4),
    ("current_ma", -285_000.0, 0.4), ("TS1", 67.0, 2.2), ("TS1", -2.0, 2.2)])
def test_the_firmware_has_the_first_word(what: str, value: float, firmware_s: float) -> None:
    """The chip waits longer than the firmware's delay and two cycles."""
    bench = Bench()
    bench.close()
    put(bench, what, value)
    began = bench.chip.now_us
    while bench.chip.fets == CHG | DSG and bench.chip.now_us - began < 12e6:
        bench.chip.advance_us(1_000)
        bench.chip.heard_us = bench.chip.now_us
    assert firmware_s * 1e6 < bench.chip.now_us - began < 12e6


def test_a_short_circuit_waits_for_a_person() -> None:
    """Cut within microseconds, blocked for ever by the host, freed only by recover(), and only when all is off."""
    bench = Bench()
    bench.close()
    bench.chip.current_ma = -900_000
    bench.chip.advance_us(70)
    assert bench.chip.fets == 0
    bench.chip.current_ma = 0
    assert 0x009C not in bench.chip.commands
    for _ in range(100):
        bench.cycle(3)
        assert bench.chip.fets == 0 and bench.driver.hard_trip & SHORT
    assert bench.chip.protections.status == [0, 0, 0]  # the chip alone would have closed again
    bench.cycle(0, count=3)
    bench.cycle(3, count=3)
    assert bench.chip.fets == 0 and 0x009C not in bench.chip.commands
    bench.cycle(0, count=2)
    assert bench.driver.recover() and bench.chip.commands[-1] == 0x009C and bench.driver.hard_trip == 0
    bench.cycle(3, count=3)
    assert bench.driver.fets == 3


@pytest.mark.parametrize("waits", [True, False])
def test_a_short_that_is_still_there_comes_back(waits: bool) -> None:
    """recover() forgets nothing that the chip still shows."""
    bench = Bench()
    bench.chip.protections.scd_waits = waits
    bench.close()
    bench.chip.current_ma = -900_000
    bench.cycle(3)
    bench.cycle(0, count=2)
    assert bench.driver.hard_trip & SHORT and bench.driver.recover()
    bench.cycle(0)
    assert bench.driver.hard_trip & SHORT
    bench.chip.current_ma = 0
    bench.cycle(0, count=2)
    assert bench.driver.recover()
    bench.cycle(0)
    assert not bench.driver.hard_trip & SHORT


def test_recover_needs_everything_off() -> None:
    """With a path allowed, FETs on or unseen, or the bus dead, recover() does nothing and says so."""
    bench = Bench()
    assert not bench.driver.recover()  # not seen yet
    bench.close()
    assert not bench.driver.recover()
    bench.cycle(0)
    assert not bench.driver.recover()  # told off, not yet seen off
    bench.cycle(0)
    bench.bus.nacks = 5
    assert not bench.driver.recover()
    assert 0x009C not in bench.chip.commands


def test_a_short_survives_the_nodes_restart() -> None:
    """A node that starts finds the chip's short circuit and keeps it, although CONFIG_UPDATE makes the chip forget."""
    bench = Bench()
    bench.close()
    bench.chip.current_ma = -900_000
    bench.chip.advance_us(1_000)
    bench.chip.current_ma = 0
    again = Bench(start=False)
    again.chip, again.bus = bench.chip, bench.bus
    again.driver.link.i2c, again.driver.clock = bench.bus, bench.clock
    assert again.driver.start(bench.limits) == 0 and again.driver.hard_trip == SHORT
    again.cycle(3, count=5)
    assert bench.chip.fets == 0
    assert again.driver.start(bench.limits) == 0 and again.driver.hard_trip == SHORT  # nor by another start


def test_a_trip_that_came_and_went() -> None:
    """A trip that had gone before it was read is known by the latched alarm: both paths wait for the node."""
    bench = Bench()
    bench.close()
    bench.chip.alarm |= 0x4000
    bench.cycle(3, count=5)
    assert bench.driver.missed_trips == 1 and bench.driver.fets == 0
    bench.cycle(0)
    bench.cycle(3, count=3)
    assert bench.driver.fets == 3


def test_one_pair_of_contactors_opens_both() -> None:
    """On a common output a trip of one side blocks both, and half is never allowed."""
    bench = Bench(rows=limits(COMMON=1))
    bench.cycle(3, count=3)
    assert bench.driver.fets == 3
    bench.cycle(1, count=3)
    assert bench.chip.fets == 0
    bench.cycle(3, count=3)
    bench.chip.cells_mv[0] = 3700
    bench.cycle(3, count=80)
    assert bench.driver.hard_trip == OVER and bench.chip.fets == 0


def test_a_body_diode_is_not_a_path() -> None:
    """The charge driver that the chip turns on while current is drawn opens no charge path against the node."""
    bench = Bench()
    bench.cycle(2, count=3)
    bench.chip.current_ma = -5_000
    bench.cycle(2)
    assert bench.chip.fets == CHG | DSG and bench.driver.fets == 2
    bench.chip.current_ma = 0
    bench.cycle(1, count=3)
    bench.chip.current_ma = 5_000
    bench.cycle(1)
    assert bench.chip.fets == CHG | DSG and bench.driver.fets == 1


def test_a_fet_that_is_on_against_the_node_is_told() -> None:
    """A driver that stays on with nothing to save is a path, and all off is sent again and again."""
    bench = Bench()
    bench.close()
    bench.chip.deaf = {0x0095, 0x0097}
    count = bench.chip.commands.count(0x0095)
    bench.cycle(0, count=5)
    assert bench.driver.fets == 3 and bench.chip.commands.count(0x0095) >= count + 4
