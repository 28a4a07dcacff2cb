"""The records of one block as bytes, and back: one layout per family, each with its own table of names.

Knows neither files nor checksums. `docs/journal.md` describes the layouts in words.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from twolbms.journal.columns import Columns, pack_floats, pack_integers, pack_steps, pack_text
from twolbms.journal.records import Event, Frame, Reading, Record, Sample, Series

_ROWS = struct.Struct("<H")
_RUN = struct.Struct("<Hi")  # how many series with consecutive cells, the first cell or -1 for none
_EXTENDED = 1 << 31  # above the 29 bits of an id; subtracted, so that ids stay within 32 signed bits

_sample = partial(tuple.__new__, Sample)
_frame = partial(tuple.__new__, Frame)
_reading = partial(tuple.__new__, Reading)


def _indexed(names: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """The distinct names in order of first use, and the index of each name among them."""
    # Callers use the same object for the same name nearly always: comparing ids is several times as fast as hashing.
    ids = [*map(id, names)]
    table: dict[Any, int] = {}
    index = {number: table.setdefault(name, len(table)) for number, name in dict(zip(ids, names, strict=True)).items()}
    return list(table), [*map(index.__getitem__, ids)]


def _pack_names(names: list[str]) -> bytes:
    return _ROWS.pack(len(names)) + b"".join(map(pack_text, names))


def _unpack_names(columns: Columns) -> list[str]:
    count, = columns.unpack(_ROWS)
    return [columns.text() for _ in range(count)]


def _runs(table: Iterable[Series]) -> Iterator[list[Any]]:
    """Neighbours that differ only by the next cell number, as [count, first cell, quantity, pack]."""
    run: list[Any] = []
    for quantity, pack, cell in table:
        if run and cell and run[1:] == [cell - run[0], quantity, pack]:  # cell 0 continues nothing: -1 means no cell
            run[0] += 1
            continue
        if run:
            yield run
        if cell is not None and cell < 0:
            raise ValueError(f"cell {cell}: cells count from 0")
        run = [1, -1 if cell is None else cell, quantity, pack]
    yield run


def _pack_series(table: list[Series]) -> bytes:
    rows = [_RUN.pack(count, first) + pack_text(quantity) + pack_text(pack)
            for count, first, quantity, pack in _runs(table)]
    return _ROWS.pack(len(rows)) + b"".join(rows)


def _unpack_series(columns: Columns) -> list[Series]:
    table: list[Series] = []
    rows, = columns.unpack(_ROWS)
    for _ in range(rows):
        count, first = columns.unpack(_RUN)
        quantity, pack = columns.text(), columns.text()
        cells = [None] * count if first < 0 else range(first, first + count)
        table += [Series(quantity, pack, cell) for cell in cells]
    return table


def _pack_samples(records: Sequence[Sample]) -> bytes:
    times, series, values = zip(*records, strict=True)
    table, index = _indexed(series)
    return _pack_series(table) + pack_steps(index) + pack_steps(times) + pack_floats(values)


def _unpack_samples(raw: bytes, count: int, shift_ns: int) -> list[Record]:
    columns = Columns(raw)
    table = _unpack_series(columns)
    series = map(table.__getitem__, columns.steps(count))
    return [*map(_sample, zip(columns.steps(count, shift_ns), series, columns.floats(count), strict=True))]


def _pack_frames(records: Sequence[Frame]) -> bytes:
    times, buses, ids, extended, data = zip(*records, strict=True)
    table, index = _indexed(buses)
    if min(ids) < 0 or max(ids) >= _EXTENDED:
        raise ValueError("CAN id outside 0…2^31-1")
    keys = [number - _EXTENDED if is_extended else number for number, is_extended in zip(ids, extended, strict=True)]
    return (_pack_names(table) + pack_integers(index) + pack_steps(times) + pack_integers(keys)
            + pack_integers([*map(len, data)]) + b"".join(data))


def _cut(raw: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    ends = [*accumulate(sizes)]
    if (ends[-1] if ends else 0) != len(raw) or min(sizes, default=0) < 0:
        raise ValueError("the lengths of the data do not add up")
    return (raw[end - size:end] for size, end in zip(sizes, ends, strict=True))


def _unpack_frames(raw: bytes, count: int, shift_ns: int) -> list[Record]:
    columns = Columns(raw)
    table = _unpack_names(columns)
    buses = map(table.__getitem__, columns.integers(count))
    times = columns.steps(count, shift_ns)
    keys = columns.integers(count)
    sizes = columns.integers(count)
    ids = [key + _EXTENDED if key < 0 else key for key in keys]
    return [*map(_frame, zip(times, buses, ids, [key < 0 for key in keys], _cut(columns.rest(), sizes), strict=True))]


def _pack_readings(records: Sequence[Reading]) -> bytes:
    times, sources, data = zip(*records, strict=True)
    table, index = _indexed(sources)
    return (_pack_names(table) + pack_integers(index) + pack_steps(times)
            + pack_integers([*map(len, data)]) + b"".join(data))


def _unpack_readings(raw: bytes, count: int, shift_ns: int) -> list[Record]:
    columns = Columns(raw)
    table = _unpack_names(columns)
    sources = map(table.__getitem__, columns.integers(count))
    times = columns.steps(count, shift_ns)
    sizes = columns.integers(count)
    return [*map(_reading, zip(times, sources, _cut(columns.rest(), sizes), strict=True))]


def _pack_events(records: Sequence[Event]) -> bytes:
    return "\n".join(json.dumps(record, separators=(",", ":"), allow_nan=False) for record in records).encode("ascii")


def _unpack_events(raw: bytes, count: int, shift_ns: int) -> list[Record]:
    rows = [json.loads(line) for line in raw.split(b"\n")]
    if len(rows) != count:
        raise ValueError(f"{len(rows)} events where the header says {count}")
    return [Event(time_ns + shift_ns, kind, pack, data) for time_ns, kind, pack, data in rows]


PACK: dict[str, Callable[[Sequence[Any]], bytes]] = {
    "sample": _pack_samples, "event": _pack_events, "frame": _pack_frames, "reading": _pack_readings,
}
UNPACK: dict[str, Callable[[bytes, int, int], list[Record]]] = {
    "sample": _unpack_samples, "event": _unpack_events, "frame": _unpack_frames, "reading": _unpack_readings,
}
# What packing raises for a record that the format cannot hold, and unpacking for bytes that it did not make.
REFUSALS = (TypeError, ValueError, OverflowError, struct.error, AttributeError)
NONSENSE = (ValueError, struct.error, IndexError, TypeError, KeyError, RecursionError)
