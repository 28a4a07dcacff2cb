"""One writer a folder: an advisory lock on the file `lock`, which also remembers how the last writer ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Literal, NamedTuple

_NAME = "lock"


class JournalBusyError(Exception):
    """Another writer has this journal open; the text names it."""


class Ending(NamedTuple):
    """How the last writer of a folder ended, None where that cannot be read."""

    closed: bool
    boot_id: str | None


class FolderLock:
    """Held from construction to `release`, and by the kernel no longer than the process lives."""

    def __init__(self, folder: Path, boot_id: str) -> None:
        """JournalBusyError when another holds it, OSError when the folder cannot be written."""
        self._path = str(folder / _NAME)
        self._boot_id = boot_id
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 200, 0).decode(errors="replace").split()
            os.close(self._fd)
            by = f"process {holder[1]}" if len(holder) > 1 else "another process"
            raise JournalBusyError(f"journal {folder} is already being written by {by}: stop that one first") from None
        self.last = self._read()

    def _read(self) -> Ending:
        words = os.pread(self._fd, 200, 0).decode(errors="replace").split()
        return Ending(words[0] == "closed", words[2]) if len(words) == 3 else Ending(False, None)

    def mark(self, state: Literal["open", "closed"]) -> None:
        """Remembers for the next writer that this one has begun or has ended in good order."""
        # Only the wording of the next gap event hangs on this text: a full disk must not refuse the journal for it.
        with contextlib.suppress(OSError):
            line = f"{state} {os.getpid()} {self._boot_id}\n".encode()
            os.pwrite(self._fd, line, 0)
            os.ftruncate(self._fd, len(line))
            os.fsync(self._fd)

    def in_place(self) -> bool:
        """False when the folder was removed, moved away or mounted over."""
        try:
            named = os.stat(self._path)
        except OSError:
            return False
        held = os.fstat(self._fd)
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)

    def release(self) -> None:
        """Gives the folder free."""
        os.close(self._fd)
