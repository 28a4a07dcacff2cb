"""Candump text in bulk: lines of one shape are parsed as a matrix of characters. Needs numpy.

A line that does not have the shape of its neighbours goes to `candump.parse_line`, so both readers see the same log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from twolbms.decode.table import FrameTable
from twolbms.importing.candump import looks_cut, parse_line
from twolbms.importing.frames import DATA, MOST_TIME_NS, Damage, LogFrame

_SHAPE = re.compile(
    rb"\((\d{1,11})\.(\d{6}|\d{9})\) ([!-~]+) ([0-9A-Fa-f]{3}|[0-9A-Fa-f]{8})#((?:[0-9A-Fa-f]{2}){0,8})(?: [RT])?\r?"
)
_MOST_SHAPES = 8  # of lines of one length; what is left then is parsed line by line
_FEWEST_LINES = 16  # below this many lines a matrix costs more than it saves
_NO_FRAME, _BLANK = 100, 101

Array = NDArray[Any]


def _digit_table() -> NDArray[np.uint8]:
    table = np.full(256, 255, dtype=np.uint8)
    for value, digit in enumerate("0123456789abcdef"):
        table[ord(digit)] = table[ord(digit.upper())] = value
    return table


_DIGITS = _digit_table()


def read_tables(chunks: Iterator[bytes], damage: Damage) -> Iterator[FrameTable]:
    """The frames of each chunk of whole lines; what is no frame is counted in `damage`."""
    number = 0
    for chunk in chunks:
        parser = _ChunkParser(chunk)
        for row in np.flatnonzero(parser.table.kind == _NO_FRAME).tolist():
            damage.line(number + row + 1)
        number += chunk.count(b"\n")
        kept = parser.frames()
        if len(kept.time_ns):
            yield kept


class _ChunkParser:
    """Parses one chunk; `table` has a row a line, with lines that are no frames marked in `kind`."""

    def __init__(self, chunk: bytes) -> None:
        self._text = chunk
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
            kind=np.full(count, _BLANK, dtype=np.uint8),
            length=np.zeros(count, dtype=np.int64),
            data=np.zeros((count, 8), dtype=np.uint8),
            buses=[],
        )
        self._bus_index: dict[str, int] = {}
        self._parse()

    def frames(self) -> FrameTable:
        """The rows that are frames."""
        table = self.table
        keep = table.kind < _NO_FRAME
        if keep.all():
            return table
        return FrameTable(
            table.time_ns[keep], table.bus[keep], table.can_id[keep], table.extended[keep],
            table.kind[keep], table.length[keep], table.data[keep], table.buses,
        )

    def _parse(self) -> None:
        widths = self._ends - self._starts
        for width in np.unique(widths).tolist():
            rows = np.flatnonzero(widths == width)
            if width and len(rows) >= _FEWEST_LINES:
                rows = self._parse_same_width(rows, width)
            for row in rows.tolist():
                self._parse_one(row)
        self._check_last_line()

    def _parse_same_width(self, rows: Array, width: int) -> Array:
        """Parse lines of one width by the shapes found among them; returns the rows that are left."""
        # Columns of characters, each contiguous: character k of all lines is columns[k].
        columns = np.ascontiguousarray(sliding_window_view(self._bytes, width)[self._starts[rows]].T)
        left: list[int] = []
        for _ in range(_MOST_SHAPES):
            if not len(rows):
                break
            shape = _SHAPE.fullmatch(columns[:, 0].tobytes())
            if shape is None:
                left.append(int(rows[0]))
                rows, columns = rows[1:], columns[:, 1:]
                continue
            misfits = ~self._take_shape(rows, columns, shape)
            rows, columns = rows[misfits], columns[:, misfits]
        return np.concatenate((np.array(left, dtype=rows.dtype), rows))

    def _take_shape(self, rows: Array, columns: Array, shape: re.Match[bytes]) -> Array:
        """Put the lines of one shape into the table; returns which lines those are."""
        seconds, fraction, _, ids, data = (range(*shape.span(group)) for group in range(1, 6))
        fits = np.ones(len(rows), dtype=bool)
        digits = _digits(columns, [(seconds, 10), (fraction, 10), (ids, 16), (data, 16)], fits)
        for place in range(len(columns)):
            if place not in digits:
                fits &= columns[place] == shape[0][place]
        numbers = _number(digits, ids, 16)
        extended = len(ids) == 8
        fits &= numbers < (0x20000000 if extended else 0x800)  # error frames and what is no id go line by line
        whole_s = _number(digits, seconds, 10)
        fits &= whole_s <= (MOST_TIME_NS - 1) // 1_000_000_000
        whole = bool(fits.all())
        at = rows if whole else rows[fits]
        scale = 1000 if len(fraction) == 6 else 1
        times = whole_s * 1_000_000_000 + _number(digits, fraction, 10) * scale
        table = self.table
        table.time_ns[at] = times if whole else times[fits]
        table.bus[at] = self._bus(shape[3].decode("latin-1"))
        table.can_id[at] = numbers if whole else numbers[fits]
        table.extended[at] = extended
        table.kind[at] = DATA
        table.length[at] = len(data) // 2
        for index, place in enumerate(data[::2]):
            values = digits[place] << 4 | digits[place + 1]
            table.data[at, index] = values if whole else values[fits]
        return fits

    def _parse_one(self, row: int) -> None:
        line = self._line(row)
        if not line or line.isspace():
            return
        frame = parse_line(line)
        if frame is None:
            self.table.kind[row] = _NO_FRAME
        else:
            self._put(row, frame)

    def _put(self, row: int, frame: LogFrame) -> None:
        table = self.table
        if len(frame.data) > table.data.shape[1]:
            wider = np.zeros((len(table.data), 64), dtype=np.uint8)
            wider[:, : table.data.shape[1]] = table.data
            table.data = wider
        table.time_ns[row] = frame.time_ns
        table.bus[row] = self._bus(frame.bus)
        table.can_id[row] = frame.can_id
        table.extended[row] = frame.extended
        table.kind[row] = frame.kind
        table.length[row] = len(frame.data)
        table.data[row, : len(frame.data)] = np.frombuffer(frame.data, dtype=np.uint8)

    def _check_last_line(self) -> None:
        """As `candump.read_lines`: a last line without its end that lost data is no frame."""
        last = len(self._ends) - 1
        if self._text.endswith(b"\n") or self.table.kind[last] >= _NO_FRAME:
            return
        frame = parse_line(self._line(last))
        if frame is not None and looks_cut(frame, self._text.split(b"\n")[:-1]):
            self.table.kind[last] = _NO_FRAME

    def _line(self, row: int) -> bytes:
        return self._text[self._starts[row] : self._ends[row]]

    def _bus(self, name: str) -> int:
        if name not in self._bus_index:
            self._bus_index[name] = len(self.table.buses)
            self.table.buses.append(name)
        return self._bus_index[name]


def _digits(columns: Array, runs: list[tuple[range, int]], fits: Array) -> dict[int, Array]:
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
