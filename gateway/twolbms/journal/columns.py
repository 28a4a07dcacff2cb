"""Numbers and texts as the columns of a block: little-endian arrays in the narrowest type that holds them.

Knows nothing of records. A column does not carry its length: the block header says how many records there are.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import sub
from typing import NamedTuple

_BASE = struct.Struct("<q")
_COUNT = struct.Struct("<H")
_NARROW = (("b", 7), ("h", 15), ("i", 31), ("q", 63))
_SWAP = sys.byteorder == "big"


def little(values: array[int] | array[float]) -> bytes:
    """The bytes of an array that nobody else uses, in little-endian order."""
    if _SWAP:
        values.byteswap()
    return values.tobytes()


def pack_integers(values: Sequence[int]) -> bytes:
    """A type letter (b, h, i, q: 1, 2, 4, 8 bytes, signed), then the values; OverflowError beyond 64 bits."""
    return pack_range(values, min(values), max(values))


def pack_range(values: Sequence[int], low: int, high: int) -> bytes:
    """As `pack_integers`, for values of which the lowest and the highest are known."""
    for code, bits in _NARROW:
        if -(1 << bits) <= low and high < 1 << bits:
            return code.encode() + little(array(code, values))
    raise OverflowError(f"{low}…{high} does not fit 64 bits")


def pack_steps(values: Sequence[int]) -> bytes:
    """The first value (8 bytes), then an integer column: 0 and the difference of each value from the one before."""
    return _BASE.pack(values[0]) + pack_integers([0, *map(sub, values[1:], values)])


def pack_times(values: Sequence[int]) -> tuple[bytes, int, int]:
    """What `pack_steps` packs, in a type wide enough for most times, and the earliest and the latest of them."""
    steps = [0, *map(sub, values[1:], values)]
    try:
        packed = b"i" + little(array("i", steps))
    except OverflowError:
        packed = pack_integers(steps)
    in_order = min(steps) >= 0
    return (_BASE.pack(values[0]) + packed, values[0] if in_order else min(values),
            values[-1] if in_order else max(values))


def pack_floats(values: Sequence[float]) -> bytes:
    """IEEE 754 doubles."""
    return little(array("d", values))


def pack_text(text: str) -> bytes:
    """UTF-8 behind its length in bytes (2 bytes); struct.error above 65,535."""
    encoded = text.encode("utf-8", "surrogatepass")
    return _COUNT.pack(len(encoded)) + encoded


def cut(raw: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Data laid one behind the other as its single parts; ValueError when the sizes do not add up to it."""
    ends = [*accumulate(sizes)]
    if (ends[-1] if ends else 0) != len(raw) or min(sizes, default=0) < 0:
        raise ValueError("the lengths of the data do not add up")
    return (raw[end - size:end] for size, end in zip(sizes, ends, strict=True))


class Steps(NamedTuple):
    """Numbers as packed: each of `steps` is the difference from the number before, of the first one from `start`."""

    start: int
    steps: array[int]

    def values(self) -> list[int]:
        """The numbers themselves."""
        return [*accumulate(self.steps, initial=self.start)][1:]


class Packed(NamedTuple):
    """The payload of a block and the times of its records; `by_bytes`: frames whose data lie byte by byte."""

    raw: bytes
    first_ns: int
    last_ns: int
    by_bytes: bool = False


class Columns:
    """Takes columns off a payload from front to back; ValueError or struct.error when it ends too early."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        part = self._raw[self._at:self._at + size]
        if len(part) != size:
            raise ValueError("payload ends inside a column")
        self._at += size
        return part

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """The next fields of a fixed layout."""
        return layout.unpack(self.take(layout.size))

    def _array(self, code: str, count: int) -> array[int]:
        values: array[int] = array(code)
        values.frombytes(self.take(count * values.itemsize))
        if _SWAP:
            values.byteswap()
        return values

    def integers(self, count: int) -> array[int]:
        """What `pack_integers` packed."""
        code = self.take(1).decode("ascii")
        if code not in "bhiq":
            raise ValueError(f"unknown column type {code!r}")
        return self._array(code, count)

    def steps(self, count: int, shift: int = 0) -> list[int]:
        """What `pack_steps` packed, each value plus `shift`."""
        return self.later_steps(count, shift).values()

    def later_steps(self, count: int, shift: int = 0) -> Steps:
        """The same, not yet added up."""
        base, = _BASE.unpack(self.take(_BASE.size))
        return Steps(base + shift, self.integers(count))

    def floats(self, count: int) -> list[float]:
        """What `pack_floats` packed."""
        values: array[float] = array("d")
        values.frombytes(self.take(count * 8))
        if _SWAP:
            values.byteswap()
        return values.tolist()

    def text(self) -> str:
        """What `pack_text` packed."""
        size, = _COUNT.unpack(self.take(_COUNT.size))
        return self.take(size).decode("utf-8", "surrogatepass")

    def rest(self) -> bytes:
        """Everything not yet taken."""
        return self.take(len(self._raw) - self._at)
