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

from twolbms.decode.message import CompiledMessage
from twolbms.decode.raw_columns import RawColumns, page_rows
from twolbms.decode.signals import Signal

Bytes = NDArray[np.uint8]
Numbers = NDArray[Any]

_FLOATS = {16: np.float16, 32: np.float32, 64: np.float64}


@dataclass(frozen=True)
class Column:
    """One signal of many frames: `values[i]` stands in frame `rows[i]`; `valid[i]` is False at a "not available" code.

    Values are int64, uint64, float64, or Python numbers (dtype object) where those would not be exact. `rows` and
    `valid` are shared by columns and not to be written to.
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
    source = RawColumns(data[:, : message.length])
    pieces: dict[str, list[Column]] = {name: [] for name in message.signals if name in wanted}
    for page, rows in zip(message.pages, page_rows(message, source), strict=True):
        signals = [signal for signal in page.signals if signal.name in wanted]
        if not signals or not (len(rows) or not page.chosen):
            continue
        part = source if len(rows) == len(source) else source.part(rows)
        for signal in signals:
            pieces[signal.name].append(_column(signal, part, rows))
    return {name: _joined(columns) for name, columns in pieces.items() if columns}


def paged_rows(message: CompiledMessage, data: Bytes) -> NDArray[np.bool_]:
    """Which frames have a page the DBC names; all of them where nothing is multiplexed."""
    paged = np.zeros(len(data), dtype=bool)
    for rows in page_rows(message, RawColumns(data[:, : message.length])):
        paged[rows] = True
    return paged


def _column(signal: Signal, source: RawColumns, rows: NDArray[np.intp]) -> Column:
    raw = _raw(signal, source.bits(signal))
    valid: NDArray[np.bool_] = np.broadcast_to(np.True_, len(raw))
    for code in signal.not_available:
        valid = valid & (raw != code)
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


def _raw(signal: Signal, bits: Numbers) -> Numbers:
    """Raw values of raw bits."""
    if signal.is_float:
        narrow = bits.astype(f"<u{signal.length // 8}")
        with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
            return narrow.view(_FLOATS[signal.length]).astype(np.float64)
    if not signal.signed:
        return bits
    if signal.length == 64:
        return bits.view(np.int64)
    sign = 1 << (signal.length - 1)
    return (bits ^ sign) - sign


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
