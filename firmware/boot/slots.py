"""Which of the two versions starts. Never updated in the field; knows no pin.

Only a version that is whole and made for this board counts. A new one is on trial until the application keeps it; after
MOST_BOOTS starts without that the old one comes back by itself.
"""

import sys

from slot_record import KEPT, NONE, ON_TRIAL, WAITS, load, path, put_on_trial, save
from version import look

MOST_BOOTS = 2
GUARD_MS = 8000  # the application must feed the watchdog by then; the RP2040's longest is 8388
_MOST_FAILED = 15  # four bits of NodeInfo


def decide(record, found, armed):
    """The slot to start, or NONE when no whole version may. `found` has each slot's version, or None."""
    if record.trial != KEPT and not found[record.slot]:
        _roll_back(record, None)
    if record.trial == KEPT and (record.kept == NONE or not found[record.kept]):
        _adopt(record, found)
    if record.trial == WAITS and armed:
        record.old_limits = record.limits
        record.new_limits = record.slot_limits
        record.trial = ON_TRIAL
        record.boots = 0
    if record.trial == ON_TRIAL:
        alone = record.kept == NONE or not found[record.kept]
        if record.boots < MOST_BOOTS or alone:
            record.boots = min(MOST_BOOTS, record.boots + 1)
            return record.slot
        _roll_back(record, found[record.slot])
    return record.kept if record.kept != NONE and found[record.kept] else NONE


def _roll_back(record, failed):
    """Back to the version that is kept; `failed` is not tried more than twice. None: it is not there any more."""
    record.trial = KEPT
    record.boots = 0
    record.failed = min(_MOST_FAILED, record.failed + 1)
    if failed:
        record.again = min(255, record.again + 1) if failed.id == record.failed_id else 1
        record.failed_id = failed.id


def _adopt(record, found):
    """The kept version is damaged, or none was ever kept: another whole one is tried under the same rules."""
    for slot in (0, 1):
        if slot != record.kept and found[slot] and found[slot].id != record.failed_id:
            put_on_trial(record, slot, found[slot])
            return


class _Found:
    """The versions in the slots, looked at when they are asked for: hashing one takes a moment."""

    def __init__(self, board):
        self._board = board
        self._known = [False, False]
        self._versions = [None, None]

    def __getitem__(self, slot):
        if not self._known[slot]:
            self._known[slot] = True
            one = look(path(slot))
            self._versions[slot] = one if one and one.fits(self._board) else None
        return self._versions[slot]


def choose(safe):
    """The version to start, or None when the node is to be in service. Remembers what it decided before it returns.

    `safe.slot_state` tells the application: slot, 0 kept or 1 on trial or 2 another waits, versions rolled back.
    """
    record = load()
    if record.service:
        record.service = 0
        save(record)
        return None
    found = _Found(safe.BOARD)
    before = record.pack()
    slot = decide(record, found, safe.arming())
    if record.pack() != before:
        save(record)
    safe.slot_state = (slot, record.trial, record.failed)
    return None if slot == NONE else (slot, found[slot])


def _modules(slot, one):
    """To import from: where they lie on a board whose flash is memory, else read into memory as they are imported."""
    try:
        from disk import raw
    except ImportError:
        from folder import Folder

        return Folder(one)
    from vfs import VfsRom

    return VfsRom(raw.run(slot, one.size))


def prepare(safe):
    """Mounts the version whose turn it is, first on the import path. True when there is none: service."""
    chosen = choose(safe)
    if chosen is None:
        return True
    import machine
    import micropython
    import vfs

    micropython.kbd_intr(-1)  # no byte on the console ends a node that guards a pack
    if hasattr(machine, "WDT"):
        machine.WDT(timeout=GUARD_MS)
    slot, one = chosen
    place = "/" + "ab"[slot]
    vfs.mount(_modules(slot, one), place)
    sys.path.insert(0, place)
    for name in ("slots", "slot_record", "version", "folder"):
        sys.modules.pop(name, None)  # what only starting needs; the version brings its own of what it uses
    return False
