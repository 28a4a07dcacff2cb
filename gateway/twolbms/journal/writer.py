"""The journal as its callers see it: records go in from any thread and never block; a thread of its own writes them.

Acknowledged means that write() has returned: the record survives `kill -9`. At most a second later it is synced and
survives a power cut. A disk that fails is an alarm in `status`, never an exception in the caller.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from twolbms.journal.family_log import FamilyLog
from twolbms.journal.frames import LARGEST_FRAME
from twolbms.journal.intake import Intake
from twolbms.journal.records import FAMILIES, Event, Frame, FrameRow, Reading, Record, Sample, Series, Wall
from twolbms.journal.retention import Retention
from twolbms.journal.scribe import Pace, Scribe
from twolbms.journal.segment_writer import AHEAD_BYTES, SEGMENT_BYTES, SegmentWriter

_LARGEST_RECORD = 1 << 16
_CLOSE_WITHIN_S = 10.0

_new = tuple.__new__  # half the time of calling the record's class, which checks the number of fields


class Room(NamedTuple):
    """How many records of each family may wait for a slow disk; a full bus fills `frame` in a minute, about 20 MB."""

    sample: int = 100_000
    event: int = 10_000
    frame: int = 100_000
    reading: int = 10_000


class JournalStatus(NamedTuple):
    """Counts of records since this writer began, and the state of the disk.

    `refused` are records that the format cannot hold (a value that is not a number); they are not among the lost, and
    neither are the `dropped`: raw records of before that made room on a full disk.
    `last_sync_age_s`: how long ago everything written was synced, in real seconds.
    """

    acknowledged: int
    synced: int
    lost: int
    pending: int
    bytes_on_disk: int
    last_sync_age_s: float
    error: str | None
    refused: int
    dropped: int = 0


_RETENTION, _PACE, _ROOM = Retention(), Pace(), Room()


class JournalWriter:
    """The one writer of a journal folder; JournalBusyError when there is another."""

    def __init__(self, folder: Path, boot_id: str, *, retention: Retention = _RETENTION, now_ns: Callable[[], int],
                 on_acknowledged: Callable[[Sequence[Record]], None] | None = None, pace: Pace = _PACE,
                 room: Room = _ROOM, segment_bytes: int = SEGMENT_BYTES,
                 ahead_bytes: int = AHEAD_BYTES) -> None:
        """`now_ns` is the boot's monotonic clock; `on_acknowledged` is called on the writing thread."""
        if not re.fullmatch("[0-9a-f]{32}", boot_id):
            raise ValueError(f"boot id {boot_id!r}: expected 32 hex digits")
        self._wake = threading.Event()
        self._pressed = threading.Event()
        self._logs = {family: FamilyLog(
            family, boot_id, Intake(getattr(room, family), pace.large, self._wake.set),
            SegmentWriter(folder, family, boot_id, retention.of(family), segment_bytes, ahead_bytes))
            for family in FAMILIES}
        self._put_sample = self._logs["sample"].intake.put
        self._put_frame = self._logs["frame"].intake.put
        self._scribe = Scribe(folder, boot_id, self._logs, now_ns, on_acknowledged, pace)
        self._pace = pace
        self._stopping = False
        self._answer = threading.Condition()
        self._asked = 0
        self._answered = 0
        self._scribe.begin()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def sample(self, series: Series, time_ns: int, value: float) -> None:
        """Records one value; what is not a finite number is refused, for unknown is the absence of a sample."""
        try:
            if isfinite(value):
                self._put_sample(_new(Sample, (time_ns, series, value)))
                return
        except (TypeError, OverflowError):
            pass
        self._refuse("sample")

    def samples(self, records: Sequence[Sample]) -> None:
        """Records a batch of values with one call; the caller knows that each is a finite number."""
        if records:
            self._logs["sample"].intake.put_all(records)

    def event(self, time_ns: int, kind: str, pack: str, data: dict[str, Any]) -> None:
        """Records an event; refused when `data` is not what JSON can hold, or more than 64 KiB of it."""
        try:
            text = json.dumps(data, allow_nan=False)
            copy = json.loads(text)  # the caller's may change, and keys come back as JSON makes them
        except (TypeError, ValueError, RecursionError):
            self._refuse("event")
            return
        if len(text) > _LARGEST_RECORD:
            self._refuse("event")
        else:
            self._logs["event"].intake.put(Event(time_ns, kind, pack, copy))

    def frame(self, time_ns: int, bus: str, can_id: int, extended: bool, data: bytes) -> None:
        """Records a CAN frame of at most 64 bytes."""
        if len(data) > LARGEST_FRAME:
            self._refuse("frame")
        else:
            self._put_frame(_new(Frame, (time_ns, bus, can_id, extended, bytes(data))))

    def frames(self, records: Sequence[FrameRow]) -> None:
        """Records a batch of CAN frames with one call; those that the format cannot hold are refused when written.

        What stands in them is not copied: bytes, not a bytearray that the caller goes on using.
        """
        if records:
            self._logs["frame"].intake.put_all(records)

    def reading(self, time_ns: int, source: str, data: bytes) -> None:
        """Records what a device answered, at most 64 KiB."""
        if len(data) > _LARGEST_RECORD:
            self._refuse("reading")
        else:
            self._logs["reading"].intake.put(Reading(time_ns, source, bytes(data)))

    def _refuse(self, family: str) -> None:
        self._logs[family].intake.refuse()

    @property
    def wall(self) -> Wall | None:
        """The wall time of this boot: fixed by `fix_wall`, or earlier in this boot by a writer before this one."""
        return self._scribe.wall

    def fix_wall(self, offset_ns: int, quality: str) -> None:
        """Fixes the boot's wall time (wall = monotonic + offset) once and for all; later calls change nothing."""
        if not re.fullmatch(r"[a-z]+", quality):
            raise ValueError(f"clock quality {quality!r}: expected one lower-case word")
        self._scribe.fix_wall(Wall(offset_ns, quality))

    def status(self) -> JournalStatus:
        """The counts and the disk's state as of now; callable from any thread."""
        logs = self._logs.values()
        return JournalStatus(
            acknowledged=sum(log.written for log in logs), synced=sum(log.synced for log in logs),
            lost=sum(log.intake.lost for log in logs), pending=sum(log.waiting for log in logs),
            bytes_on_disk=self._scribe.bytes_on_disk, last_sync_age_s=self._scribe.sync_age_s,
            error=self._scribe.error, refused=sum(log.intake.refused for log in logs), dropped=self._scribe.dropped)

    def flush(self, timeout_s: float) -> bool:
        """Waits until everything recorded before is written and synced; False when that took longer."""
        with self._answer:
            self._asked += 1
            mine = self._asked
            self._press()
            return self._answer.wait_for(lambda: self._answered >= mine, timeout_s)

    def _press(self) -> None:
        self._pressed.set()
        self._wake.set()

    def close(self) -> None:
        """Writes what waits, once, and lets go of the folder; what is recorded from now on counts as lost."""
        for log in self._logs.values():
            log.intake.shut()
        self._stopping = True
        self._press()
        # A disk that hangs must not keep the gateway from ending: the thread is a daemon and dies with it.
        self._thread.join(_CLOSE_WITHIN_S)

    def _run(self) -> None:
        stopping = clean = False
        while not stopping:
            self._rest()
            stopping, asked = self._stopping, self._asked
            clean = self._scribe.round(at_once=stopping or asked > self._answered)
            if clean:
                self._tell(asked)
        self._scribe.end(in_good_order=clean)

    def _rest(self) -> None:
        """Waits for the next round: while a disk fails only a flush or the end cuts the wait short, never a crowd."""
        retry_in_s = self._scribe.retry_in_s
        if retry_in_s > 0:
            self._pressed.wait(retry_in_s)
        else:
            self._wake.wait(self._pace.write_s)
        self._wake.clear()
        self._pressed.clear()

    def _tell(self, asked: int) -> None:
        with self._answer:
            self._answered = asked
            self._answer.notify_all()
