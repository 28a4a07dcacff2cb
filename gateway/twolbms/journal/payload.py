"""The records of one block as bytes, and back: one layout per family, each with its own table of names.

Knows neither files nor checksums. `docs/journal.md` describes the layouts in words.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from twolbms.journal.columns import Columns, Packed, cut, pack_floats, pack_integers, pack_steps, pack_text, pack_times
from twolbms.journal.frames import pack_frames
from twolbms.journal.names import indexed, pack_names, pack_rows, rows_of, unpack_names
from twolbms.journal.records import Event, Reading, Record, Sample, Series

_RUN = struct.Struct("<Hi")  # how many series with consecutive cells, the first cell or -1 for none

_sample = partial(tuple.__new__, Sample)
_reading = partial(tuple.__new__, Reading)


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
    return pack_rows(rows)


def _unpack_series(columns: Columns) -> list[Series]:
    table: list[Series] = []
    for _ in range(rows_of(columns)):
        count, first = columns.unpack(_RUN)
        quantity, pack = columns.text(), columns.text()
        cells = [None] * count if first < 0 else range(first, first + count)
        table += [Series(quantity, pack, cell) for cell in cells]
    return table


def _pack_samples(records: Sequence[Sample]) -> Packed:
    times, series, values = zip(*records, strict=True)
    table, index = indexed(series)
    when, first_ns, last_ns = pack_times(times)
    return Packed(_pack_series(table) + pack_steps(index) + when + pack_floats(values), first_ns, last_ns)


def _unpack_samples(raw: bytes, count: int, shift_ns: int) -> list[Record]:
    columns = Columns(raw)
    table = _unpack_series(columns)
    series = map(table.__getitem__, columns.steps(count))
    return [*map(_sample, zip(columns.steps(count, shift_ns), series, columns.floats(count), strict=True))]


def _pack_readings(records: Sequence[Reading]) -> Packed:
    times, sources, data = zip(*records, strict=True)
    table, index = indexed(sources)
    when, first_ns, last_ns = pack_times(times)
    lengths = pack_integers([*map(len, data)])
    return Packed(pack_names(table) + pack_integers(index) + when + lengths + b"".join(data), first_ns, last_ns)


def _unpack_readings(raw: bytes, count: int, shift_ns: int) -> list[Record]:
    columns = Columns(raw)
    table = unpack_names(columns)
    sources = map(table.__getitem__, columns.integers(count))
    times = columns.steps(count, shift_ns)
    sizes = columns.integers(count)
    return [*map(_reading, zip(times, sources, cut(columns.rest(), sizes), strict=True))]


def _pack_events(records: Sequence[Event]) -> Packed:
    lines = [json.dumps(record, separators=(",", ":"), allow_nan=False) for record in records]
    times = [record.time_ns for record in records]
    return Packed("\n".join(lines).encode("ascii"), min(times), max(times))


def _unpack_events(raw: bytes, count: int, shift_ns: int) -> list[Record]:
    rows = [json.loads(line) for line in raw.split(b"\n")]
    if len(rows) != count:
        raise ValueError(f"{len(rows)} events where the header says {count}")
    return [Event(time_ns + shift_ns, kind, pack, data) for time_ns, kind, pack, data in rows]


PACK: dict[str, Callable[[Sequence[Any]], Packed]] = {
    "sample": _pack_samples, "event": _pack_events, "frame": pack_frames, "reading": _pack_readings,
}
UNPACK: dict[str, Callable[[bytes, int, int], list[Record]]] = {
    "sample": _unpack_samples, "event": _unpack_events, "reading": _unpack_readings,
}
# What packing raises for a record that the format cannot hold, and unpacking for bytes that it did not make.
REFUSALS = (TypeError, ValueError, OverflowError, struct.error, AttributeError)
NONSENSE = (ValueError, struct.error, IndexError, TypeError, KeyError, RecursionError)
