"""Balancing by a BQ76952, and its ship mode."""

from __future__ import annotations

import pytest

from firmware.drivers.bq76952_bench import Bench

BOTH = pytest.mark.parametrize("crc", [True, False], ids=["crc", "plain"])


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
