"""400 cycles of what the store does in a cycle, with the heap locked where there is a lock; prints what came of them.

The same script runs on CPython and on MicroPython; both must print the same.
"""

import binascii
from array import array

from drivers.backup_memory import WordBackup
from drivers.backup_registers import Registers
from generated import limits_lfp_8s_320ah as limits
from node.measure import NA, Measure
from store.memory import Memory
from store.service import save_config

try:
    from micropython import heap_lock, heap_unlock
except ImportError:  # CPython
    def heap_lock():
        pass

    heap_unlock = heap_lock

ROWS = len(limits.SIGN)


class Part:
    """The cycle's parts, and the bits of the limit table: from byte 12 on what trips, from 18 on what is latched."""

    def __init__(self):
        self.paths = self.precharge = self.tries = self.spent_j = self.wear_ppm = self.energy_wh = 0
        self.open_requested = False
        self.bits = bytearray(24)

    def remember(self, row):
        self.put(18, row, 1)

    def put(self, page, row, on):
        at = page + (row >> 3)
        self.bits[at] = self.bits[at] | 1 << (row & 7) if on else self.bits[at] & ~(1 << (row & 7))


class LockedMemory(Memory):
    """Saves to flash with the heap unlocked; all else of step() and finish() runs locked."""

    locked = False

    def save(self):
        if not self.locked:
            return Memory.save(self)
        heap_unlock()
        try:
            return Memory.save(self)
        finally:
            heap_lock()


class Chance:
    """The same numbers everywhere, below 2^16."""

    def __init__(self):
        self.value = 1

    def below(self, top):
        self.value = (self.value * 16385 + 12345) & 0x3FFF
        return (self.value >> 3) % top


def registers():
    """Eight words behind machine.mem32, which is a dictionary here; their addresses are large numbers."""
    return Registers({0x40002500 + 4 * k: 0 for k in range(8)}, 0x40002500, 8)


def cycle(memory, part, chance, values, known, m, n):
    if n % 7 == 0:
        row = chance.below(ROWS)
        part.put(12, row, 1)
        part.put(18, row, limits.LATCH[row])
    if n % 3 == 0:
        part.put(12 + 6 * (n & 1), chance.below(ROWS), 0)
    for row in range(ROWS):
        values[row] = chance.below(2000) - 1000
        known[row] = chance.below(3)
    part.wear_ppm += 1 if n % 50 == 0 else 0
    part.energy_wh += 1 if n % 40 == 0 else 0
    part.spent_j += 9
    part.tries = n // 20 % 3
    part.open_requested = n // 30 % 2 == 1
    part.paths = 3 if n > 100 else 0
    for i in range(limits.CELLS):
        m.cell_mv[i] = NA if chance.below(9) == 0 else 2500 + chance.below(1500)
    m.current_ma = NA if n % 11 == 0 else (n - 200) * 9999
    for i in range(limits.SENSORS):
        m.temp_dc[i] = NA if chance.below(9) == 0 else chance.below(800) - 300
    memory.config.correct(m)
    memory.step(values, known, NA if n < 50 else 30000000 + n)


def run(backup):
    memory = LockedMemory(limits, "", backup)
    memory.locked = False  # a new name takes room: not under the lock
    memory.start(1)
    config = memory.config
    config.number = 1
    config.current_gain_ppm = -19999
    config.current_offset_ma = 999
    for i in range(limits.CELLS):
        config.cell_gain_ppm[i] = 5000 - 1234 * i
        config.cell_offset_mv[i] = 2 * i - 7
    config.temp_offset_dc[1] = -20
    if not save_config(memory, config):
        raise OSError
    part = Part()
    memory.start(3)
    memory.attach(part)
    chance = Chance()
    values = array("i", [0] * ROWS)
    known = bytearray(ROWS)
    m = Measure(limits)
    for n in range(400):
        heap_lock()
        memory.locked = True
        try:
            cycle(memory, part, chance, values, known, m, n)
            saved = memory.finish(part, part, n % 200 != 150, part.paths == 0, 3)
        finally:
            memory.locked = False
            heap_unlock()
        faults = memory.faults
        print(n, saved, list(m.cell_mv), m.current_ma, list(m.temp_dc), binascii.hexlify(faults.held).decode(),
              binascii.hexlify(faults.small).decode(), memory.restarts, memory.bad)
    print(binascii.hexlify(memory.faults.pack() + bytes(memory.faults.trips.table)).decode())
    for row in range(ROWS):
        print(memory.faults.trips.next(row))


run(WordBackup(array("I", [0] * 8), 2))
run(WordBackup(registers()))
