"""Writes the segments of one family: appends blocks, rolls to the next file, unlinks the oldest.

Raises OSError for whatever the disk refuses, and then has left no part of the refused block behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from twolbms.journal.block import Header, pack_summary
from twolbms.journal.records import GUESSED, Wall
from twolbms.journal.retention import Keep
from twolbms.journal.segments import (
    Span,
    first_header,
    read_contents,
    segment_numbers,
    segment_path,
    span_in,
    span_of_block,
    sync_folder,
)

SEGMENT_BYTES = 8 << 20
# Room is taken from the disk ahead of the blocks: as long as they stay within it, a sync writes their pages and not the
# file system's journal as well. While little is written, the room is filled with zeros, which costs the card every
# byte twice and still less than the journal; once much is written, it is only reserved (tests/bench/bench_journal.py).
AHEAD_BYTES = 64 << 10
_ZEROS_BELOW = 9000  # bytes a sync; above, reserved room costs the card less, as `wear.card_bytes` sums up
_LEAST_SEGMENT_BYTES = 1 << 16
_SEGMENTS_KEPT = 8  # unlinking one loses at most this fraction of what is kept


class SyncFailedError(OSError):
    """What was written since the last sync is in the file; whether it survives a power cut cannot be known any more."""


class SegmentGoneError(OSError):
    """The segment's file was removed under the writer: what was written to it is on no disk any more."""


class Newest(NamedTuple):
    """The newest segment of a family that has records, as it was found."""

    changed_ns: int
    span: Span


