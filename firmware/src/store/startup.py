"""What a node does with its memory at a boot: reads it back, judges it, and begins a new life.

Only a boot needs this: Memory.start() lets go of it afterwards.
"""

import struct

from node.measure import NA

from store.check import crc16
from store.config_form import load
from store.faults import FORMAT, HEAD, HELD_BYTES, MAGIC, MOST_ROWS, SMALL
from store.life import CAUSES, MOST_RESTARTS
from store.trips import NUMBERS

POWER_ON = 1  # a brown-out is one too
DEEP_SLEEP = 5
_LOOP = 4  # restarts from which a boot alone is not saved any more: a node in a loop would wear out its flash
_HEAD_BYTES = 40


def start(memory, cause):
    """See Memory.start()."""
    recall(memory)
    faults = memory.faults
    begin(faults.life, cause)
    faults.change()
    memory.restarts = faults.life.restarts
    memory.wear_ppm = faults.wear_ppm
    memory.boot_id = faults.life.boot & 0xFF
    memory.back_up()
    if faults.life.restarts <= _LOOP:
        memory.save()
    else:
        faults.tried(True)  # as good as saved: only the number of this boot would be lost


def recall(memory):
    """Takes back what flash and backup memory hold, and raises a doubt where they cannot be believed."""
    memory.config = load(memory.limits, memory.config_record)
    faults = memory.faults
    data = memory.fault_record.read()
    whole = data is not None and restore(faults, data)
    if not _restore_backup(memory) and memory.fault_record.bad:
        whole = False  # the damaged copy may have been the newer one
    if not whole:
        faults.life.doubt = True


def _restore_backup(memory):
    """True when the backup memory held what was known last. A torn write leaves a doubt."""
    backup = memory.backup
    if backup is None:
        return False
    small = bytearray(len(memory.faults.small))
    taken = backup.read(small) and restore_small(memory.faults, small, backup.may_lag)
    if backup.torn:
        memory.faults.life.doubt = True
    return taken


def restore(faults, data):
    """Takes what was stored; False, and nothing taken, when it is none. Held rows that we lack raise a doubt."""
    if len(data) < _HEAD_BYTES:
        return False
    head = struct.unpack(HEAD, data[:_HEAD_BYTES])
    if head[0] != MAGIC or head[1] != FORMAT or len(data) != _HEAD_BYTES + 4 * NUMBERS * head[2]:
        return False
    table = faults.trips.table
    for n in range(NUMBERS * min(head[2], faults.rows)):
        table[n] = struct.unpack_from("<i", data, _HEAD_BYTES + 4 * n)[0]
    life = faults.life
    life.restarts, faults.tries, life.boot, faults.wear_ppm, faults.heater_wh, faults.heater_j = head[5:11]
    for n in range(CAUSES):
        life.causes[n] = head[11 + n]
    _take(faults, head[3], head[4])
    return True


def restore_small(faults, small, only_adds=False):
    """Takes the backup's bytes; False, and nothing taken, when they are none or older than what was restored.

    With `only_adds` they bring back held rows but release none: for a backup that may have missed a change. A row that
    was not known as held is noted now, its value and time being lost.
    """
    if small[0] & 0xF0 != SMALL or crc16(small, 10) != small[10] | small[11] << 8:
        return False
    boot = small[7] | small[8] << 8
    if boot - faults.life.boot & 0xFFFF >= 0x8000:
        return False
    faults.life.boot = boot
    faults.life.restarts = small[9] >> 4
    faults.tries = small[9] & 15
    held = bytearray(small[1 : 1 + HELD_BYTES])
    for row in range(faults.rows):
        if held[row >> 3] >> (row & 7) & 1 and not faults.is_held(row):
            faults.note(row, NA, NA)
    for i in range(HELD_BYTES):
        held[i] |= faults.held[i] if only_adds else 0
    _take(faults, held, small[0])
    return True


def _take(faults, held, flags):
    faults.held[:] = held
    life = faults.life
    faults.open_requested = flags & 1 != 0
    life.strained = flags & 2 != 0
    life.doubt = flags & 4 != 0
    life.proved = flags & 8 != 0
    for row in range(faults.rows, MOST_ROWS):
        if faults.is_held(row):
            life.doubt = True


def begin(life, cause):
    """A new life, by reset cause. Waking from sleep is no restart. A power-on is one only where it cut short a life
    with outputs closed: the coil may have pulled its own supply down."""
    if not 0 <= cause < CAUSES:
        cause = 0
    if life.proved:
        life.restarts = 0
    elif life.boot and cause != DEEP_SLEEP and (cause != POWER_ON or life.strained):
        life.restarts = min(MOST_RESTARTS, life.restarts + 1)
    life.boot = life.boot + 1 & 0xFFFF
    life.causes[cause] = min(65535, life.causes[cause] + 1)
    life.strained = life.proved = False
    life.healthy_cycles = 0
