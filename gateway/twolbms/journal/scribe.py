"""The work of the writing thread, one round after another: open, write, report losses, sync, unlink the oldest.

Knows nothing of threads but that others put records in; whatever a disk refuses ends as `error` and a later retry.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from twolbms.journal.boots import append_boot, read_boots
from twolbms.journal.family_log import FamilyLog
from twolbms.journal.gaps import dropped_event, gap_event, lost_event
from twolbms.journal.lock import Ending, FolderLock, JournalBusyError
from twolbms.journal.records import Record, Wall
from twolbms.journal.segment_writer import Newest

_LOSSES_EVERY_S = 1.0
_FULL = {errno.ENOSPC, errno.EDQUOT}
_EXPENDABLE = ("frame", "reading")  # raw records, the larger family first; values and events wait in memory instead
_CROWDED = "records came faster than the storage took them"


class Pace(NamedTuple):
    """How often the writing thread does what; seconds of real time, and `large` in records."""

    write_s: float = 0.2  # a record is acknowledged at most this long after it came
    sync_s: float = 0.8  # with the round it waits for: synced at most 1 s after it was written
    retry_s: float = 0.5  # after a failure, doubled with each further one
    retry_most_s: float = 10.0
    large: int = 2048  # this many waiting records of a family are written at once


class Scribe:
    """Owns the folder. `begin` once, `round` again and again, `end` once, all from one thread at a time."""

    def __init__(self, folder: Path, boot_id: str, logs: Mapping[str, FamilyLog], now_ns: Callable[[], int],
                 on_acknowledged: Callable[[Sequence[Record]], None] | None, pace: Pace) -> None:
        self._folder = folder
        self._boot_id = boot_id
        self._logs = logs
        self._now_ns = now_ns
        self._on_acknowledged = on_acknowledged
        self._pace = pace
        self._lock: FolderLock | None = None
        self._opened_before = False
        self._walls: dict[str, Wall] = {}
        self._given_wall: Wall | None = None
        self._backoff_s = 0.0
        self._retry_at_s = 0.0
        self._losses_told_s = -_LOSSES_EVERY_S
        self._loss_reason: str | None = None
        self._removed: str | None = None  # what was found gone in this round; people see it until the next
        self._listener_error: str | None = None
        self._disk_error: str | None = None
        self._synced_at_s = time.monotonic()
        self.bytes_on_disk = 0
        self.dropped = 0  # records that made room on a full disk before their time

    @property
    def error(self) -> str | None:
        """What is wrong now, in words for people; None when nothing is."""
        return self._disk_error or self._listener_error

    @property
    def wall(self) -> Wall | None:
        """The wall time of this boot, once it is fixed."""
        return self._walls.get(self._boot_id) or self._given_wall

    @property
    def retry_in_s(self) -> float:
        """How long to let a failing disk rest."""
        return self._retry_at_s - time.monotonic()

    @property
    def sync_age_s(self) -> float:
        """How long ago everything written was synced."""
        return time.monotonic() - self._synced_at_s

    def fix_wall(self, wall: Wall) -> None:
        """Takes the wall time to be written in the next round, unless this boot has one."""
        if self.wall is None:
            self._given_wall = wall

    def begin(self) -> None:
        """Opens the folder; JournalBusyError when another writes it. A disk that fails is left to the rounds."""
        try:
            self._open()
        except OSError as error:
            self._settle(_words(error))

    def round(self, at_once: bool = False) -> bool:
        """Writes what waits; True when all of it is on disk and synced. `at_once` does not wait for the sync period."""
        self._removed = None
        error = self._attempt(self._make_ready)
        if error is None:
            error = self._attempt(self._write_wall)
            for log in self._logs.values():
                error = self._attempt(partial(self._write_with_room, log)) or error
            error = error or self._attempt(partial(self._tell_losses, at_once))
            error = self._sync_when_due(at_once) or error
            error = self._attempt(self._retain) or error
        self._settle(error or self._removed)
        return error is None and not any(log.unsynced for log in self._logs.values())

    def _attempt(self, action: Callable[[], None]) -> str | None:
        try:
            action()
        except (OSError, JournalBusyError) as error:
            return _words(error)
        except Exception as error:  # a mistake in here must cost an alarm, not the thread and all later records
            return f"unexpected {type(error).__name__}: {error}"
        return None

    def _settle(self, error: str | None) -> None:
        self._disk_error = error
        if error is None:
            self._backoff_s = 0.0
            self._retry_at_s = 0.0
            return
        self._loss_reason = error
        self._backoff_s = min(max(2 * self._backoff_s, self._pace.retry_s), self._pace.retry_most_s)
        self._retry_at_s = time.monotonic() + self._backoff_s

    def _make_ready(self) -> None:
        if self._lock is not None and not self._lock.in_place():
            for log in self._logs.values():
                log.leave()
            self._lock.release()
            self._lock = None
            self._removed = self._loss_reason = f"journal folder or its lock was removed or replaced: {self._folder}"
        if self._lock is None:
            self._open()

    def _open(self) -> None:
        # A folder that vanished may be a disk pulled out: its mount point is not ours to rebuild.
        self._folder.mkdir(parents=not self._opened_before, exist_ok=True)
        lock = FolderLock(self._folder, self._boot_id)
        try:
            self._read_walls()
            newest = [found for log in self._logs.values() if (found := log.adopt())]
        except BaseException:
            lock.release()
            raise
        lock.mark("open")
        self._lock = lock
        if not self._opened_before:
            self._tell_gap(newest, lock.last)
        self._opened_before = True

    def _read_walls(self) -> None:
        known = self.wall
        self._walls = read_boots(self._folder).walls
        if known is not None:  # of a folder that has been removed meanwhile
            self._given_wall = known

    def _write_wall(self) -> None:
        given = self._given_wall
        if given is not None and self._boot_id not in self._walls:
            append_boot(self._folder, self._boot_id, given)
            self._walls = self._walls | {self._boot_id: given}

    def _tell_gap(self, newest: list[Newest], ending: Ending) -> None:
        event = gap_event(newest, self._boot_id, ending, self._now_ns())
        if event is not None:
            self._logs["event"].intake.put_anyway(event)

    def _write_with_room(self, log: FamilyLog) -> None:
        """As `_write_out`; on a full disk the oldest raw records make room, one segment at a time."""
        try:
            self._write_out(log)
        except OSError as error:
            if error.errno not in _FULL or not self._make_room(_words(error)):
                raise
            self._write_out(log)

    def _make_room(self, reason: str) -> bool:
        for family in _EXPENDABLE:
            records = self._logs[family].segments.drop_oldest()
            if records is not None:
                self.dropped += records
                self._logs["event"].intake.put_anyway(dropped_event(family, records, reason, self._now_ns()))
                return True
        return False

    def _write_out(self, log: FamilyLog) -> None:
        """Writes what waits now; what comes meanwhile is for the next round, or no round would ever end."""
        due = log.waiting
        while due > 0 and (records := log.write_next()):
            due -= len(records)
            self._acknowledge(records)

    def _acknowledge(self, records: Sequence[Record]) -> None:
        if self._on_acknowledged is None:
            return
        try:
            self._on_acknowledged(records)
            self._listener_error = None
        except Exception as error:  # the records are written: whoever listens must not make them wait
            self._listener_error = f"listener to acknowledgements: {type(error).__name__}: {error}"

    def _tell_losses(self, at_once: bool) -> None:
        due = time.monotonic() - self._losses_told_s >= _LOSSES_EVERY_S
        if not (due or at_once):
            return
        losses = {family: loss for family, log in self._logs.items() if (loss := log.intake.take_loss())}
        if losses:
            event = lost_event(losses, self._loss_reason or _CROWDED, self._now_ns())
            self._logs["event"].intake.put_anyway(event)
            self._write_out(self._logs["event"])
            self._losses_told_s = time.monotonic()
        self._loss_reason = None

    def _sync_when_due(self, at_once: bool) -> str | None:
        error = None
        logs = [log for log in self._logs.values() if log.unsynced]
        for log in self._logs.values():
            error = self._attempt(log.check) or error
        if at_once or time.monotonic() - self._synced_at_s >= self._pace.sync_s:
            for log in logs:
                error = self._attempt(log.sync) or error
        if not any(log.unsynced for log in logs):
            self._synced_at_s = time.monotonic()
        return error

    def _retain(self) -> None:
        wall = self.wall
        now_wall_ns = None if wall is None else self._now_ns() + wall.offset_ns
        for log in self._logs.values():
            log.segments.retain(now_wall_ns, self._walls)
        self.bytes_on_disk = sum(log.segments.bytes_on_disk for log in self._logs.values())

    def end(self, in_good_order: bool) -> None:
        """Lets go of the folder."""
        mine = self._lock is not None and self._lock.in_place()
        for log in self._logs.values():
            if mine:
                log.segments.give_back()
            log.segments.close()
        if self._lock is not None:
            if in_good_order:
                self._lock.mark("closed")
            self._lock.release()
            self._lock = None


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)