class SegmentWriter:
    """The one writer of a family's folder. `adopt` comes first, and again after the folder was away."""

    def __init__(self, folder: Path, family: str, boot_id: str, keep: Keep, segment_bytes: int = SEGMENT_BYTES,
                 ahead_bytes: int = AHEAD_BYTES) -> None:
        self._folder = folder
        self._family = family
        self._boot_id = boot_id
        self._keep = keep
        self._segment_bytes = min(segment_bytes, max(_LEAST_SEGMENT_BYTES, keep.bytes // _SEGMENTS_KEPT))
        self._ahead_bytes = ahead_bytes
        self._sizes: dict[int, int] = {}
        self._starts: dict[int, Header | None] = {}
        self._ends: dict[int, Span | None] = {}
        self._highest = 0
        self._number = 0
        self._fd: int | None = None
        self._open_path = ""
        self._span: Span | None = None
        self._size = 0  # where the next block goes
        self._reserved = 0  # how far the disk has given room
        self._synced_size = 0
        self._last_sync_bytes = 0

    @property
    def bytes_on_disk(self) -> int:
        """Bytes of all segments of the family."""
        return sum(self._sizes.values())

    def adopt(self) -> Newest | None:
        """Takes over what lies on disk: cuts a torn tail off; returns the newest segment that has records.

        Goes on in the newest segment only when it is of this boot: after a power cut, blocks that a reader has already
        seen may be gone from its end, and a reader's cursor beyond that end must never point into something new.
        """
        self.close()
        numbers = segment_numbers(self._folder, self._family)
        files = {number: self._path(number).stat() for number in numbers}
        self._sizes = {number: file.st_size for number, file in files.items()}
        self._highest = max([self._highest, *numbers])
        for number in reversed(numbers):
            span = self._adopt_newest(number) if number == numbers[-1] else self._span_of(number)
            if span is not None:
                return Newest(files[number].st_mtime_ns, span)
        return None

    def _span_of(self, number: int) -> Span | None:
        with self._path(number).open("rb") as file:
            return read_contents(file.fileno()).span

    def _adopt_newest(self, number: int) -> Span | None:
        fd = os.open(self._path(number), os.O_RDWR)
        self._number = number
        try:
            contents = read_contents(fd)
            if contents.good_size < self._sizes[number]:
                os.ftruncate(fd, contents.good_size)
                os.fsync(fd)
            self._size = self._reserved = self._synced_size = self._sizes[number] = contents.good_size
            self._span = contents.span
            if contents.closed or contents.span is None:
                return contents.span
            if contents.span.boot_id == self._boot_id:
                self._fd, self._open_path, fd = fd, str(self._path(number)), -1
            else:
                self._seal(fd)
        finally:
            if fd >= 0:
                os.close(fd)
        return contents.span

    def append(self, header: Header, block: bytes) -> None:
        """Writes a block to the newest segment, or to a new one when it is full."""
        if self._fd is None or self._full(header):
            self._start_next()
        assert self._fd is not None
        self._reserve(self._fd, len(block))
        self._write(self._fd, block)
        self.check_not_removed()
        if not self._in_place(self._fd):
            self._forget()
            raise FileNotFoundError(errno.ENOENT, "journal folder was removed or replaced", str(self._folder))
        self._span = self._span.and_block(header) if self._span else span_of_block(header)

    def _write(self, fd: int, block: bytes) -> None:
        done = 0
        try:
            while done < len(block):
                # At a known place, not "at the end": what a failed write left behind is overwritten.
                written = os.pwrite(fd, block[done:], self._size + done)
                if written == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                done += written
        except OSError:
            with contextlib.suppress(OSError):
                self._cut_off(fd)
            raise
        self._size += done
        self._sizes[self._number] = max(self._size, self._reserved)

    def _reserve(self, fd: int, size: int) -> None:
        end = self._size + size
        if end <= self._reserved or not self._ahead_bytes:
            return
        end = max(end, min(end + self._ahead_bytes, self._segment_bytes))
        # Room only spares the disk some writes: where it cannot be had, the block itself may still fit.
        with contextlib.suppress(OSError):
            if self._last_sync_bytes < _ZEROS_BELOW:
                start = max(self._size, self._reserved)
                self._reserved = start + os.pwrite(fd, bytes(end - start), start)
            else:
                os.posix_fallocate(fd, self._size, end - self._size)
                self._reserved = end

    def _cut_off(self, fd: int) -> None:
        """Gives back what lies behind the last whole block."""
        os.ftruncate(fd, self._size)
        self._reserved = self._sizes[self._number] = self._size

    def _full(self, header: Header) -> bool:
        if self._span is None:
            return False
        age_s = self._keep.age_s
        old = age_s is not None and (header.last_ns - self._span.first_ns) * _SEGMENTS_KEPT > age_s * 1e9
        return old or self._size + header.size > self._segment_bytes

    def _start_next(self) -> None:
        if self._fd is not None:
            self._seal(self._fd)
            self.sync()
            self._forget()
        path = self._path(self._highest + 1)
        made = not path.parent.is_dir()
        path.parent.mkdir(exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._highest += 1
        self._fd, self._open_path = fd, str(path)
        self._number, self._size, self._reserved, self._span = self._highest, 0, 0, None
        self._synced_size = 0
        if made:
            self._sizes.clear()
            sync_folder(self._folder)
        self._sizes[self._number] = 0
        sync_folder(path.parent)

    def _seal(self, fd: int) -> None:
        if self._span is None:
            return
        # Readers get along without a summary, only slower: that the disk has no room for it is no failure.
        with contextlib.suppress(OSError):
            self._write(fd, pack_summary(self._family, *self._span))
        with contextlib.suppress(OSError):
            self._cut_off(fd)
        self._span = None

    def _path(self, number: int) -> Path:
        return segment_path(self._folder, self._family, number)

    def _in_place(self, fd: int) -> bool:
        try:
            named = os.stat(self._open_path)
        except OSError:
            return False
        held = os.fstat(fd)
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)

    def sync(self) -> None:
        """Returns once everything appended survives a power cut; SyncFailedError when it may not, SegmentGoneError."""
        if self._fd is None:
            return
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            # The kernel reports this once and forgets: a second fdatasync of the same file would say that all is well.
            self._forget()
            raise SyncFailedError(error.errno, f"synchronising failed: {error.strerror}") from error
        self._last_sync_bytes, self._synced_size = self._size - self._synced_size, self._size
        self.check_not_removed()

    def check_not_removed(self) -> None:
        """SegmentGoneError when no name leads to the open segment any more: the next block begins a new one."""
        if self._fd is not None and os.fstat(self._fd).st_nlink == 0:
            self._sizes.pop(self._number, None)
            self._forget()
            raise SegmentGoneError(errno.ENOENT, "journal file was removed while it was written", self._open_path)

    def _forget(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self._span = None, None

    def close(self) -> None:
        """Lets go of the file; the next writer of this boot goes on in it."""
        self._forget()

    def give_back(self) -> None:
        """Gives room that was taken ahead back to the disk; only for who still is the folder's one writer."""
        if self._fd is not None and self._reserved > self._size:
            with contextlib.suppress(OSError):
                self._cut_off(self._fd)

    def retain(self, now_wall_ns: int | None, walls: Mapping[str, Wall]) -> None:
        """Unlinks the oldest segments that the rule no longer keeps, never the newest; age waits for wall time."""
        while len(self._sizes) > 1:
            oldest, newest = min(self._sizes), max(self._sizes)
            kept = self.bytes_on_disk - self._sizes[newest] + self._segment_bytes
            if kept <= self._keep.bytes and not self._outdated(oldest, now_wall_ns, walls):
                return
            self._unlink(oldest)

    def drop_oldest(self) -> int | None:
        """Unlinks the oldest segment to make room on a full disk; the records in it. None: only the newest is left."""
        if len(self._sizes) < 2:
            return None
        oldest = min(self._sizes)
        span = span_in(self._path(oldest))
        self._unlink(oldest)
        return span.records if span else 0

    def _unlink(self, number: int) -> None:
        self._path(number).unlink(missing_ok=True)
        del self._sizes[number]
        self._starts.pop(number, None)
        self._ends.pop(number, None)

    def _outdated(self, oldest: int, now_wall_ns: int | None, walls: Mapping[str, Wall]) -> bool:
        """Whether all of the oldest segment is beyond its age by a clock that can be believed.

        Its own end counts where that is known. Else, and where it lies in the future, any later segment that began
        too long ago shows it, for what was written before that is older still.
        """
        if self._keep.age_s is None or now_wall_ns is None:
            return False
        latest_ns = now_wall_ns - int(self._keep.age_s * 1e9)
        believed = _believed(walls, self._boot_id)
        end_ns = self._end_of(oldest, believed)
        if end_ns is not None and end_ns <= now_wall_ns:
            return end_ns < latest_ns
        starts = (self._start_of(number) for number in sorted(self._sizes) if number > oldest)
        return any(start.first_ns + believed[start.boot_id].offset_ns < latest_ns
                   for start in starts if start is not None and start.boot_id in believed)

    def _end_of(self, number: int, walls: Mapping[str, Wall]) -> int | None:
        if number not in self._ends:
            self._ends[number] = span_in(self._path(number))
        span = self._ends[number]
        return span.last_ns + walls[span.boot_id].offset_ns if span is not None and span.boot_id in walls else None

    def _start_of(self, number: int) -> Header | None:
        if self._starts.get(number) is None:
            self._starts[number] = first_header(self._path(number))
        return self._starts[number]


def _believed(walls: Mapping[str, Wall], boot_id: str) -> Mapping[str, Wall]:
    """The boots whose clock may say that something is old: no guess, unless now is a guess as well.

    A machine without a clock may have guessed any year; what it wrote, or what was written before it, must not go
    for that once the right time is known.
    """
    now = walls.get(boot_id)
    if now is not None and now.quality == GUESSED:
        return walls
    return {boot: wall for boot, wall in walls.items() if wall.quality != GUESSED}
