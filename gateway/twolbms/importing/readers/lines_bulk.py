"""Lines of text in bulk: lines of one shape are parsed as a matrix of characters. Needs numpy. Knows no format.

A format gives a pattern, what a match of it means, and its plain reader for the lines that have no common shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from twolbms.decode.table import FrameTable
from twolbms.importing.frames import DATA, MOST_TIME_NS, LogFrame
from twolbms.importing.readers.tables import rows_of, widened

_MOST_SHAPES = 8  # of lines of one length; what is left then is parsed line by line
_FEWEST_LINES = 16  # below this many lines a matrix costs more than it saves
_NO_FRAME = 100

Array = NDArray[Any]


class Shape(NamedTuple):
    """What stands where in a line: places of digits, and values that all lines of the shape share.

    `data` are the places of the first digit of each byte; what stands from `free_from` on does not matter. Every other
    character has to be that of the line the shape was found in.
    """

    seconds: range
    fraction: range
    can_id: range
    extended: bool
    bus: str
    data: Sequence[int]
    free_from: int


class Format(NamedTuple):
    """How lines of a format are read. `plain(line, number)` gives the frame of one line and notes what is none."""

    pattern: re.Pattern[bytes]
    shape: Callable[[re.Match[bytes]], Shape | None]
    plain: Callable[[bytes, int], LogFrame | None]


def _digit_table() -> NDArray[np.uint8]:
    table = np.full(256, 255, dtype=np.uint8)
    for value, digit in enumerate("0123456789abcdef"):
        table[ord(digit)] = table[ord(digit.upper())] = value
    return table


_DIGITS = _digit_table()


class LineTable:
    """Parses one chunk of whole lines, before which came `number` lines. Rows of `table` are lines until `frames`."""

    def __init__(self, chunk: bytes, number: int, form: Format) -> None:
        self.text = chunk
        self._form = form
        self._number = number
        self._bytes = np.frombuffer(chunk, dtype=np.uint8)
        ends = np.flatnonzero(self._bytes == 10)
        if not chunk.endswith(b"\n"):
            ends = np.append(ends, len(chunk))
        self._starts = np.concatenate(([0], ends[:-1] + 1))
        self._ends = ends
        count = len(ends)
        self.table = FrameTable(
            time_ns=np.zeros(count, dtype=np.int64),
            bus=np.zeros(count, dtype=np.int32),
            can_id=np.zeros(count, dtype=np.int64),
            extended=np.zeros(count, dtype=bool),
            kind=np.full(count, _NO_FRAME, dtype=np.uint8),
            length=np.zeros(count, dtype=np.int64),
            data=np.zeros((count, 8), dtype=np.uint8),
            buses=[],
        )
        self._bus_index: dict[str, int] = {}
        self._parse()

    def frames(self) -> FrameTable:
        """The rows that are frames."""
        keep = self.table.kind < _NO_FRAME
        return self.table if keep.all() else rows_of(self.table, keep)

    def line(self, row: int) -> bytes:
        """The text of a line without its end."""
        return self.text[self._starts[row] : self._ends[row]]

    def frame_rows(self) -> Array:
        """The numbers of the rows that are frames."""
        return np.flatnonzero(self.table.kind < _NO_FRAME)

    def is_frame(self, row: int) -> bool:
        """Whether a line gave a frame."""
        return bool(self.table.kind[row] < _NO_FRAME)

    def drop(self, row: int) -> None:
        """Make no frame of a line."""
        self.table.kind[row] = _NO_FRAME

    def _parse(self) -> None:
        widths = self._ends - self._starts
        left: list[int] = []
        for width in np.flatnonzero(np.bincount(widths)).tolist():
            rows = np.flatnonzero(widths == width)
            if width and len(rows) >= _FEWEST_LINES:
                rows = self._parse_same_width(rows, width)
            left += rows.tolist()
        left.sort()
        for row in left:
            frame = self._form.plain(self.line(row), self._number + row + 1)
            if frame is not None:
                self._put(row, frame)

    def _parse_same_width(self, rows: Array, width: int) -> Array:
        """Parse lines of one width by the shapes found among them; returns the rows that are left."""
        # Columns of characters, each contiguous: character k of all lines is columns[k].
        columns = np.ascontiguousarray(sliding_window_view(self._bytes, width)[self._starts[rows]].T)
        left: list[int] = []
        for _ in range(_MOST_SHAPES):
            if not len(rows):
                break
            found = self._form.pattern.fullmatch(columns[:, 0].tobytes())
            shape = self._form.shape(found) if found else None
            if shape is None or found is None:
                left.append(int(rows[0]))
                rows, columns = rows[1:], columns[:, 1:]
                continue
            misfits = ~self._take_shape(rows, columns, shape, found[0])
            rows, columns = rows[misfits], columns[:, misfits]
        return np.concatenate((np.array(left, dtype=rows.dtype), rows))

    def _take_shape(self, rows: Array, columns: Array, shape: Shape, model: bytes) -> Array:
        """Put the lines of one shape into the table; returns which lines those are."""
        fits = np.ones(len(rows), dtype=bool)
        data = [place for first in shape.data for place in (first, first + 1)]
        digits = _digits(columns, [(shape.seconds, 10), (shape.fraction, 10), (shape.can_id, 16), (data, 16)], fits)
        for place in range(min(shape.free_from, len(columns))):
            if place not in digits:
                fits &= columns[place] == model[place]
        numbers = _number(digits, shape.can_id, 16)
        fits &= numbers < (0x20000000 if shape.extended else 0x800)  # what is no id goes line by line
        whole_s = _number(digits, shape.seconds, 10)
        fits &= whole_s <= (MOST_TIME_NS - 1) // 1_000_000_000
        whole = bool(fits.all())
        at = rows if whole else rows[fits]
        times = whole_s * 1_000_000_000 + _number(digits, shape.fraction, 10) * 10 ** (9 - len(shape.fraction))
        table = self.table
        table.time_ns[at] = times if whole else times[fits]
        table.bus[at] = self._bus(shape.bus)
        table.can_id[at] = numbers if whole else numbers[fits]
        table.extended[at] = shape.extended
        table.kind[at] = DATA
        table.length[at] = len(shape.data)
        octets = np.empty((len(rows), len(shape.data)), dtype=np.uint8)
        for index, place in enumerate(shape.data):
            np.bitwise_or(digits[place] << 4, digits[place + 1], out=octets[:, index])
        table.data[at, : len(shape.data)] = octets if whole else octets[fits]
        return fits

    def _put(self, row: int, frame: LogFrame) -> None:
        table = self.table
        if len(frame.data) > table.data.shape[1]:
            table.data = widened(table.data, 64)
        table.time_ns[row] = frame.time_ns
        table.bus[row] = self._bus(frame.bus)
        table.can_id[row] = frame.can_id
        table.extended[row] = frame.extended
        table.kind[row] = frame.kind
        table.length[row] = len(frame.data)
        table.data[row, : len(frame.data)] = np.frombuffer(frame.data, dtype=np.uint8)

    def _bus(self, name: str) -> int:
        if name not in self._bus_index:
            self._bus_index[name] = len(self.table.buses)
            self.table.buses.append(name)
        return self._bus_index[name]


def _digits(columns: Array, runs: list[tuple[Sequence[int], int]], fits: Array) -> dict[int, Array]:
    """The values of the digits in the runs of columns; a line with another character there no longer fits."""
    values = {}
    for run, base in runs:
        for place in run:
            values[place] = _DIGITS[columns[place]] if base == 16 else columns[place] - np.uint8(48)
            fits &= values[place] < base
    return values


def _number(digits: dict[int, Array], run: range, base: int) -> Array:
    """The numbers whose digits stand in a run of columns."""
    total: Array = np.zeros(len(digits[run[0]]), dtype=np.int64)
    for place in run:
        total *= base
        total += digits[place]
    return total
