"""Freeing a stuck I2C bus on two simulated open-drain lines, heap locked too."""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace

import pytest
from drivers.i2c_bus import BusRecovery

from servers.need import need
from twolbms.files import data_path
from twolbms.sim.chips.bq76952_bus import Lines

NO_CLOCK = SimpleNamespace(sleep_us=lambda us: None)


def recovery(lines: Lines, **options: object) -> BusRecovery:
    return BusRecovery(lines.scl, lines.sda, clock=NO_CLOCK, **options)


@pytest.mark.parametrize("clocks", range(1, 10))
def test_a_chip_in_the_middle_of_a_byte_lets_go(clocks: int) -> None:
    """SDA that is held for one to nine more clocks is free afterwards, with a stop and both lines high."""
    lines = Lines()
    lines.stick(clocks)
    bus = recovery(lines)
    assert bus.recover() and not lines.held
    assert lines.stops >= 1 and lines.scl.value() == lines.sda.value() == 1
    assert (bus.attempts, bus.freed) == (1, 1)


def test_no_more_clocks_than_needed() -> None:
    """Clocks end as soon as SDA is high; the stop needs one rise of SCL more."""
    lines = Lines()
    lines.stick(3)
    recovery(lines).recover()
    assert lines.given == 4


def test_a_free_bus_stays_free() -> None:
    """With nothing stuck only a stop is sent."""
    lines = Lines()
    assert recovery(lines).recover() and lines.given == 1 and lines.stops == 1


def test_ten_clocks_are_too_many() -> None:
    """A line that nine clocks and the stop do not free is reported, and is free for another try."""
    lines = Lines()
    lines.stick(12)
    bus = recovery(lines)
    assert not bus.recover() and lines.given == 10 and bus.freed == 0
    assert bus.recover() and bus.freed == 1 and bus.attempts == 2


def test_a_held_clock_cannot_be_helped() -> None:
    """With SCL low nothing is clocked and the answer is no."""
    lines = Lines()
    lines.scl_held = True
    assert not recovery(lines).recover() and lines.given == 0


@pytest.mark.parametrize("broken", ["scl", "sda", "take", "give", ""])
def test_pins_are_always_given_back(broken: str) -> None:
    """Whatever raises on the way, nothing leaves, the pins go back, and only a whole recovery counts."""
    lines = Lines()
    log: list[str] = []

    def note(name: str) -> None:
        log.append(name)
        if name == broken:
            raise OSError(5)

    if broken in ("scl", "sda"):
        getattr(lines, broken).broken = True
    bus = recovery(lines, take=lambda: note("take"), give=lambda: note("give"))
    assert bus.recover() == (broken == "") and log == ["take", "give"]


def test_it_takes_a_fraction_of_a_millisecond() -> None:
    """Nine clocks and a stop take at most 0.2 ms."""
    slept: list[int] = []
    lines = Lines()
    lines.stick(9)
    BusRecovery(lines.scl, lines.sda, clock=SimpleNamespace(sleep_us=slept.append)).recover()
    assert 50 <= sum(slept) <= 200


ON_THE_CHIP = """
import micropython
from drivers.i2c_bus import BusRecovery
class Line:
    def __init__(self, held):
        self.level = 1
        self.held = held
        self.other = None
    def value(self, level=None):
        if level is None:
            return 0 if self.held else self.level
        if level > self.level and self.other is not None and self.other.held:
            self.other.held -= 1
        self.level = level
scl = Line(0)
sda = Line(5)
scl.other = sda
class Board:
    def __init__(self):
        self.count = 0
    def take(self):
        self.count += 1
board = Board()
bus = BusRecovery(scl, sda, take=board.take, give=board.take)
def locked():
    micropython.heap_lock()
    try:
        return bus.recover()
    finally:
        micropython.heap_unlock()
print(locked(), sda.held, board.count)
"""


@pytest.mark.need("micropython32")
def test_no_memory_is_taken() -> None:
    """On 32-bit MicroPython a recovery, `take` and `give` included, runs with the heap locked."""
    surroundings = {**os.environ, "MICROPYPATH": str(data_path("firmware", "src"))}
    done = subprocess.run([need("micropython32").program, "-c", ON_THE_CHIP], env=surroundings, capture_output=True,
                          text=True)
    assert done.stdout == "True 0 2\n", done.stdout + done.stderr
