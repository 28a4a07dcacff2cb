"""Reads a journal, also while its writer writes: blocks behind a cursor, or the records of a time range.

Only whole blocks with right checksums are believed. Times become wall time where the boot's offset is known.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from twolbms.journal.block import HEADER_SIZE, SUMMARY, Header, unpack_records
from twolbms.journal.boots import BootsFile
from twolbms.journal.gaps import GAP, on_wall_clock
from twolbms.journal.payload import NONSENSE
from twolbms.journal.records import FAMILIES, Cursor, Event, Record
from twolbms.journal.scan import read_summary, walk
from twolbms.journal.segments import is_file, segment_numbers, segment_path
from twolbms.journal.verify import problems


class Block(NamedTuple):
    """The records of one block. `next` is the cursor behind it.

    `wall_known` False: the boot has no wall time (yet), and the times are its monotonic ones. `quality` is that of the
    wall time. `skipped_segments`: so many were unlinked between the cursor and this block. `damaged`: so many stretches
    between the block before and this one could not be read.
    """

    family: str
    boot_id: str
    records: list[Record]
    wall_known: bool
    next: Cursor
    quality: str | None = None
    skipped_segments: int = 0
    damaged: int = 0


class _Segment(NamedTuple):
    number: int
    following: int | None  # the number of the next segment; None for the newest, which may still grow


class JournalReader:
    """Any number of readers may read one folder. Each pass reads what is there and ends; call again for more.

    Counts since this reader began: `damaged` stretches that had to be passed over, and `unplaced` records that
    `records` left out because the wall time of their boot is not known.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boots = BootsFile(folder)
        self.damaged = 0
        self.unplaced = 0

    def families(self) -> list[str]:
        """The families of which there is at least one block."""
        return [family for family in FAMILIES if next(self.blocks(family), None) is not None]

    def blocks(self, family: str, cursor: Cursor | None = None) -> Iterator[Block]:
        """Every whole block from the cursor on, or from the oldest. A block at its `next` is never yielded twice."""
        segments = self._segments(family)
        skipped = 0
        if cursor is not None and segments and cursor.segment <= segments[-1].number:
            skipped = max(segments[0].number - cursor.segment, 0)
            segments = [segment for segment in segments if segment.number >= cursor.segment]
        # A cursor beyond the newest segment is of a journal that has been replaced: everything here is new to it.
        damaged = 0
        for segment in segments:
            with self._opened(family, segment) as fd:
                if fd is None:
                    skipped += 1
                    continue
                offset = cursor.offset if cursor is not None and cursor.segment == segment.number else 0
                for block in self._segment_blocks(family, segment, fd, offset):
                    damaged += block.damaged
                    if block.records:
                        yield block._replace(skipped_segments=skipped, damaged=damaged)
                        skipped = damaged = 0

    def _segments(self, family: str) -> list[_Segment]:
        # Listed before any is read: whatever has a follower in this list grows no more.
        numbers = segment_numbers(self._folder, family)
        return [*map(_Segment, numbers, [*numbers[1:], None])]

    @contextlib.contextmanager
    def _opened(self, family: str, segment: _Segment) -> Iterator[int | None]:
        """The segment's file, None when it was unlinked meanwhile or is no file, which counts as damage."""
        path = segment_path(self._folder, family, segment.number)
        try:
            if not is_file(path):
                self.damaged += 1
                yield None
                return
            fd = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            yield None
            return
        try:
            yield fd
        finally:
            os.close(fd)

    def _segment_blocks(self, family: str, segment: _Segment, fd: int, offset: int) -> Iterator[Block]:
        """The blocks of one segment; one without records tells of damage."""
        records_end = _records_end(fd) if segment.following is not None else None
        here = Cursor(family, segment.number, offset)
        for piece in walk(fd, offset):
            if piece.header is None:
                if piece.kind == "damaged" or (segment.following is not None and piece.end > piece.offset):
                    yield self._damage(family, here)
            elif piece.header.kind != SUMMARY:
                done = segment.following is not None and piece.end == records_end
                behind = (segment.following or 0, 0) if done else (segment.number, piece.end)
                yield self._block(family, piece.header, piece.payload, Cursor(family, *behind))

    def _damage(self, family: str, cursor: Cursor) -> Block:
        self.damaged += 1
        return Block(family, "", [], False, cursor, damaged=1)

    def _block(self, family: str, header: Header, payload: bytes, behind: Cursor) -> Block:
        walls = self._boots.walls_with(header.boot_id)
        wall = walls.get(header.boot_id)
        if header.family != family:
            return self._damage(family, behind)
        try:
            records = unpack_records(header, payload, wall.offset_ns if wall else 0)
        except NONSENSE:
            return self._damage(family, behind)
        if family == "event":
            records = [on_wall_clock(event, header.boot_id, walls) for event in records if isinstance(event, Event)]
        return Block(family, header.boot_id, records, wall is not None, behind, wall.quality if wall else None)

    def records(self, family: str, start_ns: int | None = None, end_ns: int | None = None) -> Iterator[Record]:
        """The records with start <= wall time < end, in the order of writing. Blocks outside are not unpacked."""
        def wanted(header: Header) -> bool:
            return header.kind != SUMMARY and self._overlaps(header, start_ns, end_ns)

        for segment in self._segments(family):
            with self._opened(family, segment) as fd:
                summary = read_summary(fd) if fd is not None and segment.following is not None else None
                if fd is None or (summary is not None and not self._overlaps(summary, start_ns, end_ns)):
                    continue
                for piece in walk(fd, 0, wanted):
                    if piece.header is None:
                        self.damaged += piece.kind == "damaged" or segment.following is not None
                        continue
                    block = self._block(family, piece.header, piece.payload, Cursor(family, segment.number, piece.end))
                    yield from _within(block.records, start_ns, end_ns)

    def _overlaps(self, header: Header, start_ns: int | None, end_ns: int | None) -> bool:
        wall = self._boots.walls_with(header.boot_id).get(header.boot_id)
        if wall is None:
            self.unplaced += header.records
            return False
        return ((start_ns is None or header.last_ns + wall.offset_ns >= start_ns)
                and (end_ns is None or header.first_ns + wall.offset_ns < end_ns))

    def gaps(self) -> list[Event]:
        """Every time in which nobody wrote, oldest first."""
        return [event for block in self.blocks("event") for event in block.records
                if isinstance(event, Event) and event.kind == GAP]

    def verify(self) -> list[str]:
        """Reads everything; one text for each thing that is not as it should be."""
        return problems(self._folder)


def _records_end(fd: int) -> int:
    size = os.fstat(fd).st_size
    return size - HEADER_SIZE if read_summary(fd) is not None else size


def _within(records: list[Record], start_ns: int | None, end_ns: int | None) -> Iterator[Record]:
    for record in records:
        if (start_ns is None or record.time_ns >= start_ns) and (end_ns is None or record.time_ns < end_ns):
            yield record
