"""The journal folder of an import: one of its own, checked before anything is read, in which no record may be lost."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import Any

from twolbms.journal import Event, JournalBusyError, JournalReader, JournalWriter, Keep, Pace, Retention, Room

_ROOM = Room(sample=1_000_000, frame=1_000_000)
_PACE = Pace(large=200_000)  # the writing thread is woken by the clock, not by every record of a crowd
_SETTLE_FROM = 250_000  # waiting records; below it reading and writing go on side by side
_SETTLE_SLICE_S = 3.0  # a disk that still refuses after so long has failed
_SETTLE_SLICES = 20
_KEEP_ALL = Keep(1 << 62)


class JournalRefused(Exception):
    """The folder cannot take this import; the text says why and what to do."""


class JournalFailed(Exception):
    """Records of the import did not reach the disk; the text says why."""


def default_folder(log: Path) -> Path:
    """`import-<log name>-journal` in the working directory."""
    name = log.name.removesuffix(".gz")
    return Path(f"import-{Path(name).stem}-journal")


def check_free(folder: Path) -> None:
    """Raises JournalRefused unless the folder is new or empty."""
    other = "choose another folder with --journal"
    try:
        if folder.is_dir() and any(folder.iterdir()):
            if _is_locked(folder / "lock"):
                raise JournalRefused(f"{folder} is the journal of a running gateway: {other}")
            holds = "already holds records" if any(folder.glob("*/*.seg")) else "is not empty"
            raise JournalRefused(f"{folder} {holds}: {other}, or remove it")
        if folder.exists() and not folder.is_dir():
            raise JournalRefused(f"{folder} is a file: {other}")
    except OSError as error:
        raise JournalRefused(f"{folder} cannot be used ({error.strerror}): {other}") from error


def finished_import(folder: Path, boot_id: str) -> dict[str, Any] | None:
    """The counts of the import that `folder` holds whole, when it is of the log with this content; else None."""
    if not (folder / "event").is_dir():
        return None
    for block in JournalReader(folder).blocks("event"):
        for record in block.records:
            if block.boot_id == boot_id and isinstance(record, Event) and record.kind == "import":
                return record.data
    return None


class ImportJournal:
    """Writes one import. `sample`, `samples` and `frames` are the journal's own; `settle` is called between batches."""

    def __init__(self, folder: Path, boot_id: str, wall_offset_ns: int) -> None:
        """Raises JournalRefused when the folder cannot be written."""
        self._folder = folder
        self._was_there = folder.exists()
        self._last_ns = 0
        retention = Retention(sample=_KEEP_ALL, event=_KEEP_ALL, frame=_KEEP_ALL)
        try:
            self._writer = JournalWriter(
                folder, boot_id, retention=retention, now_ns=lambda: self._last_ns, pace=_PACE, room=_ROOM
            )
        except JournalBusyError as error:
            raise JournalRefused(str(error)) from error
        if problem := self._writer.status().error:
            self._writer.close()
            raise JournalRefused(f"{folder} cannot be written: {problem}")
        self._writer.fix_wall(wall_offset_ns, "log")
        self.sample = self._writer.sample
        self.samples = self._writer.samples
        self.frames = self._writer.frames

    def settle(self) -> None:
        """Let the disk catch up. Raises JournalFailed when it does not."""
        if self._writer.status().pending > _SETTLE_FROM:
            self._wait()

    def finish(self, time_ns: int, pack: str, data: dict[str, Any]) -> None:
        """Record that the import ended, and wait until all of it is on the disk. Raises JournalFailed."""
        self._last_ns = time_ns
        self._writer.event(time_ns, "import", pack, data)
        self._wait()
        self._writer.close()

    def discard(self) -> None:
        """Remove the journal again, which this import made: nothing was in it. A folder that was there stays."""
        self._writer.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._was_there:
            self._folder.mkdir(exist_ok=True)

    def close(self) -> None:
        """Let go of an import that did not end; what it wrote stays and counts as unfinished."""
        self._writer.close()

    def _wait(self) -> None:
        written = False
        for _ in range(_SETTLE_SLICES):
            written = self._writer.flush(_SETTLE_SLICE_S)
            if written or self._writer.status().error:
                break
        status = self._writer.status()
        if not written or status.lost or status.refused:
            self._writer.close()
            refused = "the journal cannot hold them" if status.refused else "the storage is too slow"
            reason = status.error or refused
            missing = status.lost + status.refused + status.pending
            raise JournalFailed(
                f"{missing} records did not reach {self._folder} ({reason}): remove the folder and import again"
            )


def _is_locked(path: Path) -> bool:
    """Whether a journal writer holds its lock file now."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


