"""Texts of values for whole columns of raw bits: each different value is written once and then copied by its number.

Knows signals and numpy arrays; no message and no line. Needs the extra `bulk` (numpy).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twolbms.decode.line_fields import text_of
from twolbms.decode.signals import Signal

Array = NDArray[Any]
_LONGEST = 16  # bits of a signal whose every text may be kept
_MOST_OF_A_LONG = 4096


@dataclass(frozen=True, slots=True)
class Texts:
    """`index` says of each frame which of `values` is its text, `blank` where that is none (None: nowhere)."""

    index: Array
    values: Array
    blank: Array | None


class ValueTexts:
    """The texts of one coding, of which those that may come again are kept."""

    def __init__(self, signal: Signal) -> None:
        self._text = text_of(signal)
        self._every = signal.length <= _LONGEST
        self._place: Array = np.full(1 << signal.length if self._every else 0, -1, dtype=np.int32)
        self._sorted: Array = np.zeros(1, dtype=np.int64)  # the raw bits of a long signal, and where their texts are
        self._where: Array = np.zeros(1, dtype=np.intp)
        self._count = 0
        self._values: Array = np.zeros(0, dtype="V1")
        self._blank: Array = np.zeros(0, dtype=bool)
        self._any_blank = False
        if not self._every:
            self._add([0])

    def column(self, bits: Array) -> Texts:
        """The texts of a column of raw bits."""
        index = self._by_place(bits) if self._every else self._by_search(bits)
        blank = self._blank[index] if self._any_blank else None
        return Texts(index, self._values, blank if blank is not None and blank.any() else None)

    def _by_place(self, bits: Array) -> Array:
        index: Array = self._place[bits]
        if len(index) and index.min() < 0:
            new = np.unique(bits[index < 0]).tolist()
            self._place[new] = np.arange(self._count, self._count + len(new))
            self._add(new)
            index = self._place[bits]
        return index

    def _by_search(self, bits: Array) -> Array:
        """Long signals rest at few values or come to none again: all are forgotten when they are too many."""
        place = self._search(bits)
        unknown = self._sorted[place] != bits
        if unknown.any():
            new = np.unique(bits[unknown])
            if len(self._sorted) + len(new) > _MOST_OF_A_LONG:
                new = np.unique(bits)
                self._sorted, self._where, self._count = self._sorted[:0], self._where[:0], 0
                # Not written over: the column of another signal of this coding may still point into them.
                self._values, self._blank = np.zeros(0, dtype="V1"), np.zeros(0, dtype=bool)
            values = np.concatenate([self._sorted.astype(bits.dtype), new])
            where = np.concatenate([self._where, np.arange(self._count, self._count + len(new))])
            self._add(new.tolist())
            order = np.argsort(values)
            self._sorted, self._where = values[order], where[order]
            place = self._search(bits)
        index: Array = self._where[place]
        return index

    def _search(self, bits: Array) -> Array:
        place: Array = np.searchsorted(self._sorted, bits)
        return np.minimum(place, len(self._sorted) - 1)

    def _add(self, bits: list[int]) -> None:
        """Texts behind those that are there; room is doubled where it is missing."""
        texts = padded([self._text(each).encode() for each in bits])
        count, more = self._count, self._count + len(texts)
        width = max(texts.itemsize, self._values.itemsize if count else 1)
        if more > len(self._values) or width > self._values.itemsize:
            values = np.zeros(max(more, 2 * count), dtype=f"V{width}")
            values[:count] = _widened(self._values[:count], width)
            blank = np.zeros(len(values), dtype=bool)
            blank[:count] = self._blank[:count]
            self._values, self._blank = values, blank
        self._values[count:more] = _widened(texts, self._values.itemsize)
        self._blank[count:more] = [not text.tobytes().strip(b"\0") for text in texts]
        self._any_blank = bool(self._blank[:more].any())
        self._count = more


def _widened(texts: Array, width: int) -> Array:
    """The same texts with more zeros behind them."""
    return texts.view(f"S{texts.itemsize}").astype(f"S{width}").view(f"V{width}")


class Coding:
    """The texts of all codings of a writer, one for signals that are coded alike."""

    def __init__(self) -> None:
        self._known: dict[Any, ValueTexts] = {}

    def of(self, signal: Signal) -> ValueTexts:
        """The texts of a signal."""
        key = (signal.length, signal.signed, signal.is_float, repr(signal.scale), repr(signal.offset),
               signal.not_available)
        if key not in self._known:
            self._known[key] = ValueTexts(signal)
        return self._known[key]


def padded(texts: Sequence[bytes]) -> Array:
    """Texts as one column of bytes of one width, padded with zeros."""
    width = max(map(len, texts), default=1) or 1
    return np.array(texts, dtype=f"S{width}").view(f"V{width}") if texts else np.zeros(0, dtype=f"V{width}")


_DIGITS = padded([b"%04d" % number for number in range(10_000)])
_THREE = padded([b"%03d" % number for number in range(1_000)])


def time_texts(times_ns: Array) -> Array:
    """Times in nanoseconds as one column of bytes."""
    if len(times_ns) and times_ns.min() >= 10**18:
        texts = np.empty(len(times_ns), dtype="V19")
        rest = times_ns
        for place in (15, 11, 7, 3):
            above = rest // 10_000
            _part(texts, place, 4)[:] = _DIGITS[rest - above * 10_000]
            rest = above
        _part(texts, 0, 3)[:] = _THREE[rest]
        return texts
    return padded([b"%d" % each for each in times_ns.tolist()])


def _part(texts: Array, place: int, width: int) -> Array:
    """A view of some of the bytes of each text."""
    return np.ndarray((len(texts),), dtype=f"V{width}", buffer=texts.data, offset=place, strides=texts.strides)
