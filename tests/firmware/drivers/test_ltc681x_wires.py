"""Open sense wires and balancing of the LTC681x driver, on simulated chips; and its cycle with the heap locked."""

from __future__ import annotations

import os
import random
import subprocess
from itertools import pairwise

import pytest

from firmware.drivers.ltc681x_bench import Bench
from servers.need import need
from twolbms.files import data_path

RDCVA, WRCFGA, UNMUTE = 0x004, 0x001, 0x029


def cells_of(mask: bytearray) -> set[int]:
    return {cell for cell in range(128) if mask[cell >> 3] >> (cell & 7) & 1}


def touched(bench: Bench, chip: int, wire: int) -> set[int]:
    """Cells at both sides of wire C0, C1 … of a chip."""
    return {cell for cell, (on, pin) in enumerate(bench.table) if on == chip and pin in (wire, wire + 1)}


WIRES = [(12, 12, wire) for wire in range(13)] + [(18, 18, wire) for wire in range(19)] + [(18, 16, 16), (12, 10, 10)]


@pytest.mark.parametrize(("inputs", "per_chip", "wire"), WIRES)
def test_each_open_wire_is_found(inputs: int, per_chip: int, wire: int) -> None:
    """Each wire of a chip, C0 and the top one too, is found at start and in the running check, with its cells."""
    bench = Bench(3, inputs, per_chip, start=False)
    bench.chain.chips[1].open_wires = {wire}
    assert bench.driver.start(bench.limits) == 0
    assert bench.driver.open_wires == 1 and cells_of(bench.driver.open_wire_mask) == touched(bench, 1, wire)

    bench = Bench(3, inputs, per_chip)
    bench.cycle()
    bench.chain.chips[2].open_wires = {wire}
    for _ in range(110):
        assert bench.cycle()
    assert bench.driver.open_wires == 1 and cells_of(bench.driver.open_wire_mask) == touched(bench, 2, wire)
    bench.chain.chips[2].open_wires = set()
    for _ in range(110):
        bench.cycle()
    assert bench.driver.open_wires == 0 and cells_of(bench.driver.open_wire_mask) == set()


def test_open_wires_of_several_chips() -> None:
    """Wires of several chips are counted together; a cell with both wires open is marked once."""
    bench = Bench(8, start=False)
    bench.chain.chips[0].open_wires = {0}
    bench.chain.chips[3].open_wires = {5, 9}
    bench.chain.chips[7].open_wires = {12}
    bench.driver.start(bench.limits)
    assert bench.driver.open_wires == 4 and cells_of(bench.driver.open_wire_mask) == {0, 40, 41, 44, 45, 95}


@pytest.mark.parametrize(("pull_mv", "found"), [(120.0, 1), (90.0, 0)])
def test_two_conversions_a_way(pull_mv: float, found: int) -> None:
    """A wire that one conversion moves by 120 mV is found: twice up and twice down from its readings, 480 of 400 mV."""
    bench = Bench(2, start=False)
    bench.chain.chips[1].open_wires = {6}
    bench.chain.chips[1].pull_mv = pull_mv
    bench.driver.start(bench.limits)
    assert bench.driver.open_wires == found


def test_the_check_disturbs_no_reading() -> None:
    """With the check in every cycle each reading is still new, true and from before the pull."""
    bench = Bench(3, open_wire_cycles=0)
    for turn in range(20):
        bench.put(turn, 3000 + turn)
        assert bench.cycle() and bench.true() and not bench.unknown and bench.driver.open_wires == 0


def test_a_load_step_is_no_open_wire() -> None:
    """All cells fall and rise by 900 mV between the two halves of a check, again and again: no wire is open."""
    bench = Bench(3, open_wire_cycles=0)
    for turn in range(40):
        for cell in range(36):
            bench.put(cell, 3900 if turn & 1 else 3000)
        assert bench.cycle() and bench.driver.open_wires == 0 and not bench.driver.wires.doubt


def test_one_suspicion_is_no_finding() -> None:
    """What one check finds and the next, made at once, does not, is never told; one good check ends no finding."""
    bench = Bench(3)
    chip = bench.chain.chips[1]
    for _ in range(99):
        bench.cycle()
    chip.open_wires = {4}
    while not bench.driver.wires.doubt:
        bench.cycle()
    chip.open_wires = set()
    for _ in range(4):
        bench.cycle()
        assert bench.driver.open_wires == 0
    assert not bench.driver.wires.doubt
    chip.open_wires = {4}
    for _ in range(110):
        bench.cycle()
    assert bench.driver.open_wires == 1
    chip.open_wires = set()
    while not bench.driver.wires.doubt:
        bench.cycle()
    assert bench.driver.open_wires == 1
    chip.open_wires = {4}
    for _ in range(6):
        bench.cycle()
    assert bench.driver.open_wires == 1


