"""The bulk way: one message's signals out of many frames at once, as numpy columns. Needs the extra `bulk` (numpy).

The same operations as the plain readers, so the same values; a signal whose numbers could leave 64 bits is computed
in Python integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twolbms.decode.layout import byte_words, parts_of
from twolbms.decode.message import CompiledMessage
from twolbms.decode.signals import Signal

Bytes = NDArray[np.uint8]
Numbers = NDArray[Any]

_FLOATS = {16: np.float16, 32: np.float32, 64: np.float64}


@dataclass(frozen=True)
class Column:
    """One signal of many frames: `values[i]` stands in frame `rows[i]`; `valid[i]` is False at a "not available" code.

    Values are int64, uint64, float64, or Python numbers (dtype object) where those would not be exact.
    """

    rows: NDArray[np.intp]
    values: Numbers
    valid: NDArray[np.bool_]


def read_columns(message: CompiledMessage, data: Bytes, only: Iterable[str] | None = None) -> dict[str, Column]:
    """Columns of `message` from `data`: one row a frame, at least `message.length` bytes wide.

    `only` names the signals wanted. A frame whose multiplexer has no page in the DBC stands in no column, and a signal
    whose page never came is not in the result.
    """
    if data.ndim != 2 or data.shape[1] < message.length:
        raise ValueError(f"{message.name}: rows of {message.length} bytes are needed")
    wanted = set(message.signals if only is None else only)
    source = _Source(data[:, : message.length])
    pieces: dict[str, list[Column]] = {name: [] for name in message.signals if name in wanted}
    selectors: dict[str, Numbers] = {}
    for page in message.pages:
        rows = np.arange(len(data))
        for name, number in page.chosen:
            if name not in selectors:
                selectors[name] = _whole(_scaled(message.signals[name], source.raw(message.signals[name])))
            rows = rows[selectors[name][rows] == number]
        for signal in page.signals:
            if signal.name in wanted and (len(rows) or not page.chosen):
                pieces[signal.name].append(_column(signal, source, rows, everything=not page.chosen))
    return {name: _joined(columns) for name, columns in pieces.items() if columns}


def paged_rows(message: CompiledMessage, data: Bytes) -> NDArray[np.bool_]:
    """Which frames have a page the DBC names; all of them where nothing is multiplexed."""
    paged = np.zeros(len(data), dtype=bool)
    source = _Source(data[:, : message.length])
    for page in message.pages:
        here = np.ones(len(data), dtype=bool)
        for name, number in page.chosen:
            here &= _whole(_scaled(message.signals[name], source.raw(message.signals[name]))) == number
        paged |= here
    return paged


def _column(signal: Signal, source: _Source, rows: NDArray[np.intp], everything: bool) -> Column:
    raw = source.raw(signal) if everything else source.raw(signal)[rows]
    valid = np.ones(len(raw), dtype=bool)
    for code in signal.not_available:
        valid &= raw != code
    return Column(rows, _scaled(signal, raw), valid)


def _joined(columns: Sequence[Column]) -> Column:
    """The column of a signal that stands in several pages, in the order of the frames."""
    if len(columns) == 1:
        return columns[0]
    rows = np.concatenate([column.rows for column in columns])
    order = np.argsort(rows, kind="stable")
    values = np.concatenate([column.values for column in columns])
    valid = np.concatenate([column.valid for column in columns])
    return Column(rows[order], values[order], valid[order])


class _Source:
    """The data of many frames, with each signal's raw column fetched once."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self._raw: dict[str, Numbers] = {}
        self._whole: dict[str, NDArray[np.uint64]] = {}
        self.width = data.shape[1]
        if self.width <= 8:
            padded = np.zeros((len(data), 8), dtype=np.uint8)
            padded[:, : self.width] = data
            self._whole["little"] = padded.view("<u8").ravel().astype(np.uint64, copy=False)
            self._whole["big"] = padded.view(">u8").ravel().astype(np.uint64)

    def raw(self, signal: Signal) -> Numbers:
        if signal.name not in self._raw:
            self._raw[signal.name] = self._fetch(signal)
        return self._raw[signal.name]

    def _fetch(self, signal: Signal) -> Numbers:
        if signal.length > 64:
            return self._long(signal)
        bits = self._from_whole(signal) if self._whole else self._from_bytes(signal)
        if signal.is_float:
            narrow = bits.astype(f"<u{signal.length // 8}")
            with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
                return narrow.view(_FLOATS[signal.length]).astype(np.float64)
        if not signal.signed:
            return bits if signal.length == 64 else bits.astype(np.int64)
        if signal.length == 64:
            return bits.view(np.int64)
        sign = np.int64(1 << (signal.length - 1))
        return (bits.astype(np.int64) ^ sign) - sign

    def _from_whole(self, signal: Signal) -> NDArray[np.uint64]:
        shift = signal.bits.start if signal.order == "little" else 64 - signal.bits.stop
        bits = self._whole[signal.order] >> np.uint64(shift)
        return bits if signal.length == 64 else bits & np.uint64((1 << signal.length) - 1)

    def _from_bytes(self, signal: Signal) -> NDArray[np.uint64]:
        bits = np.zeros(len(self._data), dtype=np.uint64)
        for part in parts_of(signal, byte_words([signal])):
            piece = (self._data[:, part.word.offset] >> np.uint8(part.shift)) & np.uint8((1 << part.length) - 1)
            bits |= piece.astype(np.uint64) << np.uint64(part.place)
        return bits

    def _long(self, signal: Signal) -> Numbers:
        """Raw values of more than 64 bits (CAN FD only), as Python integers."""
        parts = parts_of(signal, byte_words([signal]))
        raw = np.empty(len(self._data), dtype=object)
        sign = 1 << (signal.length - 1) if signal.signed else 0
        for index, row in enumerate(self._data.tolist()):
            pieces = ((row[p.word.offset] >> p.shift & (1 << p.length) - 1) << p.place for p in parts)
            raw[index] = (sum(pieces) ^ sign) - sign
        return raw


def _scaled(signal: Signal, raw: Numbers) -> Numbers:
    if signal.identity:
        return raw
    if raw.dtype != object and not signal.is_float and not _stays_exact(signal):
        raw = raw.astype(object)
    with np.errstate(over="ignore", invalid="ignore"):  # infinite is what Python computes too
        return raw * signal.scale + signal.offset


def _stays_exact(signal: Signal) -> bool:
    """An int times an int scale must not wrap; a float scale takes any raw value."""
    if not isinstance(signal.scale, int):
        return True
    largest = max(abs(signal.raw_range[0]), abs(signal.raw_range[-1])) * abs(signal.scale)
    return largest + abs(int(signal.offset)) < 1 << 63 and abs(int(signal.offset)) < 1 << 63


def _whole(numbers: Numbers) -> Numbers:
    """Multiplexer numbers as ints: a scaled value is cut, as `int()` does."""
    if numbers.dtype == object:
        return np.array([int(number) for number in numbers], dtype=object)
    return np.trunc(numbers).astype(np.int64) if numbers.dtype == np.float64 else numbers
