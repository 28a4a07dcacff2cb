"""Reads a journal, also while its writer writes: blocks behind a cursor, or the records of a time range.

Only whole blocks with right checksums are believed. Times become wall time where the boot's offset is known.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from twolbms.journal.block import HEADER_SIZE, WITHOUT_RECORDS, Header, unpack_frame_columns, unpack_records
from twolbms.journal.boots import BootsFile
from twolbms.journal.ends import Places, blocks_end
from twolbms.journal.frames import FrameColumns
from twolbms.journal.gaps import GAP, on_wall_clock
from twolbms.journal.payload import NONSENSE
from twolbms.journal.records import FAMILIES, Cursor, Event, Record, Wall
from twolbms.journal.scan import Piece, Read, plain_read, read_around, read_summary, walk
from twolbms.journal.segments import is_file, segment_numbers, segment_path
from twolbms.journal.verify import problems

T = TypeVar("T")

_TRIES = 5
"""So many reads of a segment may fail before what cannot be read counts as damage: a disk may be away for a moment."""


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


class FrameBlock(NamedTuple):
    """The frames of one block as columns, for whoever handles many; the rest is as in `Block`."""

    boot_id: str
    columns: FrameColumns
    wall_known: bool
    next: Cursor
    quality: str | None = None
    skipped_segments: int = 0
    damaged: int = 0


class _Found(NamedTuple, Generic[T]):
    """What one whole block holds, and the cursor behind it."""

    content: T
    boot_id: str
    wall: Wall | None
    next: Cursor


_Unpack = Callable[[Header, bytes, Mapping[str, Wall]], T]


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
        self._places = Places()
        self._failed: Counter[tuple[str, int]] = Counter()
        self.damaged = 0
        self.unplaced = 0

    def families(self) -> list[str]:
        """The families of which there is at least one block."""
        return [family for family in FAMILIES if next(self.blocks(family), None) is not None]

    def blocks(self, family: str, cursor: Cursor | None = None) -> Iterator[Block]:
        """Every whole block from the cursor on, or from the oldest. A block at its `next` is never yielded twice."""
        for found, skipped, damaged in self._passed(family, cursor, _records_of):
            if found.content:
                yield Block(family, found.boot_id, found.content, found.wall is not None, found.next,
                            found.wall.quality if found.wall else None, skipped, damaged)

    def frame_tables(self, cursor: Cursor | None = None) -> Iterator[FrameBlock]:
        """As `blocks` of the family "frame", with columns in place of a record for every frame."""
        for found, skipped, damaged in self._passed("frame", cursor, _columns_of):
            yield FrameBlock(found.boot_id, found.content, found.wall is not None, found.next,
                             found.wall.quality if found.wall else None, skipped, damaged)

    def end(self, family: str) -> Cursor | None:
        """The cursor behind everything that is there now: whoever begins there gets only what comes. None: no file."""
        segments = self._segments(family)
        if not segments:
            return None
        with self._opened(family, segments[-1]) as fd:
            read = self._read_of(family, segments[-1].number)
            return Cursor(family, segments[-1].number, 0 if fd is None else blocks_end(fd, read))

    def placed(self, cursor: Cursor | None) -> Cursor | None:
        """The cursor where this journal has such a place; else the place to begin at, so that nothing is left out.

        That is its segment's beginning where no block ends at its offset (the journal was replaced, or a power cut
        took its end), and None, before everything, where its segment is beyond the newest.
        """
        segments = self._segments(cursor.family) if cursor is not None and (cursor.offset or cursor.segment) else []
        if cursor is None or not segments:
            return cursor
        if cursor.segment > segments[-1].number:
            return None
        segment = next((one for one in segments if one.number == cursor.segment), None)
        if segment is None or not cursor.offset:
            return cursor
        with self._opened(cursor.family, segment) as fd:
            if fd is None or self._places.has(fd, cursor.offset, self._read_of(cursor.family, segment.number)):
                return cursor
        return Cursor(cursor.family, segment.number, 0)

    def unread(self, family: str, start: Cursor | None, until: Cursor) -> int:
        """How many stretches from `start` on cannot be read and begin before `until`, where a block once ended.

        For whoever was given nothing more there: damage with no block behind it comes with no block.
        """
        count = 0
        for segment in self._segments(family):
            if (start is not None and segment.number < start.segment) or segment.number > until.segment:
                continue
            offset = start.offset if start is not None and start.segment == segment.number else 0
            with self._opened(family, segment) as fd:
                for piece in walk(fd, offset, read=self._read_of(family, segment.number)) if fd is not None else ():
                    if segment.number == until.segment and piece.offset >= until.offset:
                        break
                    count += self._is_lost(family, piece)
        return count

    def _is_lost(self, family: str, piece: Piece) -> bool:
        if piece.header is None:
            return piece.kind != "room"
        behind = Cursor(family, 0, 0)
        return (piece.header.kind not in WITHOUT_RECORDS
                and self._unpacked(family, piece.header, piece.payload, behind, _records_of) is None)

    def _read_of(self, family: str, number: int) -> Read:
        """Reads a segment; where that has failed often enough, around what cannot be read."""
        def read(fd: int, size: int, offset: int) -> bytes:
            try:
                return plain_read(fd, size, offset)
            except OSError:
                self._failed[family, number] += 1
                if self._failed[family, number] <= _TRIES or not self._answers():
                    raise
                return read_around(fd, size, offset)

        return read

    def _answers(self) -> bool:
        """Whether the disk gives anything at all: one that is away must not make the whole journal count as damage."""
        for family in FAMILIES:
            for segment in self._segments(family):
                with contextlib.suppress(OSError), self._opened(family, segment) as fd:
                    if fd is not None:
                        os.posix_fadvise(fd, 0, HEADER_SIZE, os.POSIX_FADV_DONTNEED)  # not from the cache
                        if plain_read(fd, HEADER_SIZE, 0):
                            return True
        return False

    def _passed(self, family: str, cursor: Cursor | None, unpack: _Unpack[T]) -> Iterator[tuple[_Found[T], int, int]]:
        """What is found from the cursor on, with the segments skipped and the stretches damaged before each."""
        cursor = self.placed(cursor)
        segments = self._segments(family)
        skipped = 0
        if cursor is not None and segments:
            skipped = max(segments[0].number - cursor.segment, 0)
            segments = [segment for segment in segments if segment.number >= cursor.segment]
        damaged = 0
        for segment in segments:
            with self._opened(family, segment) as fd:
                if fd is None:
                    skipped += 1
                    continue
                offset = cursor.offset if cursor is not None and cursor.segment == segment.number else 0
                for found in self._found_in(family, segment, fd, offset, unpack):
                    if found is None:
                        damaged += 1
                        continue
                    yield found, skipped, damaged
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

    def _found_in(self, family: str, segment: _Segment, fd: int, offset: int,
                  unpack: _Unpack[T]) -> Iterator[_Found[T] | None]:
        """The blocks of one segment; None for each stretch that cannot be read."""
        records_end = _records_end(fd) if segment.following is not None else None
        for piece in walk(fd, offset, read=self._read_of(family, segment.number)):
            if piece.header is None:
                if _is_damage(piece, segment):
                    self.damaged += 1
                    yield None
            elif piece.header.kind not in WITHOUT_RECORDS:
                done = segment.following is not None and piece.end == records_end
                behind = (segment.following or 0, 0) if done else (segment.number, piece.end)
                yield self._unpacked(family, piece.header, piece.payload, Cursor(family, *behind), unpack)

    def _unpacked(self, family: str, header: Header, payload: bytes, behind: Cursor,
                  unpack: _Unpack[T]) -> _Found[T] | None:
        walls = self._boots.walls_with(header.boot_id)
        try:
            if header.family == family:
                return _Found(unpack(header, payload, walls), header.boot_id, walls.get(header.boot_id), behind)
        except NONSENSE:
            pass
        self.damaged += 1
        return None

    def records(self, family: str, start_ns: int | None = None, end_ns: int | None = None) -> Iterator[Record]:
        """The records with start <= wall time < end, in the order of writing. Blocks outside are not unpacked."""
        def wanted(header: Header) -> bool:
            return header.kind not in WITHOUT_RECORDS and self._overlaps(header, start_ns, end_ns)

        for segment in self._segments(family):
            with self._opened(family, segment) as fd:
                summary = read_summary(fd) if fd is not None and segment.following is not None else None
                if fd is None or (summary is not None and not self._overlaps(summary, start_ns, end_ns)):
                    continue
                for piece in walk(fd, 0, wanted):
                    if piece.header is None:
                        self.damaged += _is_damage(piece, segment)
                        continue
                    behind = Cursor(family, segment.number, piece.end)
                    found = self._unpacked(family, piece.header, piece.payload, behind, _records_of)
                    if found is not None:
                        yield from _within(found.content, start_ns, end_ns)

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

    def verify(self, newest: int | None = None) -> list[str]:
        """Reads everything, or the `newest` segments of each family; one text for each thing that is not right."""
        return problems(self._folder, newest)


def _is_damage(piece: Piece, segment: _Segment) -> bool:
    """Whether a stretch without a whole block will stay without one: the newest segment's tail may be written now."""
    return piece.kind == "damaged" or (piece.kind == "tail" and segment.following is not None)


def _shift_ns(header: Header, walls: Mapping[str, Wall]) -> int:
    wall = walls.get(header.boot_id)
    return wall.offset_ns if wall else 0


def _records_of(header: Header, payload: bytes, walls: Mapping[str, Wall]) -> list[Record]:
    records = unpack_records(header, payload, _shift_ns(header, walls))
    if header.family != "event":
        return records
    return [on_wall_clock(event, header.boot_id, walls) for event in records if isinstance(event, Event)]


def _columns_of(header: Header, payload: bytes, walls: Mapping[str, Wall]) -> FrameColumns:
    return unpack_frame_columns(header, payload, _shift_ns(header, walls))


def _records_end(fd: int) -> int:
    size = os.fstat(fd).st_size
    return size - HEADER_SIZE if read_summary(fd) is not None else size


def _within(records: list[Record], start_ns: int | None, end_ns: int | None) -> Iterator[Record]:
    for record in records:
        if (start_ns is None or record.time_ns >= start_ns) and (end_ns is None or record.time_ns < end_ns):
            yield record