def test_a_check_is_made_each_10_s() -> None:
    """Two cycles in about a hundred are longer by half a check; with a doubt the next check follows at once."""
    bench = Bench(3)
    usual = {bench.cycle() and bench.cycle_bytes for _ in range(5)}
    longer = [turn for turn in range(5, 320) if bench.cycle() and bench.cycle_bytes not in usual]
    assert [b - a for a, b in pairwise(longer)] == [1, 101, 1, 101, 1]


def test_no_check_on_a_bad_bus() -> None:
    """In a cycle in which anything had to be asked for twice no half of a check is made; the verdict stays."""
    bench = Bench(3, start=False, open_wire_cycles=0)
    bench.chain.chips[0].open_wires = {3}
    bench.driver.start(bench.limits)
    for _ in range(10):
        bench.flip(RDCVA, 5)
        bench.cycle()
        assert bench.cycle_bytes == 28 + 2 * 28 + 4 * 28 + 2 * 4 + 12  # configuration, cleared twice, A..D: no more
        assert bench.driver.open_wires == 1


def test_no_check_on_doubtful_chips() -> None:
    """Without new cells, or with a configuration that was just lost, no half of a check is made either."""
    bench = Bench(3, open_wire_cycles=0)
    bench.cycle()
    bench.chain.chips[1].ignores = {0x360}
    assert not bench.cycle() and bench.cycle_bytes == 28 + 28 + 4 * 28 + 2 * 4 + 12
    bench.chain.chips[1].ignores = set()
    bench.chain.chips[1].config_a[1] ^= 1
    assert bench.cycle() and not bench.driver.config_ok
    assert bench.cycle_bytes == 28 + 28 + 28 + 4 * 28 + 2 * 4 + 12  # one more: written again


@pytest.mark.parametrize("bit", range(64))
def test_a_flipped_bit_in_a_check_is_no_finding(bit: int) -> None:
    """A group lost in a check judges no wire: no finding, no doubt, and the cells of the cycle stay."""
    bench = Bench(3, open_wire_cycles=0)
    bench.cycle()
    taken = bench.driver.wires.pull_up, bench.driver.wires.pull_down

    def spoiled(cell_mv: object, way: int) -> None:
        bench.flip(RDCVA, bit, 2, chip=1)
        taken[way](cell_mv)

    bench.driver.wires.pull_up = lambda cell_mv: spoiled(cell_mv, 0)
    bench.driver.wires.pull_down = lambda cell_mv: spoiled(cell_mv, 1)
    for _ in range(4):
        assert bench.cycle() and bench.true()
        assert bench.driver.open_wires == 0 and not bench.driver.wires.doubt


# Balancing


@pytest.mark.parametrize(("inputs", "per_chip"), [(12, 12), (18, 18)])
def test_every_cell_has_its_bit(inputs: int, per_chip: int) -> None:
    """Each cell alone switches the discharge of its input and of no other, read back in the next cycle."""
    bench = Bench(2, inputs, per_chip)
    bench.cycle()
    for cell in range(2 * per_chip):
        bench.balance(cell)
        chip, pin = bench.table[cell]
        assert [c.bleeding for c in bench.chain.chips] == [1 << pin - 1 if n == chip else 0 for n in range(2)]
        assert bench.cycle() and bench.driver.config_ok and bench.bled == {cell}
        assert [c.bleeding for c in bench.chain.chips] == [1 << pin - 1 if n == chip else 0 for n in range(2)]
    bench.balance()
    assert bench.bled == set()


def test_never_two_neighbours() -> None:
    """Whatever is asked for, no two neighbours are bled, over the border of two chips neither; the lower one is."""
    chance = random.Random("balance")
    bench = Bench(3)
    bench.cycle()
    for _ in range(100):
        asked = {cell for cell in range(36) if chance.random() < 0.6}
        bench.balance(*asked)
        assert bench.bled <= asked and not {cell + 1 for cell in bench.bled} & bench.bled
        assert all(cell in bench.bled or cell - 1 in bench.bled for cell in asked)
    bench.balance(11, 12, 13)
    assert bench.bled == {11, 13}
    bench.balance(*range(128))
    assert bench.bled == set(range(0, 36, 2))
    assert sum(chip.neighbours_driven for chip in bench.chain.chips) == 0


