"""FETs and balancing by a BQ76952: what the node allows, what the chip cuts, what never closes by itself."""

from __future__ import annotations

import pytest

from firmware.drivers.bq76952_bench import Bench, limits
from twolbms.sim.chips.bq76952 import CHG, DSG, PDSG

BOTH = pytest.mark.parametrize("crc", [True, False], ids=["crc", "plain"])
SHORT, DISCHARGE, CHARGE, OVER, UNDER, HEAT = 1, 2, 4, 8, 16, 32


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


# The chip's own trips

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
    again.driver.link.i2c, again.driver.startup.clock = bench.bus, bench.clock
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


# Pre-discharge


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


# Balancing


@BOTH
def test_cells_are_balanced_and_told(crc: bool) -> None:
    """The cells asked for are bled, by their inputs, and the chip's own word shows in `bleeding`."""
    bench = Bench(crc)
    bench.cells(1, 7)
    bench.cycle(count=20)
    assert bench.bled == {1, 7} and bench.driver.bleeding[0] == 0b10000010 and not bench.driver.balance_refused
    bench.cells()
    bench.cycle(count=20)
    assert bench.bled == set() and bench.driver.bleeding[0] == 0


@pytest.mark.parametrize("mask", range(256))
def test_never_two_neighbours(mask: int) -> None:
    """Of any cells asked for, no two that share a wire are bled, not even where inputs lie apart; none needlessly."""
    bench = BALANCED
    bench.mask = bytearray((mask, *bytes(15)))
    bench.cycle()
    asked = {n for n in range(8) if mask >> n & 1}
    assert bench.bled <= asked and not bench.chip.neighbours
    assert not any(n + 1 in bench.bled for n in bench.bled)
    assert all(n in bench.bled or n - 1 in bench.bled for n in asked)


BALANCED = Bench()
BALANCED.cycle(count=5)


def test_the_command_is_repeated_in_time() -> None:
    """A minute of balancing has no gap, with a command every 3 s at most."""
    bench = Bench()
    bench.cells(3)
    bench.cycle(count=5)
    sent = bench.chip.commands.count(0x0083)
    for _ in range(600):
        bench.cycle()
        assert bench.bled == {3}
    assert bench.chip.commands.count(0x0083) - sent < 600 // 9 + 600 // 30 + 5  # questions and commands


def test_balancing_ends_by_itself() -> None:
    """Nobody asks any more: the chip stops within 10 s."""
    bench = Bench()
    bench.cells(3)
    bench.cycle(count=5)
    bench.chip.advance_us(9_500_000)
    assert bench.bled == {3}
    bench.chip.advance_us(600_000)
    assert bench.bled == set()


def test_a_refusal_shows() -> None:
    """A chip too hot to balance, or one that does not obey, is seen within two rounds of questions, and its end too."""
    bench = Bench()
    bench.chip.die_c = 75.0
    bench.cells(0, 4)
    bench.cycle(count=22)
    assert bench.bled == set() and bench.driver.balance_refused and bench.driver.bleeding[0] == 0
    bench.chip.die_c = 40.0
    bench.cycle(count=45)
    assert bench.bled == {0, 4} and not bench.driver.balance_refused
    bench.cells()
    bench.cycle(count=22)
    assert not bench.driver.balance_refused


def test_a_time_out_shows() -> None:
    """Balancing that the chip ended is seen, and asked for again within 3 s."""
    bench = Bench()
    bench.cells(2)
    bench.cycle(count=20)
    bench.chip.balanced = 0
    seen = []
    for _ in range(30):
        bench.cycle()
        seen.append(bench.driver.balance_refused)
    assert any(seen) or bench.bled == {2}
    assert bench.bled == {2}


def test_no_balancing_without_settings() -> None:
    """A chip that has restarted, or cannot be reached, is not asked to balance."""
    bench = Bench()
    bench.cells(2)
    bench.chip.por = True
    bench.cycle(count=3)
    assert bench.bled == set()


# Ship mode


@BOTH
def test_sleep_and_wake(crc: bool) -> None:
    """SHUTDOWN goes out twice, FETs first; asleep nothing is sent; a charger and start() bring it back."""
    bench = Bench(crc)
    bench.close()
    assert bench.driver.sleep() and bench.chip.commands[-3:] == [0x0095, 0x0010, 0x0010]
    bench.chip.advance_us(100)
    assert not bench.chip.powered
    transfers = bench.bus.transfers
    for n in range(1, 4):
        assert not bench.cycle(3) and bench.nothing_known and bench.driver.comms_age == n
    assert bench.bus.transfers == transfers and not bench.driver.fets_known
    bench.chip.wake()
    assert bench.driver.start(bench.limits) == 0
    bench.cycle(3, count=4)
    assert bench.driver.fets == 3


def test_a_chip_that_cannot_be_put_to_sleep() -> None:
    """When the bus fails, sleep() says so, and nothing is allowed any more."""
    bench = Bench()
    bench.close()
    bench.bus.nacks = 1000
    assert not bench.driver.sleep()
    bench.bus.nacks = 0
    bench.cycle(3, count=2)
    assert bench.chip.fets == 0 and not bench.driver.config_ok
