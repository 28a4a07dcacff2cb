"""Frames as columns: how a block of them is packed, and how it is read without an object for every frame.

A full bus brings thousands of frames a second, so both ways cost a few passes over whole columns. Knows neither files
nor checksums; `docs/journal.md` describes the layout in words.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from twolbms.journal.columns import Columns, Packed, Steps, cut, little, pack_integers, pack_range, pack_times
from twolbms.journal.names import indexed, pack_names, unpack_names
from twolbms.journal.records import Frame, Record

if TYPE_CHECKING:
    from twolbms.journal.frame_arrays import FrameArrays

LARGEST_FRAME = 64  # CAN FD
EXTENDED = 1 << 31  # above the 29 bits of an id; subtracted, so that ids stay within 32 signed bits
_MARKED = bytes(range(0x80, 0x100)) * 2  # a byte with its top bit set: subtracts EXTENDED from an id in its fourth byte

_WIDEST_PADDED = 8  # classic CAN

_frame = partial(tuple.__new__, Frame)


@dataclass(frozen=True, slots=True)
class FrameColumns:
    """The frames of one block, in the order of writing. `bus` indexes `buses`; a key below 0 is an extended id.

    `lengths` are the numbers of data bytes. `rows` are the data of all frames one behind the other, each padded with
    zeros to `width`; not padded, just as long as they are, where `width` is None.
    """

    buses: list[str]
    bus: array[int]
    times: Steps
    keys: array[int]
    lengths: array[int]
    rows: bytes
    width: int | None

    @property
    def count(self) -> int:
        """How many frames."""
        return len(self.keys)

    def times_ns(self) -> list[int]:
        """The time of each frame: wall time where the block's is known."""
        return self.times.values()

    def can_ids(self) -> list[int]:
        """The id of each frame, without the mark of an extended one."""
        return [key + EXTENDED if key < 0 else key for key in self.keys]

    def extended(self) -> list[bool]:
        """Whether each id is an extended one."""
        return [key < 0 for key in self.keys]

    def data(self) -> Iterator[bytes]:
        """The data of each frame."""
        if self.width is None:
            return cut(self.rows, self.lengths)
        starts = range(0, len(self.rows), self.width or 1)
        return (self.rows[start:start + length] for start, length in zip(starts, self.lengths, strict=True))

    def frames(self) -> list[Record]:
        """A record for every frame."""
        buses = map(self.buses.__getitem__, self.bus)
        return [*map(_frame, zip(self.times_ns(), buses, self.can_ids(), self.extended(), self.data(), strict=True))]

    def arrays(self) -> FrameArrays:
        """The same as numpy arrays; ModuleNotFoundError where numpy is not installed (the extra `bulk`)."""
        from twolbms.journal.frame_arrays import arrays_of
        return arrays_of(self)


def pack_frames(records: Sequence[Frame]) -> Packed:
    """The payload of a block; one of `payload.REFUSALS` when a frame cannot be held."""
    times, buses, ids, extended, data = zip(*records, strict=True)
    table, index = indexed(buses)
    where = pack_integers(index) if len(table) > 1 else b"b" + bytes(len(index))
    when, first_ns, last_ns = pack_times(times)
    lengths = bytes(map(len, data))  # ValueError above 255
    rows, by_bytes = _packed_data(data, lengths)
    return Packed(pack_names(table) + where + when + _pack_ids(ids, extended) + b"b" + lengths + rows,
                  first_ns, last_ns, by_bytes)


def _pack_ids(ids: tuple[int, ...], extended: tuple[bool, ...]) -> bytes:
    low, high = min(ids), max(ids)
    if low < 0 or high >= EXTENDED:
        raise ValueError("CAN id outside 0…2^31-1")
    if not any(extended):
        return pack_range(ids, low, high)
    if not all(extended):
        return pack_integers([number - EXTENDED if is_extended else number
                              for number, is_extended in zip(ids, extended, strict=True)])
    marked = bytearray(little(array("i", ids)))
    marked[3::4] = marked[3::4].translate(_MARKED)
    return b"i" + marked


def _packed_data(data: tuple[bytes, ...], lengths: bytes) -> tuple[bytes, bool]:
    """The first byte of every frame, then the second …: what stays the same from frame to frame lies together.

    That makes the block smaller and compressing it faster. Of data whose lengths differ the short ones are padded;
    where that would be much, the data just lie one behind the other, and the second value is False.
    """
    alike = lengths.count(lengths[0]) == len(lengths)
    width = lengths[0] if alike else max(lengths)
    if width > LARGEST_FRAME:
        raise ValueError(f"a frame of more than {LARGEST_FRAME} bytes")
    if not width or not (alike or width <= _WIDEST_PADDED):
        return b"".join(data), False
    joined = b"".join(data if alike else [row.ljust(width, b"\0") for row in data])
    return b"".join([joined[place::width] for place in range(width)]), True


def unpack_frames(raw: bytes, count: int, shift_ns: int, by_bytes: bool) -> FrameColumns:
    """What `pack_frames` packed, its times plus `shift_ns`; one of `payload.NONSENSE`."""
    columns = Columns(raw)
    table = unpack_names(columns)
    bus, times, keys = columns.integers(count), columns.later_steps(count, shift_ns), columns.integers(count)
    lengths, rows = columns.integers(count), columns.rest()
    if min(bus) < 0 or max(bus) >= len(table):
        raise ValueError("a bus that is not in the table")
    width = max(lengths) if by_bytes else None
    if min(lengths) < 0 or len(rows) != (sum(lengths) if width is None else width * count):
        raise ValueError("the lengths of the data do not add up")
    return FrameColumns(table, bus, times, keys, lengths, rows if width is None else _rows_of(rows, width), width)


def _rows_of(by_bytes: bytes, width: int) -> bytes:
    count = len(by_bytes) // width
    rows = bytearray(len(by_bytes))
    for place in range(width):
        rows[place::width] = by_bytes[place * count:(place + 1) * count]
    return bytes(rows)
