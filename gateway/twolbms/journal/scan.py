"""Walks the blocks of one segment file, whole or damaged, while it may still be growing.

Every byte is accounted for: a whole block, a damaged stretch with a good block behind it, a tail that is no block
(yet), or room: zeros up to the end, which the writer has taken from the disk ahead of the blocks.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from twolbms.journal.block import HEADER_SIZE, MAGIC, SUMMARY, Header, read_header

_CHUNK = 1 << 18
_SECTOR = 512  # bytes: the smallest piece that a disk fails to read

Read = Callable[[int, int, int], bytes]
"""As `os.pread`: file, size, offset."""


def plain_read(fd: int, size: int, offset: int) -> bytes:
    """What the disk gives; OSError where it gives nothing."""
    return os.pread(fd, size, offset)


def read_around(fd: int, size: int, offset: int) -> bytes:
    """The same sector by sector; in the place of one that cannot be read stand bytes that are no block, and no room."""
    size = max(min(size, os.fstat(fd).st_size - offset), 0)
    parts, end = [], offset + size
    while offset < end:
        wide = min(_SECTOR - offset % _SECTOR, end - offset)
        try:
            parts.append(os.pread(fd, wide, offset))
        except OSError:
            parts.append(b"\xff" * wide)
        offset += wide
    return b"".join(parts)


class Piece(NamedTuple):
    """Bytes `offset` to `end` of a segment; `header` and `payload` of a whole block, else empty."""

    kind: Literal["block", "damaged", "tail", "room"]
    offset: int
    end: int
    header: Header | None = None
    payload: bytes = b""


class _Window:
    """Reads a file through one buffer, so that many small blocks cost few system calls."""

    def __init__(self, fd: int, read: Read) -> None:
        self._fd = fd
        self._read = read
        self._start = 0
        self._bytes = b""

    def get(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`; fewer only at the end of the file."""
        at = offset - self._start
        if at < 0 or at + size > len(self._bytes):
            self._bytes = self._read(self._fd, max(size, _CHUNK), offset)
            self._start, at = offset, 0
        return self._bytes[at:at + size]


def _always(_: Header) -> bool:
    return True


def walk(fd: int, offset: int = 0, wanted: Callable[[Header], bool] = _always,
         read: Read = plain_read) -> Iterator[Piece]:
    """The pieces from `offset` to the end; blocks whose header is not wanted are passed over with their payload unread.

    Summaries are yielded as blocks. A tail or room is the last piece; walking again from its offset goes on there.
    """
    window = _Window(fd, read)
    while head := window.get(offset, HEADER_SIZE):
        header = read_header(head)
        if header is not None and not wanted(header) and offset + header.size <= os.fstat(fd).st_size:
            offset += header.size
            continue
        piece = _whole(window, offset, header)
        if piece is None:
            window = _Window(fd, read)  # what it holds may be from before the block was written
            piece = _bad_stretch(fd, offset, header, read)
            # Blocks are written in order: one with another behind it is whole by now, unless it is damaged.
            if piece.kind == "damaged":
                piece = _whole(window, offset, read_header(window.get(offset, HEADER_SIZE))) or piece
        yield piece
        offset = piece.end
        if piece.kind in ("tail", "room"):
            return


def _whole(window: _Window, offset: int, header: Header | None) -> Piece | None:
    if header is None:
        return None
    payload = window.get(offset + HEADER_SIZE, header.stored_size)
    if len(payload) < header.stored_size or zlib.crc32(payload) != header.payload_crc:
        return None
    return Piece("block", offset, offset + header.size, header, payload)


def _bad_stretch(fd: int, offset: int, header: Header | None, read: Read) -> Piece:
    """What is bad from `offset` on: up to the next good block, or up to the end of the file."""
    rest = read(fd, max(os.fstat(fd).st_size - offset, 0), offset)
    if rest == bytes(len(rest)):
        return Piece("room", offset, offset + len(rest))
    at = rest.find(MAGIC, _bad_size(rest, header))
    while at >= 0:
        if _whole_in(rest, at):
            return Piece("damaged", offset, offset + at)
        at = rest.find(MAGIC, at + 1)
    return Piece("tail", offset, offset + len(rest))


def _bad_size(rest: bytes, header: Header | None) -> int:
    """How far to pass over: a good header over a bad payload still tells its length, if something stands at its end."""
    if header is None:
        return 1
    after = rest[header.size:header.size + HEADER_SIZE]
    return header.size if len(rest) == header.size or read_header(after) else 1


def _whole_in(raw: bytes, at: int) -> bool:
    header = read_header(raw[at:at + HEADER_SIZE])
    if header is None:
        return False
    payload = raw[at + HEADER_SIZE:at + header.size]
    return len(payload) == header.stored_size and zlib.crc32(payload) == header.payload_crc


def read_summary(fd: int) -> Header | None:
    """The summary that ends a full segment; None when the segment has none (yet)."""
    size = os.fstat(fd).st_size
    header = read_header(os.pread(fd, HEADER_SIZE, size - HEADER_SIZE)) if size >= HEADER_SIZE else None
    return header if header is not None and header.kind == SUMMARY else None
