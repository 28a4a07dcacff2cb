"""The BQ76952 driver on 32-bit MicroPython with the heap locked: the same transfers, byte by byte, the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from firmware.drivers.bq76952_bench import EIGHT, SENSORS, Bench
from firmware.drivers.tape import on_micropython
from twolbms.sim.chips.bq76952_bus import Buffer

WIDTH = 20

WIRE = """
class Wire:
    '''An I2C that knows beforehand what will be said: register and answer of a read, bytes and count of a write.'''

    def __init__(self, said):
        self.said = said
        self.n = 0
        self.held = 0

    def next(self, size):
        one = self.said[self.n]
        self.n += 1
        if one[0] != size:
            raise ValueError
        return one

    def readfrom_mem_into(self, address, register, buffer):
        one = self.next(len(buffer))
        if one[1] != register:
            raise ValueError
        answer = one[2]
        if answer is None:
            raise OSError(5)
        for i in range(len(buffer)):
            buffer[i] = answer[i]

    def writeto(self, address, buffer):
        one = self.next(len(buffer))
        sent = one[1]
        for i in range(len(buffer)):
            if buffer[i] != sent[i]:
                raise ValueError
        if one[2] is None:
            raise OSError(5)
        return one[2]

class Clock:
    def __init__(self, times):
        self.times = times
        self.n = 0

    def sleep_us(self, us):
        pass

    def ticks_ms(self):
        self.n += 1
        return self.times[self.n - 1]

    def ticks_diff(self, later, earlier):
        return (later - earlier + 0x20000000 & 0x3FFFFFFF) - 0x20000000

class Pin:
    def value(self, level=None):
        return 1
"""

DRIVE = """
from drivers.bq76952 import Bq76952
from drivers.i2c_bus import BusRecovery
from generated import limits_lfp_8s_320ah as limits
from node.measure import Measure

m = Measure(limits)
wire = Wire(SAID)
clock = Clock(TIMES)
d = Bq76952(wire, EIGHT, SENSORS, 250, crc=CRC, predischarge=True, recovery=BusRecovery(Pin(), Pin(), clock=clock),
            clock=clock)
assert d.start(limits) == 0
mask = bytearray(16)
steps = STEPS
def cycle(n, out, at):
    step = steps[n]
    if step[3] == 1:
        out[at] = d.recover()
    elif step[3] == 2:
        out[at] = d.sleep()
    else:
        out[at] = d.read_into(m)
    d.allow(step[0], step[1])
    mask[0] = step[2]
    d.balance(mask)
    for i in range(8):
        out[at + 1 + i] = m.cell_mv[i]
    out[at + 9] = m.temp_dc[1]
    out[at + 10] = m.pack_mv
    out[at + 11] = m.link_mv
    out[at + 12] = m.current_ma
    out[at + 13] = d.hard_trip
    out[at + 14] = d.fets | (8 if d.fets_known else 0) | (16 if d.config_ok else 0) | (32 if d.balance_refused else 0)
    out[at + 15] = d.comms_age
    out[at + 16] = d.errors
    out[at + 17] = d.bleeding[0]
    out[at + 18] = d.missed_trips + 16 * d.recoveries + 256 * d.watchdog_trips + 4096 * d.config_losses
    out[at + 18] += 32768 * d.open_wires
    out[at + 19] = d.die_dc
run(cycle, len(steps), 20)
"""


class Recorder:
    """Stands between driver and bus and keeps what was said, and what the clock told."""

    def __init__(self, bus: Any) -> None:
        self.bus = bus
        self.said: list[tuple[int, Any, Any]] = []
        self.times: list[int] = []

    def listen(self, bench: Bench) -> None:
        """To the driver's clock."""
        ticks = bench.clock.ticks_ms

        def ticks_ms() -> int:
            self.times.append(ticks())
            return self.times[-1]
        bench.clock.ticks_ms = ticks_ms  # type: ignore[method-assign]

    def readfrom_mem_into(self, address: int, register: int, buffer: Buffer) -> None:
        try:
            self.bus.readfrom_mem_into(address, register, buffer)
        except OSError:
            self.said.append((len(buffer), register, None))
            raise
        self.said.append((len(buffer), register, bytes(buffer)))

    def writeto(self, address: int, buffer: Buffer) -> int:
        try:
            acknowledged: int = self.bus.writeto(address, buffer)
        except OSError:
            self.said.append((len(buffer), bytes(buffer), None))
            raise
        self.said.append((len(buffer), bytes(buffer), acknowledged))
        return acknowledged


