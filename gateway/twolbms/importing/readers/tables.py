"""Tables of frames: made from frames one by one, cut, joined, and taken apart again. Needs numpy. Knows no format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twolbms.decode.table import FrameTable
from twolbms.importing.frames import LogFrame

Array = NDArray[Any]


def rows_of(table: FrameTable, rows: Any) -> FrameTable:
    """A table of some rows: a slice, a mask or an array of row numbers."""
    return FrameTable(table.time_ns[rows], table.bus[rows], table.can_id[rows], table.extended[rows],
                      table.kind[rows], table.length[rows], table.data[rows], table.buses)


def widened(data: Array, width: int) -> Array:
    """The same bytes in rows of `width`, padded with zeros."""
    wider = np.zeros((len(data), width), dtype=np.uint8)
    wider[:, : data.shape[1]] = data
    return wider


def table_of(frames: Sequence[LogFrame]) -> FrameTable:
    """The frames of a plain reader as a table."""
    buses = list(dict.fromkeys(frame.bus for frame in frames))
    index = {name: number for number, name in enumerate(buses)}
    width = 8 if all(len(frame.data) <= 8 for frame in frames) else 64
    times_ns, _, ids, extended, data, kinds = zip(*frames, strict=True)
    return FrameTable(
        time_ns=np.array(times_ns, dtype=np.int64),
        bus=np.array([index[frame.bus] for frame in frames], dtype=np.int32),
        can_id=np.array(ids, dtype=np.int64),
        extended=np.array(extended, dtype=bool),
        kind=np.array(kinds, dtype=np.uint8),
        length=np.array([len(each) for each in data], dtype=np.int64),
        data=np.frombuffer(b"".join(each.ljust(width, b"\0") for each in data), dtype=np.uint8).reshape(-1, width),
        buses=buses,
    )


def frames_of(table: FrameTable) -> list[LogFrame]:
    """The rows of a table as frames, for those who take them one by one."""
    columns = (table.time_ns, table.bus, table.can_id, table.extended, table.kind, table.length)
    octets, width = table.data.tobytes(), table.data.shape[1]
    return [LogFrame(time_ns, table.buses[bus], can_id, extended, octets[row * width : row * width + length], kind)
            for row, (time_ns, bus, can_id, extended, kind, length)
            in enumerate(zip(*(column.tolist() for column in columns), strict=True))]


def joined(tables: Sequence[FrameTable]) -> FrameTable:
    """The rows of all tables in their order."""
    if len(tables) == 1:
        return tables[0]
    buses = list(dict.fromkeys(name for table in tables for name in table.buses))
    width = max(table.data.shape[1] for table in tables)

    def column(name: str) -> Array:
        together: Array = np.concatenate([getattr(table, name) for table in tables])
        return together

    places = [np.array([buses.index(name) for name in table.buses] or [0], dtype=np.int32)[table.bus]
              for table in tables]
    data = [table.data if table.data.shape[1] == width else widened(table.data, width) for table in tables]
    return FrameTable(column("time_ns"), np.concatenate(places), column("can_id"), column("extended"),
                      column("kind"), column("length"), np.concatenate(data), buses)


def of_at_least(rows: int, tables: Iterable[FrameTable]) -> Iterator[FrameTable]:
    """The same frames in fewer tables: numpy costs less on long columns. The last may be shorter."""
    waiting: list[FrameTable] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += len(table.time_ns)
        if count >= rows:
            yield joined(waiting)
            waiting, count = [], 0
    if waiting:
        yield joined(waiting)
