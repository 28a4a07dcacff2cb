"""The `boots` file: one line for each boot whose wall time is known, written once and never changed.

A line is: CRC32 of the rest in 8 hex digits, boot id, offset in nanoseconds, quality. The first line of a boot holds.
"""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path
from typing import NamedTuple

from twolbms.journal.records import Wall
from twolbms.journal.segments import sync_folder

_NAME = "boots"


class Boots(NamedTuple):
    """The wall time of each boot, and how many lines could not be read."""

    walls: dict[str, Wall]
    bad_lines: int


def _line(boot_id: str, wall: Wall) -> bytes:
    body = f"{boot_id} {wall.offset_ns} {wall.quality}".encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parse(line: bytes) -> tuple[str, Wall] | None:
    crc, _, body = line.partition(b" ")
    if crc != b"%08x" % zlib.crc32(body):
        return None
    try:
        boot_id, offset_ns, quality = body.decode().split(" ")
        return boot_id, Wall(int(offset_ns), quality)
    except ValueError:
        return None


def read_boots(folder: Path) -> Boots:
    """Every boot of a journal folder; no file is no boots. OSError when it cannot be read."""
    try:
        raw = (folder / _NAME).read_bytes()
    except FileNotFoundError:
        return Boots({}, 0)
    walls: dict[str, Wall] = {}
    bad_lines = 0
    for line in filter(None, raw.split(b"\n")):
        parsed = _parse(line)
        if parsed is None:
            bad_lines += 1
        else:
            walls.setdefault(*parsed)
    return Boots(walls, bad_lines)


def good_lines(raw: bytes) -> tuple[list[bytes], int]:
    """The lines of a boots file that can be read, the first of each boot, and how many cannot."""
    found: dict[str, bytes] = {}
    bad_lines = 0
    for line in filter(None, raw.split(b"\n")):
        parsed = _parse(line)
        if parsed is None:
            bad_lines += 1
        else:
            found.setdefault(parsed[0], line + b"\n")
    return [*found.values()], bad_lines


class BootsFile:
    """The boots of a folder, read again when a boot is asked for that was not there yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # One value, so that threads which read at once never leave the walls of one state with the mark of another.
        self._known: tuple[tuple[int, int] | None, dict[str, Wall]] = None, {}

    def walls_with(self, boot_id: str) -> dict[str, Wall]:
        """All known boots; looks at the file when this one is not among them."""
        seen, walls = self._known
        return walls if boot_id in walls else self._refreshed(seen, walls)

    def _refreshed(self, seen: tuple[int, int] | None, walls: dict[str, Wall]) -> dict[str, Wall]:
        try:
            file = os.stat(self._folder / _NAME)
        except FileNotFoundError:
            return walls
        if not stat.S_ISREG(file.st_mode):  # `verify` says so; without it no boot has a wall time
            return walls
        if seen == (file.st_mtime_ns, file.st_size):
            return walls
        walls = read_boots(self._folder).walls
        # Only now: whoever asks meanwhile in another thread, or after a read that failed, must look for himself.
        self._known = (file.st_mtime_ns, file.st_size), walls
        return walls


def append_boot(folder: Path, boot_id: str, wall: Wall) -> None:
    """Adds a boot and returns once it survives a power cut; OSError when it could not be, and then adds nothing."""
    fd = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        line = (b"\n" if torn else b"") + _line(boot_id, wall)
        try:
            if os.pwrite(fd, line, size) != len(line):
                raise OSError("boots: only part of the line was written")
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)
    sync_folder(folder)
