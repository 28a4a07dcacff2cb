"""The names of segment files, and what one of them holds in all."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from twolbms.journal.block import HEADER_SIZE, HOLE, SUMMARY, Header, is_of_later_version, read_header
from twolbms.journal.scan import read_summary, walk


def segment_path(folder: Path, family: str, number: int) -> Path:
    """Where a segment lies in the journal folder."""
    return folder / family / f"{number:08d}.seg"


def segment_numbers(folder: Path, family: str) -> list[int]:
    """The segments of a family, oldest first; none when there is no folder of it."""
    try:
        names = os.listdir(folder / family)
    except (FileNotFoundError, NotADirectoryError):
        return []
    stems = (name[:-4] for name in names if name.endswith(".seg"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def is_file(path: Path) -> bool:
    """False for a folder, a pipe or whatever else stands where a file should; FileNotFoundError when nothing does."""
    return stat.S_ISREG(os.stat(path).st_mode)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Span(NamedTuple):
    """What the blocks of a segment hold together: all are of one boot."""

    boot_id: str
    records: int
    first_ns: int
    last_ns: int

    def and_block(self, header: Header) -> Span:
        """The span with one more block."""
        return Span(self.boot_id, self.records + header.records,
                    min(self.first_ns, header.first_ns), max(self.last_ns, header.last_ns))


def span_of_block(header: Header) -> Span:
    """The span of one block."""
    return Span(header.boot_id, header.records, header.first_ns, header.last_ns)


class Contents(NamedTuple):
    """What a segment file was found to hold; None for the span of one without a good block.

    `closed`: nothing may be added behind it, for it ends with a summary or with blocks of a later format version, or
    holds blocks of several boots, of which no summary can tell. The span is then that of the last of them.
    """

    span: Span | None
    closed: bool
    good_size: int


def read_contents(fd: int) -> Contents:
    """Checks every block of a segment."""
    span, closed, good_size = None, False, 0
    for piece in walk(fd):
        if piece.header is None:
            if piece.kind == "tail" and is_of_later_version(os.pread(fd, HEADER_SIZE, piece.offset)):
                closed, good_size = True, piece.end
            continue
        good_size = piece.end
        if piece.header.kind == SUMMARY:
            closed = True
        elif piece.header.kind != HOLE:
            mixed = span is not None and span.boot_id != piece.header.boot_id
            closed = closed or mixed
            span = span.and_block(piece.header) if span and not mixed else span_of_block(piece.header)
    return Contents(span, closed, good_size)


def span_in(path: Path) -> Span | None:
    """What a segment holds, by its summary or else by its blocks; None when that cannot be read."""
    try:
        with path.open("rb") as file:
            summary = read_summary(file.fileno())
            return span_of_block(summary) if summary else read_contents(file.fileno()).span
    except OSError:
        return None


def first_header(path: Path) -> Header | None:
    """The header at the front of a segment; None when it is damaged, or a hole, or not there."""
    try:
        with path.open("rb") as file:
            header = read_header(file.read(HEADER_SIZE))
            return None if header is None or header.kind == HOLE else header
    except OSError:
        return None
