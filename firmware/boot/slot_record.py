"""The record of the two slots, and what the application may do with it. Its form never changes in the field.

A version lies in slot_a.2lb or slot_b.2lb (in raw_slots on a board that runs it from there). The record lies in two
files that are written in turn, each with a check: a power cut leaves the older one. Functions that write are for
outside the cycle: flash takes its time.
"""

import hashlib
import os
import struct
import sys

try:
    from disk import FOLDER  # a board whose record lies on a file system of its own mounts it there
except ImportError:
    FOLDER = ""
try:
    from disk import SLOTS  # the same for its versions
except ImportError:
    SLOTS = ""

A, B, NONE = 0, 1, 2
KEPT, ON_TRIAL, WAITS = 0, 1, 2  # as NodeInfo tells it: FirmwareTrial
TRIED, WAITING, NOT_WHOLE, IN_USE, FAILED_TWICE = 0, 1, 2, 3, 4  # what offer() answers
REFUSE_AFTER = 2  # a version that was rolled back so often is not tried again

_RECORD = "<4sI7B4s4s4s4s4s"
_MAGIC = b"2LS1"
_LENGTH = 35


class Record:
    """What is remembered. Hashes of limits and ids of versions are their four bytes."""

    def __init__(self):
        self.count = 0  # of writes; the newer of the two files has the larger
        self.kept = NONE
        self.slot = NONE  # the one on trial, or waiting
        self.trial = KEPT
        self.boots = 0
        self.failed = 0  # versions rolled back since one was kept
        self.again = 0  # how often the version `failed_id` was
        self.service = 0  # 1: the next start ends in the service state
        self.limits = bytes(4)  # of the version that was kept last: those in force
        self.slot_limits = bytes(4)  # of the version in `slot`
        self.old_limits = bytes(4)  # the last change of limits: from these
        self.new_limits = bytes(4)  # to those
        self.failed_id = bytes(4)

    def pack(self):
        return struct.pack(_RECORD, _MAGIC, self.count, self.kept, self.slot, self.trial, self.boots, self.failed,
                           self.again, self.service, self.limits, self.slot_limits, self.old_limits, self.new_limits,
                           self.failed_id)

    def unpack(self, data):
        """True when `data` is a record."""
        if len(data) != _LENGTH + 4 or data[_LENGTH:] != hashlib.sha256(data[:_LENGTH]).digest()[:4]:
            return False
        (magic, self.count, self.kept, self.slot, self.trial, self.boots, self.failed, self.again, self.service,
         self.limits, self.slot_limits, self.old_limits, self.new_limits, self.failed_id) = struct.unpack(
             _RECORD, data[:_LENGTH])
        return magic == _MAGIC


def load():
    """The newer of the two records that are sound; a fresh one when neither is."""
    best = Record()
    for i in (0, 1):
        one = Record()
        try:
            with open(f"{FOLDER}record_{i}", "rb") as file:
                if one.unpack(file.read()) and one.count >= best.count:
                    best = one
        except OSError:
            pass
    return best


def save(record):
    """Writes over the older of the two."""
    record.count += 1
    data = record.pack()
    with open(f"{FOLDER}record_{record.count & 1}", "wb") as file:
        file.write(data + hashlib.sha256(data).digest()[:4])


def path(slot):
    return (SLOTS or FOLDER) + ("slot_a.2lb", "slot_b.2lb")[slot]


def put_on_trial(record, slot, new):
    """The version `new` in `slot` is next: at once when it has the limits in force, else when a person arms it."""
    record.slot = slot
    record.boots = 0
    record.slot_limits = new.limits
    record.trial = ON_TRIAL if new.limits == record.limits else WAITS


def offer(record, slot, new):
    """A version was put into `slot`: TRIED or WAITING (for the arming input) from the next start, or why not."""
    if not new:
        return NOT_WHOLE
    if slot == record.kept:
        return IN_USE
    if record.again >= REFUSE_AFTER and new.id == record.failed_id:
        return FAILED_TWICE
    put_on_trial(record, slot, new)
    return WAITING if record.trial == WAITS else TRIED


def running():
    """The slot this code was started from, NONE in the service state."""
    return {"/a": A, "/b": B}.get(sys.path[0] if sys.path else "", NONE)


def keep():
    """The application has passed its self-test and a healthy minute: the version that runs is kept."""
    record = load()
    if record.trial == ON_TRIAL and record.slot == running():
        record.kept = record.slot
        record.trial = KEPT
        record.boots = record.failed = 0
        record.limits = record.slot_limits
        save(record)


def other(record):
    """The slot a new version may be written to; NONE while the version that runs is on trial."""
    if record.trial == ON_TRIAL and running() != NONE:
        return NONE
    return A if record.kept == NONE else 1 - record.kept


def make_room():
    """Path of the file to write a new version to; what was there is gone. None while one is on trial."""
    record = load()
    slot = other(record)
    if slot == NONE:
        return None
    if record.trial != KEPT:  # what waited, or was tried until service was asked for, is withdrawn
        record.trial = KEPT
        save(record)
    try:  # noqa: SIM105 - there is no contextlib on the node
        os.remove(path(slot))
    except OSError:
        pass
    return path(slot)


def start_other(board):
    """The version in the other slot is to start with the next reset; what offer() answers."""
    from version import look

    record = load()
    slot = other(record)
    if slot == NONE:
        return IN_USE
    new = look(path(slot))
    answer = offer(record, slot, new if new and new.fits(board) else None)
    if answer in (TRIED, WAITING):
        save(record)
    return answer


def ask_service():
    """The next start ends in the service state, once. The caller resets the node, with outputs open."""
    record = load()
    record.service = 1
    save(record)
