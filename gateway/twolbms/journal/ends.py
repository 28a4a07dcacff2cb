"""Which places of a segment lie between blocks: the end of what is whole, and whether a cursor is one of them.

Found by the headers alone as far as they are good. It knows one file at a time, no families and no numbers.
"""

from __future__ import annotations

import os

from twolbms.journal.block import HEADER_SIZE, read_header
from twolbms.journal.scan import Read, plain_read, walk

_MOST_KNOWN = 16  # places: some for each of a few readers that follow at the same time


def blocks_end(fd: int, read: Read = plain_read) -> int:
    """The offset behind the last whole block of a segment; 0 when it has none."""
    size, last, end = os.fstat(fd).st_size, 0, 0
    while (header := read_header(read(fd, HEADER_SIZE, end))) is not None and end + header.size <= size:
        last, end = end, end + header.size
    end = last
    for piece in walk(fd, last, read=read):  # the last block may be there in half, or blocks stand behind damage
        if piece.header is not None:
            end = piece.end
    return end


class Places:
    """Remembers places between blocks, so that whoever follows a file is not asked to walk it from its beginning."""

    def __init__(self) -> None:
        self._known: tuple[tuple[tuple[int, int], int], ...] = ()

    def has(self, fd: int, offset: int, read: Read = plain_read) -> bool:
        """Whether a block ends at `offset`, or the file begins there."""
        file = os.fstat(fd)
        whose = file.st_dev, file.st_ino
        if offset > file.st_size:
            return False
        near = max((at for known, at in self._known if known == whose and at <= offset), default=0)
        if not _comes_by(fd, near, offset, read) and not (near and _comes_by(fd, 0, offset, read)):
            return False
        found = whose, offset
        self._known = (found, *(one for one in self._known if one != found))[:_MOST_KNOWN]
        return True


def _comes_by(fd: int, start: int, offset: int, read: Read) -> bool:
    at = start
    while at < offset and (header := read_header(read(fd, HEADER_SIZE, at))) is not None:
        at += header.size
    if at == offset:
        return True
    for piece in walk(fd, start, read=read):  # past damage the headers alone lead astray
        if piece.end >= offset:
            return piece.end == offset and piece.kind in ("block", "damaged")
    return False
