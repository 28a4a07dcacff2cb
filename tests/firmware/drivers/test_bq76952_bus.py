"""A BQ76952 on a bus that fails: retries, lost cycles, stuck lines, and how long a cycle takes."""

from __future__ import annotations

import pytest
from node.measure import NA

from firmware.drivers.bq76952_bench import Bench

BOTH = pytest.mark.parametrize("crc", [True, False], ids=["crc", "plain"])


@BOTH
def test_a_lost_transfer_is_tried_again(crc: bool) -> None:
    """Whichever transfer of a cycle is not acknowledged once, the readings are complete and true."""
    bench = Bench(crc)
    bench.cycle(count=3)
    for number in range(bench.spent_transfers):
        errors = bench.driver.errors
        bench.bus.fails = {bench.bus.transfers + number}
        bench.cycle()
        assert list(bench.m.cell_mv) == [3300 + n for n in range(8)] and bench.driver.comms_age == 0
        assert bench.driver.errors == errors + 1


def test_every_bit_of_every_transfer_of_a_cycle() -> None:
    """Any one bit wrong, in any transfer and direction: no reading ever differs from what lies at the chip."""
    bench = Bench()
    bench.close()
    counts: list[tuple[str, int]] = []
    bench.bus.spoil = lambda kind, frame: counts.append((kind, len(frame)))
    bench.cycle()
    truth = [3300 + n for n in range(8)]
    for number, (_, size) in enumerate(list(counts)):
        for bit in range(0, 8 * size, 1 if size < 30 else 5):
            seen = [0]

            def spoil(kind: str, frame: bytearray, seen: list[int] = seen, at: tuple[int, int] = (number, bit)) -> None:
                if seen[0] == at[0] and at[1] // 8 < len(frame):
                    frame[at[1] // 8] ^= 1 << at[1] % 8
                seen[0] += 1
            errors = bench.driver.errors
            bench.bus.spoil = spoil
            bench.cycle()
            assert list(bench.m.cell_mv) == truth and bench.m.current_ma == 0 and bench.m.pack_mv in (26420, 26430)
            assert set(bench.m.temp_dc) <= {249, 250} and bench.driver.fets == 3 and bench.driver.hard_trip == 0
            assert bench.driver.errors == errors + 1 and bench.driver.config_ok


@BOTH
def test_a_damaged_transfer_twice_is_a_lost_cycle(crc: bool) -> None:
    """When the second try fails too, everything is unknown at once and the age counts; the next good cycle ends it."""
    bench = Bench(crc)
    bench.close()
    bench.bus.nacks = 100
    for n in range(1, 4):
        assert not bench.cycle()
        assert bench.nothing_known and bench.driver.die_dc == NA and not bench.driver.fets_known
        assert bench.driver.comms_age == n
    bench.bus.nacks = 0
    bench.cycle()
    assert bench.driver.comms_age == 0 and not bench.nothing_known and bench.driver.fets == 3
    assert bench.driver.config_ok and bench.driver.config_losses == 0


def test_a_stuck_bus_is_freed() -> None:
    """SDA held in the middle of a byte: the cycle is lost, nine clocks free the bus, the next cycle reads."""
    bench = Bench()
    bench.close()
    bench.bus.lines.stick(7)
    assert not bench.cycle() and bench.nothing_known and bench.driver.comms_age == 1
    assert bench.driver.recoveries == 1 and bench.recovery.freed == 1
    bench.cycle()
    assert bench.driver.comms_age == 0 and bench.driver.fets == 3


def test_a_bus_that_stays_stuck() -> None:
    """Each cycle tries again, counts, stays bounded in time, and the chip opens by its host watchdog."""
    bench = Bench()
    bench.close()
    bench.bus.lines.scl_held = bench.bus.lines.held = True
    bench.bus.lines.clocks = 10**6
    for n in range(1, 26):
        assert not bench.cycle() and bench.nothing_known and bench.driver.comms_age == n
        assert bench.spent_us <= 10_000
    assert bench.driver.recoveries == 25 and bench.recovery.freed == 0
    assert bench.chip.fets == 0 and bench.chip.protections.status[2] == 0x02


def test_without_a_recovery_the_bus_is_left_alone() -> None:
    """A board that gives no pins has no clocks, and nothing else changes."""
    bench = Bench(recovery=None)
    bench.bus.lines.stick(5)
    assert not bench.cycle() and bench.driver.recoveries == 0 and bench.bus.lines.given == 0


def test_pins_that_fail_do_no_harm() -> None:
    """A recovery whose pins raise never leaves the cycle."""
    bench = Bench()
    bench.bus.lines.stick(5)
    bench.bus.lines.scl.broken = True
    assert not bench.cycle() and bench.driver.recoveries == 1


class Spoiler:
    """Spoils the next `count` readings of a register; without CRC the first of each two."""

    def __init__(self, register: int, count: int, crc: bool) -> None:
        self.register, self.left, self.crc = register, count, crc
        self.reads = 0
        self._heard = 0

    def __call__(self, kind: str, frame: bytearray) -> None:
        if kind == "register":
            self._heard = frame[0]
        elif kind == "read" and self._heard == self.register and self.left:
            self.reads += 1
            if self.crc or self.reads % 2:
                frame[0] ^= 1
                self.left -= 1


@pytest.mark.parametrize(("crc", "usual_us", "most_us", "most"), [(True, 6_100, 8_600, 13), (False, 6_400, 13_000, 26)],
                         ids=["crc", "plain"])
def test_the_budget_of_a_cycle(crc: bool, usual_us: int, most_us: int, most: int) -> None:
    """With FETs and balancing changing and every try used up on any block: the docstring's figures, below 20 ms."""
    bench = Bench(crc)
    bench.cycle(count=3)
    assert bench.spent_us <= usual_us
    longest = transfers = 0
    for register in (0x3E, 0x62, 0x02, 0x12, 0x68):
        for n in range(8):
            bench.cells(n)
            bench.bus.spoil = spoiler = Spoiler(register, 1 if crc else 3, crc)
            bench.cycle(n % 4)
            assert spoiler.left == 0 and bench.driver.comms_age == 0
            longest, transfers = max(longest, bench.spent_us), max(transfers, bench.spent_transfers)
    print(f"crc {crc}: usually {usual_us}, at most {longest} us, {transfers} transfers")
    assert longest <= most_us and transfers <= most


@pytest.mark.parametrize(("crc", "us"), [(True, 10_000), (False, 14_000)], ids=["crc", "plain"])
def test_a_dead_bus_costs_its_timeouts(crc: bool, us: int) -> None:
    """With 2 ms of timeout a cycle on a dead bus stays far below 20 ms."""
    bench = Bench(crc)
    bench.close()
    bench.bus.lines.held = bench.bus.lines.scl_held = True
    bench.bus.lines.clocks = 10**6
    bench.bus.timeouts = 0
    bench.cycle(3)
    assert bench.spent_us <= us and bench.bus.timeouts <= (3 if crc else 5)