@pytest.mark.parametrize(("inputs", "per_chip"), [(12, 12), (18, 18)])
def test_no_cell_is_measured_while_it_bleeds(inputs: int, per_chip: int) -> None:
    """Conversions, those of the open-wire check too, pause the discharge; 18-cell chips are muted, and bleed after."""
    bench = Bench(3, inputs, per_chip, open_wire_cycles=0)
    bench.cycle()
    bench.balance(2, 20, 30)
    for _ in range(6):
        assert bench.cycle() and bench.true()
        assert [chip.bleeding for chip in bench.chain.chips] == [chip.dcc for chip in bench.chain.chips]
    assert bench.bled == {2, 20, 30} and bench.driver.open_wires == 0
    for chip in bench.chain.chips:
        assert chip.measured_while_bleeding == chip.unmuted == chip.unknown == 0


def test_the_bus_is_quiet_while_nothing_changes() -> None:
    """The same mask again sends nothing; another is written and read back."""
    bench = Bench(8)
    bench.cycle()
    bench.balance(4, 50)
    count = bench.chain.bytes
    for _ in range(5):
        bench.balance(4, 50)
    assert bench.chain.bytes == count
    bench.balance(4, 51)
    assert bench.chain.bytes == count + 2 * 68 and bench.bled == {4, 51}


def test_damaged_writes_are_written_again() -> None:
    """Data or a command damaged on the way is seen by reading back and written again; twice, and nothing is sure."""
    bench = Bench()
    bench.cycle()
    bench.flip(WRCFGA, 3, of="write", chip=1)
    bench.balance(1, 14, 27)
    assert bench.bled == {1, 14, 27} and bench.driver.config_ok
    bench.flip(WRCFGA, 17, 2, of="command", chip=1)
    bench.balance(3, 16, 29)
    assert bench.bled == {3, 14, 27} and not bench.driver.config_ok
    bench.balance(3, 16, 29)
    assert bench.bled == set()  # off while the configuration is not sure
    assert bench.cycle() and bench.driver.config_ok
    bench.balance(3, 16, 29)
    assert bench.bled == {3, 16, 29}


def test_a_dead_node_stops_balancing() -> None:
    """When nothing is sent any more the discharge ends with the core's sleep, after about 2 s, DTEN pin or not."""
    for dten in (False, True):
        bench = Bench()
        for chip in bench.chain.chips:
            chip.dten = dten
        bench.cycle()
        bench.balance(0, 13, 26)
        bench.chain.advance_us(1_900_000)
        assert bench.bled == {0, 13, 26}
        bench.chain.advance_us(200_000)
        assert bench.bled == set()


def test_one_chip_that_restarts_ends_all_balancing() -> None:
    """A chip that lost its configuration alone is seen; all discharge is off until every chip is sure again."""
    bench = Bench()
    bench.cycle()
    bench.balance(0, 13, 26)
    chip = bench.chain.chips[1]
    chip.config_a[:] = bytes((0xF8, 0, 0, 0, 0, 0))
    assert bench.cycle() and not bench.driver.config_ok and bench.bled == set()
    bench.balance(0, 13, 26)
    assert bench.bled == set()
    bench.cycle()
    bench.balance(0, 13, 26)
    assert bench.bled == {0, 13, 26}


def test_a_lost_unmute_is_made_good() -> None:
    """An UNMUTE that a chip missed leaves it muted for one cycle, and is no lost configuration."""
    bench = Bench(2, 18, 18)
    bench.cycle()
    bench.balance(5)
    bench.flip(UNMUTE, 9, of="command")
    bench.cycle()
    assert bench.chain.chips[0].bleeding == 0
    assert bench.cycle() and bench.driver.config_ok and bench.chain.chips[0].bleeding == 1 << 5


# The heap