# (paths, precharge, cells to balance, call instead of reading: 1 recover, 2 sleep), what happens before
Story = list[tuple[tuple[int, int, int, int], str]]
LONG: Story = [
    ((0, 0, 0, 0), ""), ((0, 1, 0, 0), ""), ((0, 1, 0, 0), ""), ((3, 0, 0, 0), "link"), *[((3, 0, 0, 0), "")] * 3,
    *[((3, 0, 0xFF, 0), "")] * 40, ((2, 0, 0x10, 0), "cold"), *[((2, 0, 0x10, 0), "load")] * 4,
    ((3, 0, 0, 0), "alarm"), ((0, 0, 0, 0), ""), *[((3, 0, 0, 0), "")] * 2,
    ((2, 0, 0, 0), "nack"), ((2, 0, 0, 0), "dead"), ((3, 0, 0, 0), "dead"), ((3, 0, 0, 0), ""), ((3, 0, 4, 0), "flip"),
    *[((3, 0, 4, 0), "hot die")] * 25, ((3, 0, 0, 0), "short"), *[((3, 0, 0, 0), "")] * 3, ((0, 0, 0, 0), ""),
    ((0, 0, 0, 0), ""), ((0, 0, 0, 1), ""), *[((3, 0, 0, 0), "")] * 3, ((0, 0, 0, 0), ""),
    *[((3, 0, 0, 0), "high")] * 80, ((0, 0, 0, 0), "slow"), *[((1, 0, 1, 0), "slow")] * 6,
    ((1, 0, 1, 0), "setting"), *[((1, 0, 1, 0), "")] * 12, ((0, 0, 0, 2), ""), *[((3, 0, 1, 0), "")] * 2]

# every transfer of a cycle lost for good, one after the other; a hang; a body diode; another unknown path
LOST: Story = [
    *[((3, 0, 1, 0), f"lost {n}") for n in range(14)], *[((1, 0, 0, 0), "charge")] * 4, ((3, 0, 0, 0), "hang"),
    *[((3, 0, 0, 0), "")] * 3, ((0, 0, 0, 0), ""), ((0, 0, 0, 0), "dead"), ((0, 0, 0, 1), "dead"),
    ((3, 0, 0, 2), "dead"),
    *[((3, 0, 0, 0), "")] * 2]
ENDS: dict[str, Story] = {what: [*[((3, 0, 0, 0), "")] * 4, *[((3, 0, 1, 0), what)] * 15, ((3, 0, 0, 0), "")]
                          for what in ("frozen", "por", "mask", "window")}
WIRE_OFF: Story = [*[((3, 0, 0, 0), "")] * 4, *[((3, 0, 1, 0), "wire off")] * 30, *[((3, 0, 0, 0), "wire on")] * 8]
STORIES: dict[str, Story] = {"long": LONG, "lost": LOST, "wire": WIRE_OFF, **ENDS}


def happen(bench: Bench, what: str) -> None:
    """One line of the story."""
    chip = bench.chip
    bench.bus.spoil = None
    bench.bus.nacks = {"nack": 1, "dead": 100}.get(what, 0)
    chip.command_us, chip.memory_us = (8_500, 8_500) if what == "slow" else (60, 500)
    if what == "link":
        chip.load_mv = chip.link_mv = 26_000
    elif what == "cold":
        chip.thermistors_c["TS3"] = -45.0
    elif what == "load":
        chip.current_ma = -250_000
    elif what == "flip":
        left = [1]

        def spoil(kind: str, frame: bytearray) -> None:
            if kind == "read" and left:
                frame[0] ^= left.pop()
        bench.bus.spoil = spoil
    elif what == "hot die":
        chip.die_c = 72.0
    elif what == "short":
        chip.current_ma = -800_000
        chip.advance_us(1_000)
        chip.current_ma = 0
        chip.die_c = 30.0
    elif what == "alarm":
        chip.alarm |= 0x4000
    elif what == "high":
        chip.cells_mv[1] = 3_700
    elif what == "setting":
        chip.ram[0x278] ^= 1
    elif what.startswith("lost"):
        number = bench.bus.transfers + int(what[5:])
        bench.bus.fails = set(range(number, number + 4))
    elif what == "charge":
        chip.current_ma = 5_000
    elif what == "hang":
        chip.current_ma = 0
        chip.advance_us(2_500_000)
    elif what == "frozen":
        chip.frozen = True
    elif what == "por":
        chip.por = True
    elif what == "mask":
        chip.alarm_enable = 0xF800
    elif what.startswith("wire"):
        chip.wires.off = {4} if what == "wire off" else set()
    elif what == "window":
        chip.stuck[0x61] = b"\x03"


