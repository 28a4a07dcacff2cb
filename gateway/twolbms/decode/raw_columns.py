"""Raw bits of signals out of the data of many frames. Knows places of bits; no sign, scale or name of a value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twolbms.decode.layout import byte_words, parts_of
from twolbms.decode.message import CompiledMessage
from twolbms.decode.signals import Signal
from twolbms.decode.value_tables import value_of

Array = NDArray[Any]


class RawColumns:
    """The data of many frames, one row a frame, as wide as their message. Bits come unsigned as int64 up to 63 of
    them, as uint64 of 64, as Python integers (dtype object) of more."""

    def __init__(self, data: Array, words: dict[str, Array] | None = None) -> None:
        self._data = data
        self._words = {} if words is None else words
        self.width = data.shape[1]
        if words is None and self.width <= 8:
            padded = np.zeros((len(data), 8), dtype=np.uint8)
            padded[:, : self.width] = data
            self._words = {"little": padded.view("<u8").ravel(), "big": padded.view(">u8").ravel()}

    def __len__(self) -> int:
        return len(self._data)

    def part(self, rows: Array | slice) -> RawColumns:
        """Some of the frames."""
        return RawColumns(self._data[rows], {order: words[rows] for order, words in self._words.items()})

    def bits(self, signal: Signal) -> Array:
        """The raw bits of a signal."""
        if signal.length > 64:
            return self._long(signal)
        return self._from_word(signal) if self._words else self._from_bytes(signal)

    def _from_word(self, signal: Signal) -> Array:
        shift = signal.bits.start if signal.order == "little" else 64 - signal.bits.stop
        words = self._words[signal.order]
        bits = words >> np.uint64(shift) if shift else words
        if signal.length == 64:
            return bits.astype(np.uint64, copy=False)
        if shift + signal.length < 64:
            bits = bits & np.uint64((1 << signal.length) - 1)
        return bits.astype(np.int64, copy=False) if not bits.dtype.isnative else bits.view(np.int64)

    def _from_bytes(self, signal: Signal) -> Array:
        bits = np.zeros(len(self._data), dtype=np.uint64)
        for part in parts_of(signal, byte_words([signal])):
            piece = (self._data[:, part.word.offset] >> np.uint8(part.shift)) & np.uint8((1 << part.length) - 1)
            bits |= piece.astype(np.uint64) << np.uint64(part.place)
        return bits if signal.length == 64 else bits.view(np.int64)

    def _long(self, signal: Signal) -> Array:
        parts = parts_of(signal, byte_words([signal]))
        bits = np.empty(len(self._data), dtype=object)
        for index, row in enumerate(self._data.tolist()):
            bits[index] = sum((row[p.word.offset] >> p.shift & (1 << p.length) - 1) << p.place for p in parts)
        return bits


def page_rows(message: CompiledMessage, source: RawColumns) -> Iterator[Array]:
    """For each page of the message the frames that show it."""
    numbers: dict[str, Array] = {}
    for page in message.pages:
        if not page.chosen:
            yield np.arange(len(source))
            return
        here = np.ones(len(source), dtype=bool)
        for name, number in page.chosen:
            if name not in numbers:
                numbers[name] = _numbers(message.signals[name], source)
            here &= numbers[name] == number
        yield np.flatnonzero(here)


def _numbers(selector: Signal, source: RawColumns) -> Array:
    """The numbers a multiplexer selects by: its value made whole; a NaN or infinite one selects nothing."""
    bits = source.bits(selector)
    if selector.identity and not selector.signed and not selector.is_float and selector.length < 64:
        return bits
    values, index = np.unique(bits, return_inverse=True)
    value = value_of(selector.without_codes())
    numbers = [value(each) or 0 for each in values.tolist()]
    whole = np.array([int(each) if each - each == 0 else None for each in numbers], dtype=object)
    return whole[index]