LOCKED = """
import micropython
from array import array
from drivers.ltc681x import Ltc681x
from drivers.pec15 import pec15

class Bus:
    # machine.SPI with CHIPS monitors behind it, as far as the driver looks; it takes no memory either
    def __init__(self, chips):
        self.chips = chips
        self.code = self.spoil = self.dead = 0
        self.cleared = True
        self.a = bytearray(8 * chips)
        self.b = bytearray(8 * chips)
    def write(self, data):
        if self.dead:
            self.dead -= 1
            raise OSError
        self.code = data[0] << 8 | data[1]
        if len(data) > 4:
            kept = self.a if self.code == 1 else self.b
            for chip in range(self.chips):
                for i in range(8):
                    kept[8 * chip + i] = data[len(data) - 8 - 8 * chip + i]
        elif self.code == 0x711:
            self.cleared = True
        elif self.code == 0x360 or self.code == 0x328 or self.code == 0x368:
            self.cleared = False
    def readinto(self, data, fill):
        if self.code == 0x714:
            for i in range(len(data)):
                data[i] = 255
        elif self.code == 2 or self.code == 0x26:
            for i in range(len(data)):
                data[i] = (self.a if self.code == 2 else self.b)[i]
        else:
            for chip in range(self.chips):
                self.words(data, 8 * chip, chip)
        if self.spoil:
            self.spoil -= 1
            data[3] ^= 1
    def words(self, data, at, chip):
        for i in range(3):
            word = 65535 if self.cleared and self.code < 12 else 36000 + 10 * chip
            if self.code == 12:
                word = 18000
            data[at + 2 * i] = word & 255
            data[at + 2 * i + 1] = word >> 8
        pec = pec15(data, at, 6)
        data[at + 6] = pec >> 8
        data[at + 7] = pec & 255

class Quiet:
    def value(self, level): pass
    def sleep_us(self, us): pass

class Readings: pass

class Limits:
    CELLS = 96
    SENSORS = 2
    TRIP = (4200, 2500)

def tables(chips):
    per = 96 // chips
    return tuple((chip, pin) for chip in range(chips) for pin in range(1, per + 1))

def run(chips, inputs):
    bus = Bus(chips)
    quiet = Quiet()
    m = Readings()
    m.cell_mv = array("i", [0] * 96)
    m.temp_dc = array("i", [0] * 2)
    m.pack_mv = 0
    driver = Ltc681x(bus, quiet, chips, inputs, tables(chips), ((0, 1), (chips - 1, 5)),
                     ((200, 5000, 9800), (1200, 250, -400)), sum_of_cells=True, open_wire_cycles=1, clock=quiet)
    assert driver.start(Limits) == 0, driver.bad_chip
    mask = bytearray(16)
    other = bytearray(16)
    mask[0] = 3
    mask[11] = 128
    proven = 0
    micropython.heap_lock()
    try:
        for cycle in range(60):
            if cycle == 20:
                bus.spoil = 1      # asked again
            if cycle == 25:
                bus.spoil = 2      # lost, woken
            if cycle == 30:
                bus.a[1] ^= 1      # a configuration that changed
            if cycle == 35:
                bus.dead = 1
            if cycle == 40:
                bus.dead = 200
            if cycle == 45:
                bus.dead = 0
            proven += driver.read_into(m)
            driver.balance(mask if cycle & 4 else other)
    finally:
        micropython.heap_unlock()
    assert driver.open_wires == 0 and driver.config_losses > 2 and driver.chain.bus_errors > 50
    print(chips, inputs, proven, driver.comms_age, m.cell_mv[0], m.cell_mv[95], m.pack_mv, m.temp_dc[0])

run(8, 12)
run(6, 18)
"""


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("greedy", [False, True])
def test_a_cycle_of_96_cells_takes_no_memory(greedy: bool) -> None:
    """On 32-bit MicroPython, heap locked: good, asked again, lost, woken, rewritten, dead bus, balancing, checks."""
    script = LOCKED.replace("level): pass", "level): bytearray(4)") if greedy else LOCKED
    surroundings = {**os.environ, "MICROPYPATH": str(data_path("firmware", "src"))}
    command = [need("micropython32").program, "-c", script]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    if greedy:  # a test that could not fail would prove nothing
        assert "MemoryError" in done.stderr
        return
    pack_mv = [sum(3600 + chip for chip in range(chips) for _ in range(96 // chips)) for chips in (8, 6)]
    shown = [line.split() for line in done.stdout.splitlines()]
    assert len(shown) == 2, done.stdout + done.stderr
    for (chips, inputs, proven, age, first, last, pack, dc), (count, kind), total in zip(
            shown, ((8, 12), (6, 18)), pack_mv, strict=True):
        assert (int(chips), int(inputs), int(age), int(first)) == (count, kind, 0, 3600)
        assert 50 <= int(proven) < 60 and int(last) == 3600 + count - 1
        assert int(pack) == total and int(dc) == 250
