"""The lines of one page of a message, many frames at once: a matrix of bytes, a row a frame, filled column by column.

Knows fields and their places in a row; no id, no bus and no table of frames.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twolbms.decode.line_fields import field_key, in_order
from twolbms.decode.message import CompiledMessage, Page
from twolbms.decode.raw_columns import RawColumns
from twolbms.decode.refused import Refused
from twolbms.decode.signals import Signal
from twolbms.decode.text_columns import Coding, Texts, ValueTexts

Array = NDArray[Any]


class _Field(NamedTuple):
    signal: Signal
    key: bytes
    values: ValueTexts


class _Filled(NamedTuple):
    """A field's place in the rows: its comma or begin, and its end."""

    start: int
    stop: int
    blank: Array | None


class PageLines:
    """Makes the lines of a page."""

    def __init__(self, fields: list[_Field]) -> None:
        self._fields = fields

    def text(self, source: RawColumns, prefixes: Array, times: Array, refused: Counter[str]) -> tuple[bytearray, int]:
        """The lines of these frames, and how many they are."""
        count = len(prefixes)
        if not self._fields:
            refused[Refused.NO_VALUES] += count
            return bytearray(), 0
        columns = [field.values.column(source.bits(field.signal)) for field in self._fields]
        template = _template(prefixes.itemsize, self._fields, columns, times.itemsize)
        buffer = bytearray(count * len(template))
        rows = np.frombuffer(buffer, dtype=np.uint8).reshape(count, len(template))
        rows[:] = template
        _column(rows, 0, prefixes)
        place, filled = prefixes.itemsize, []
        for field, column in zip(self._fields, columns, strict=True):
            start, place = place, place + len(field.key)
            _column(rows, place, column.values[column.index])
            place += column.values.itemsize
            filled.append(_Filled(start, place, column.blank))
        _column(rows, place + 1, times)
        kept = count
        if any(each.blank is not None for each in filled):
            empty = _leave_out(rows, filled)
            kept -= empty
            if empty:
                refused[Refused.NO_VALUES] += empty
        return buffer.translate(None, b"\0"), kept


def page_lines(message: CompiledMessage, page: Page, coding: Coding) -> PageLines:
    """The way from frames of a page to their lines."""
    fields: list[_Field] = []
    for signal in in_order(page.signals):
        comma = "," if fields else ""
        fields.append(_Field(signal, f"{comma}{field_key(signal.name)}=".encode(), coding.of(signal)))
    return PageLines(fields)


def _template(prefix: int, fields: list[_Field], columns: list[Texts], time: int) -> Array:
    """A row in which only what is the same in all stands."""
    row = bytes(prefix)
    for field, column in zip(fields, columns, strict=True):
        row += field.key + bytes(column.values.itemsize)
    return np.frombuffer(row + b" " + bytes(time) + b"\n", dtype=np.uint8)


def _column(rows: Array, place: int, texts: Array) -> None:
    """Copies a text into each row."""
    view = np.ndarray((len(rows),), dtype=texts.dtype, buffer=rows.data, offset=place, strides=rows.strides[:1])
    view[:] = texts


def _leave_out(rows: Array, fields: list[_Filled]) -> int:
    """Takes out fields that have no value, the comma of the first one that is left, and rows without any; how many."""
    headless = np.ones(len(rows), dtype=bool)
    for at, field in enumerate(fields):
        if field.blank is not None:
            rows[field.blank, field.start:field.stop] = 0
            first = headless & ~field.blank
        else:
            first = headless
        if at and first.any():
            rows[first, field.start] = 0
        headless &= ~first
        if at == 0 and not headless.any() and all(each.blank is None for each in fields[1:]):
            return 0
    rows[headless] = 0
    return int(np.count_nonzero(headless))