def told(bench: Bench, first: bool) -> tuple[int, ...]:
    m, d = bench.m, bench.driver
    flags = d.fets | 8 * d.fets_known | 16 * d.config_ok | 32 * d.balance_refused
    counts = (d.missed_trips + 16 * d.recoveries + 256 * d.watchdog_trips + 4096 * d.config_losses
              + 32768 * d.open_wires)
    return (int(first), *m.cell_mv, m.temp_dc[1], m.pack_mv, m.link_mv, m.current_ma, d.hard_trip, flags, d.comms_age,
            d.errors, d.bleeding[0], counts, d.die_dc)


def play(bench: Bench, story: Story) -> list[tuple[int, ...]]:
    """The story on CPython."""
    lines = []
    for (paths, precharge, mask, call), what in story:
        bench.chip.advance_us(93_000)
        happen(bench, what)
        d = bench.driver
        first = d.recover() if call == 1 else d.sleep() if call == 2 else bench.read()
        d.allow(paths, precharge)
        d.balance(bytearray((mask, *bytes(15))))
        lines.append(told(bench, first))
        bench.chip.advance_us(200)
    return lines


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("crc", [True, False], ids=["crc", "plain"])
def test_no_cycle_allocates(crc: bool, name: str, tmp_path: Path) -> None:
    """Readings, FETs, balancing, trips, a dead bus, a short circuit, lost settings and sleep: no memory is taken."""
    tapes: list[Recorder] = []

    def taped(bus: Any) -> Recorder:
        tapes.append(Recorder(bus))
        return tapes[0]
    bench = Bench(crc, i2c=taped, predischarge=True, start=False)
    tapes[0].listen(bench)
    assert bench.driver.start(bench.limits) == 0
    expected = play(bench, STORIES[name])
    steps = [line for line, _ in STORIES[name]]
    script = WIRE + DRIVE.replace("SAID", repr(tapes[0].said)).replace("EIGHT", repr(EIGHT)).replace(
        "SENSORS", repr(SENSORS)).replace("CRC", repr(crc)).replace("STEPS", repr(steps)).replace(
        "TIMES", repr(tapes[0].times))
    assert on_micropython(tmp_path, script) == expected


@pytest.mark.parametrize("crc", [True, False], ids=["crc", "plain"])
def test_the_long_story_is_one(crc: bool) -> None:
    """It meets trips, every FET state, lost cycles, a refusal and lost settings: replaying it proves something."""
    column = [set(values) for values in zip(*play(Bench(crc, predischarge=True), LONG), strict=True)]
    assert column[0] == {0, 1} and len(column[13]) >= 4 and {4, 2, 3, 0} <= {flags & 7 for flags in column[14]}
    assert {flags & 16 for flags in column[14]} == {0, 16} and 32 in {flags & 32 for flags in column[14]}
    assert max(column[15]) >= 2 and 1 in {counts & 15 for counts in column[18]}


def test_the_story_of_the_wire_is_one() -> None:
    """A wire comes off, is found, and is found sound again."""
    wires = [line[18] >> 15 for line in play(Bench(), WIRE_OFF)]
    assert wires[0] == wires[-1] == 0 and 1 in wires


TWICE = """
import gc
import sys
from drivers.bq76952 import Bq76952
from generated import limits_lfp_8s_320ah as limits
d = Bq76952(Wire(SAID), EIGHT, SENSORS, 250, clock=Clock(TIMES))
for turn in range(2):
    code = d.start(limits)
    gc.collect()
    loaded = [name for name in sys.modules if name in ("drivers.bq76952_start", "drivers.bq76952_memory")]
    print(code, len(loaded), int(d.config_ok))
    if turn == 0:
        free = gc.mem_free()
print(int(abs(gc.mem_free() - free) < 200), 0, 0)
"""


@pytest.mark.need("micropython32")
def test_what_a_start_needs_is_not_kept(tmp_path: Path) -> None:
    """On the chip the code of the start is given back, loaded again for the next one, and nothing leaks."""
    tapes: list[Recorder] = []

    def taped(bus: Any) -> Recorder:
        tapes.append(Recorder(bus))
        return tapes[0]
    bench = Bench(i2c=taped, start=False)
    tapes[0].listen(bench)
    assert bench.driver.start(bench.limits) == bench.driver.start(bench.limits) == 0
    script = WIRE + TWICE.replace("SAID", repr(tapes[0].said)).replace("EIGHT", repr(EIGHT)).replace(
        "SENSORS", repr(SENSORS)).replace("TIMES", repr(tapes[0].times))
    assert on_micropython(tmp_path, script) == [(0, 0, 1), (0, 0, 1), (1, 0, 0)]
