"""Where the whole blocks of a growing segment end, found by the headers alone.

Whoever begins to follow a journal there reads no block in half.
"""

from __future__ import annotations

import os

from twolbms.journal.block import HEADER_SIZE, read_header
from twolbms.journal.scan import walk


def blocks_end(fd: int) -> int:
    """The offset behind the last whole block of a segment; 0 when it has none."""
    size, end = os.fstat(fd).st_size, 0
    while (header := read_header(os.pread(fd, HEADER_SIZE, end))) is not None and end + header.size <= size:
        end += header.size
    if end >= size:
        return end
    for piece in walk(fd, end):  # a damaged stretch with blocks behind it, or a tail
        if piece.header is not None:
            end = piece.end
    return end
