"""A Vector BLF file as a stream of objects: containers unpacked one after the other, objects found by their heads.

Knows the heads and the sizes; what an object says is read by `blf` and `blf_bulk`. The layout is that of Vector's
binlog as python-can reads it, which is the oracle in the tests.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime

from twolbms.importing.frames import MOST_TIME_NS, Damage

FILE_HEAD = struct.Struct("<4sL32x8H")  # "LOGG", size of the head, counts that are not needed, SYSTEMTIME of the start
OBJECT_HEAD = struct.Struct("<4sHHLL")  # "LOBJ", size of the head, its version, size of the object, type
_CONTAINER = 10
_STORED, _DEFLATED = 0, 2
_CONTAINER_HEAD = 32  # object head, method, size unpacked
_LARGEST_OBJECT = 1 << 26  # a container of Vector holds 128 KiB; beyond this a size is damage, not data
PIECE_BYTES = 1 << 20


CAN_OBJECTS = {
    1: ("classic", 16),  # CAN_MESSAGE
    86: ("classic", 16),  # CAN_MESSAGE2
    73: ("error", 32),  # CAN_ERROR_EXT
    100: ("fd", 84),  # CAN_FD_MESSAGE
    101: ("fd64", 40),  # CAN_FD_MESSAGE_64: the data follow
}
"""By object type: how the frame stands behind the head, and how many bytes that are at least."""

BODY_AT = {1: 32, 2: 40}
"""By version of the head: where it ends. Flags stand at 16, the time stamp at 24 in both."""


class Broken(Exception):
    """The stream does not go on as it should."""


class BlfFile:
    """The unpacked contents of a BLF file, from its blocks of bytes; `start_ns` is wall time, 0 where not told."""

    def __init__(self, blocks: Iterator[bytes], damage: Damage) -> None:
        self._source = _Bytes(blocks)
        self._damage = damage
        self.start_ns = 0
        self.absurd = 0  # frames whose time no clock gives
        self._place = self._piece_place = 0
        self._is_broken = False

    def pieces(self) -> Iterator[bytes]:
        """Runs of whole objects with at most what is between them; ends at the first damage, which is noted.

        The consumer hands back with `broken()` what it cannot read in a piece.
        """
        try:
            yield from self._pieces()
        except (Broken, struct.error, zlib.error):
            self._note_broken(self._place)

    def broken(self) -> None:
        """Notes that the file cannot be read from some place on in the piece that was given last."""
        self._note_broken(self._piece_place)

    def _note_broken(self, place: int) -> None:
        if not self._is_broken:
            self._is_broken = True
            self._damage.malformed_lines += 1
            self._damage.note(f"the BLF file is cut off or damaged from byte {place} on; what follows was not read")

    def note_absurd(self) -> None:
        """Notes the frames that were left out for their times."""
        if self.absurd:
            self._damage.malformed_lines += self.absurd
            self._damage.note(
                f"frames of the BLF file with a time before 1970 or after 2116, left out: {self.absurd}")

    def _pieces(self) -> Iterator[bytes]:
        size = self._file_head()
        self._source.take(size - FILE_HEAD.size)
        whole: list[bytes] = []
        held = 0
        try:
            while head := self._next_head():
                if not whole:
                    self._piece_place = self._place
                piece, cut = self._container(*head)
                whole.append(piece)
                held += len(piece)
                if cut:
                    raise Broken
                if held >= PIECE_BYTES:
                    yield b"".join(whole)
                    whole, held = [], 0
        except (Broken, struct.error, zlib.error):
            if whole:
                yield b"".join(whole)
            raise
        if whole:
            yield b"".join(whole)

    def _file_head(self) -> int:
        head = self._source.take(FILE_HEAD.size)
        if len(head) < FILE_HEAD.size:
            raise Broken
        signature, size, *start = FILE_HEAD.unpack(head)
        if signature != b"LOGG" or not FILE_HEAD.size <= size <= _LARGEST_OBJECT:
            raise Broken
        self.start_ns = _wall_ns(start)
        return int(size)

    def _next_head(self) -> tuple[int, int] | None:
        """Type and size of the next object of the file, or None at its end."""
        self._place = self._source.place
        head = self._source.take(OBJECT_HEAD.size)
        if not head:
            return None
        signature, _, _, size, kind = OBJECT_HEAD.unpack(head)
        if signature != b"LOBJ" or not OBJECT_HEAD.size <= size <= _LARGEST_OBJECT:
            raise Broken
        return kind, size

    def _container(self, kind: int, size: int) -> tuple[bytes, bool]:
        """What the object holds if it is a container, and whether the file ends inside it."""
        body = self._source.take(size - OBJECT_HEAD.size)
        cut = len(body) < size - OBJECT_HEAD.size
        if kind != _CONTAINER:
            self._source.take(size % 4)
            return b"", cut
        method, packed = struct.unpack_from("<H", body)[0], body[_CONTAINER_HEAD - OBJECT_HEAD.size:]
        if not cut:
            self._source.take(size % 4)
        if method == _STORED:
            return packed, cut
        if method != _DEFLATED:
            raise Broken
        if not cut:
            size_unpacked = min(struct.unpack_from("<L", body, 8)[0], _LARGEST_OBJECT)
            return zlib.decompress(packed, bufsize=max(1, size_unpacked)), False
        return zlib.decompressobj().decompress(packed, _LARGEST_OBJECT), True


class _Bytes:
    """Blocks as one stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._held = b""
        self._at = 0
        self.place = 0

    def take(self, count: int) -> bytes:
        """The next bytes; fewer at the end of the stream."""
        have = len(self._held) - self._at
        if have < count:
            parts = [self._held[self._at:]]
            while have < count and (block := next(self._blocks, b"")):
                parts.append(block)
                have += len(block)
            self._held, self._at = b"".join(parts), 0
        taken = self._held[self._at:self._at + count]
        self._at += len(taken)
        self.place += len(taken)
        return taken


def _wall_ns(systemtime: list[int]) -> int:
    """Nanoseconds since 1970 of a SYSTEMTIME (year, month, day of week, day, hour, minute, second, ms); 0 if unset."""
    year, month, _, day, hour, minute, second, millisecond = systemtime
    try:
        told = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return 0
    return min(max(0, int(told.timestamp()) * 1_000_000_000 + millisecond * 1_000_000), MOST_TIME_NS - 1)


def next_object(data: bytes, at: int) -> tuple[int, int, int, int, int] | None:
    """The next object from `at` on, which may be padding: where it begins, size of its head, version, size, type.

    None when it is not all in `data`. Raises Broken where there is none.
    """
    found = data.find(b"LOBJ", at, at + 8)
    if found < 0 and at + 8 <= len(data):
        raise Broken
    if found < 0 or found + OBJECT_HEAD.size > len(data):
        return None
    _, head_size, version, size, kind = OBJECT_HEAD.unpack_from(data, found)
    least = OBJECT_HEAD.size
    if kind in CAN_OBJECTS and version in BODY_AT:
        least = BODY_AT[version] + CAN_OBJECTS[kind][1]
    if not least <= size <= _LARGEST_OBJECT:
        raise Broken
    return None if found + size > len(data) else (found, head_size, version, size, kind)
