"""Blocks of frames as one table for bulk decoding, and parts of it. Needs the extra `bulk` (numpy)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twolbms.decode.table import FrameTable
from twolbms.journal.frames import FrameColumns


def table_of(blocks: Sequence[FrameColumns]) -> FrameTable:
    """The frames of all blocks, in order."""
    arrays = [block.arrays() for block in blocks]
    buses = list(dict.fromkeys(bus for one in arrays for bus in one.buses))
    width = max(one.data.shape[1] for one in arrays)
    data = np.zeros((sum(len(one.time_ns) for one in arrays), width), np.uint8)
    at = 0
    for one in arrays:
        data[at:at + len(one.data), :one.data.shape[1]] = one.data
        at += len(one.data)
    length = np.concatenate([one.length for one in arrays]).astype(np.int64)
    return FrameTable(
        time_ns=np.concatenate([one.time_ns for one in arrays]),
        bus=np.concatenate([np.array([buses.index(bus) for bus in one.buses])[one.bus] for one in arrays]),
        can_id=np.concatenate([one.can_id for one in arrays]),
        extended=np.concatenate([one.extended for one in arrays]),
        kind=np.zeros(len(length), np.uint8), length=length, data=data, buses=buses)


def of_bus(table: FrameTable, bus: str) -> FrameTable | None:
    """The frames of one bus; None when it is not there."""
    if bus not in table.buses:
        return None
    return table if len(table.buses) == 1 else _rows(table, table.bus == table.buses.index(bus))


def of_ids(table: FrameTable, knows: Callable[[int, bool], bool]) -> tuple[FrameTable, FrameTable]:
    """The frames whose id is known, and the others."""
    keys = table.can_id << 1 | table.extended
    unique, inverse = np.unique(keys, return_inverse=True)
    known = np.array([knows(int(key) >> 1, bool(key & 1)) for key in unique], dtype=bool)
    if known.all():
        return table, _rows(table, np.zeros(len(keys), dtype=bool))
    mask = known[inverse]
    return _rows(table, mask), _rows(table, ~mask)


def _rows(table: FrameTable, mask: Any) -> FrameTable:
    return FrameTable(table.time_ns[mask], table.bus[mask], table.can_id[mask], table.extended[mask], table.kind[mask],
                      table.length[mask], table.data[mask], table.buses)
