"""Vector BLF in bulk: objects of one size and type that follow each other are read as a table where they lie.

Gives the frames of `blf.read_blf` as numpy tables. Needs numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twolbms.decode.table import FrameTable
from twolbms.importing.frames import DATA, ERROR, MOST_TIME_NS, REMOTE, Damage
from twolbms.importing.readers.blf import MOST_BYTES, TEN_MICROSECONDS
from twolbms.importing.readers.blf_objects import BODY_AT, CAN_OBJECTS, BlfFile, Broken, next_object
from twolbms.importing.readers.tables import rows_of

_FEWEST_IN_A_RUN = 8  # shorter runs of equal objects are gathered with the others of their kind
_LOOK_AHEAD = 64  # objects, before the rest of the piece is compared

Array = NDArray[Any]


class _Head(NamedTuple):
    """What objects must have in common to be read together."""

    head_size: int
    version: int
    size: int
    kind: int


class _Run(NamedTuple):
    """Equal objects at equal distances; `row` is the first one's among the frames of the piece."""

    row: int
    start: int
    many: int
    stride: int
    head: _Head


def read_blf_tables(blocks: Iterator[bytes], damage: Damage) -> Iterator[FrameTable]:
    """The frames of a BLF file, up to the first place that cannot be read."""
    file = BlfFile(blocks, damage)
    tail = b""
    for piece in file.pieces():
        data = tail + piece
        runs, end, sound = _runs(data)
        tail = data[end:] if sound else b""
        if runs:
            table = _table(data, runs, file)
            if len(table.time_ns):
                yield table
        if not sound:
            file.broken()
            break
    if b"LOBJ" in tail:
        file.broken()  # an object that has no end
    file.note_absurd()


def _runs(data: bytes) -> tuple[list[_Run], int, bool]:
    """The runs of CAN objects in a piece, where what is left for the next one begins, and whether all was sound."""
    runs = []
    at = row = 0
    try:
        while found := next_object(data, at):
            start, head = found[0], _Head(*found[1:])
            count, stride = _equal_ones(data, start, head.size)
            if head.kind in CAN_OBJECTS and head.version in BODY_AT:
                runs.append(_Run(row, start, count, stride, head))
                row += count
            at = start + (count - 1) * stride + head.size
    except Broken:
        return runs, len(data), False
    return runs, at, True


def _equal_ones(data: bytes, start: int, size: int) -> tuple[int, int]:
    """How many objects with the same head follow each other from `start` on, and at which distance."""
    follower = data.find(b"LOBJ", start + size, start + size + 8)
    if follower < 0 or data[follower : follower + 16] != data[start : start + 16]:
        return 1, size
    stride = follower - start
    most = (len(data) - start - size) // stride + 1
    count = 0
    for upto in (min(most, _LOOK_AHEAD), most):
        first, second = (np.ndarray((upto,), "<u8", data, start + half, (stride,)) for half in (0, 8))
        differ = (first != first[0]) | (second != second[0])
        count = int(differ.argmax()) if differ.any() else upto
        if count < upto:
            break
    return max(1, count), stride


def _table(data: bytes, runs: list[_Run], file: BlfFile) -> FrameTable:
    count = runs[-1].row + runs[-1].many
    width = MOST_BYTES if any(CAN_OBJECTS[run.head.kind][0].startswith("fd") for run in runs) else 8
    table = FrameTable(
        time_ns=np.empty(count, dtype=np.int64), bus=np.empty(count, dtype=np.int32),
        can_id=np.empty(count, dtype=np.int64), extended=np.empty(count, dtype=bool),
        kind=np.empty(count, dtype=np.uint8), length=np.zeros(count, dtype=np.int64),
        data=np.zeros((count, width), dtype=np.uint8), buses=[])
    known = np.empty(count, dtype=bool)
    singles: dict[_Head, list[_Run]] = {}
    for run in runs:
        if run.many >= _FEWEST_IN_A_RUN:
            objects = np.ndarray((run.many,), _layout(run.head), data, run.start, (run.stride,))
            _take(table, known, slice(run.row, run.row + run.many), objects, run.head, file.start_ns)
        else:
            singles.setdefault(run.head, []).append(run)
    for head, members in singles.items():
        starts = [run.start + index * run.stride for run in members for index in range(run.many)]
        rows = [run.row + index for run in members for index in range(run.many)]
        gathered = b"".join([data[start : start + head.size] for start in starts])
        objects = np.ndarray((len(starts),), _layout(head), gathered, 0, (head.size,))
        _take(table, known, np.array(rows), objects, head, file.start_ns)
    channels, table.bus = _numbered(table.bus)
    table.buses = [f"can{channel}" for channel in channels]
    absurd = count - int(np.count_nonzero(known))
    file.absurd += absurd
    return rows_of(table, known) if absurd else table


@cache
def _layout(head: _Head) -> np.dtype[Any]:
    """The fields of an object; see `blf`, which names them one by one."""
    body, shape = BODY_AT[head.version], CAN_OBJECTS[head.kind][0]
    fields: dict[str, tuple[Any, int]] = {"unit": ("<u4", 16), "stamp": ("<u8", 24)}
    if shape == "classic":
        fields |= {"channel": ("<u2", body), "flags": ("u1", body + 2), "length": ("u1", body + 3),
                   "id": ("<u4", body + 4), "data": (("u1", 8), body + 8)}
    elif shape == "error":
        fields |= {"channel": ("<u2", body), "id": ("<u4", body + 16)}
    elif shape == "fd":
        fields |= {"channel": ("<u2", body), "flags": ("u1", body + 2), "id": ("<u4", body + 4),
                   "length": ("u1", body + 14), "data": (("u1", 64), body + 20)}
    else:
        there = min(MOST_BYTES, head.size - body - 40)
        fields |= {"channel": ("u1", body), "length": ("u1", body + 2), "id": ("<u4", body + 4),
                   "flags": ("<u4", body + 12), "extra_at": ("u1", body + 35), "data": (("u1", there), body + 40)}
    return np.dtype({"names": list(fields), "formats": [each[0] for each in fields.values()],
                     "offsets": [each[1] for each in fields.values()], "itemsize": head.size})


def _take(table: FrameTable, known: Array, rows: Any, objects: Array, head: _Head, start_ns: int) -> None:
    """Put objects of one head into their rows; `known` becomes False where the time cannot be."""
    table.time_ns[rows], known[rows] = _times(objects, start_ns)
    table.bus[rows] = np.maximum(objects["channel"].astype(np.int32) - 1, 0)
    ids = objects["id"]
    table.can_id[rows] = ids & 0x1FFFFFFF
    table.extended[rows] = ids >= 0x80000000
    shape = CAN_OBJECTS[head.kind][0]
    if shape == "error":
        table.kind[rows] = ERROR
        return
    octets = objects["data"]
    most = 8 if shape == "classic" else MOST_BYTES
    lengths = np.minimum(objects["length"], most).astype(np.int64)
    remote = (objects["flags"] & (0x10 if shape == "fd64" else 0x80)) != 0
    table.kind[rows] = DATA
    if remote.any():
        table.kind[rows] = np.where(remote, np.uint8(REMOTE), np.uint8(DATA))
        lengths[remote] = 0
    there = lengths
    if shape == "fd64":
        extra_at = objects["extra_at"].astype(np.int64)
        there = np.minimum(lengths, np.where(extra_at, extra_at, head.size) - head.head_size - 40)
    if not (there == octets.shape[1]).all():
        octets = np.where(np.arange(octets.shape[1]) < there[:, None], octets, np.uint8(0))
    table.length[rows] = lengths
    table.data[rows, : octets.shape[1]] = octets


def _times(objects: Array, start_ns: int) -> tuple[Array, Any]:
    """Times rounded to microseconds (see `blf.rounded_us`), and which of them a clock can give (True: all)."""
    stamps, units = objects["stamp"], objects["unit"]
    in_ten_us = units == TEN_MICROSECONDS
    if stamps.max() <= MOST_TIME_NS // 20_000 and start_ns < MOST_TIME_NS // 2 and in_ten_us.all() == in_ten_us.any():
        times_ns = stamps.astype(np.int64)
        times_ns *= 10_000 if in_ten_us[0] else 1
        times_ns += start_ns + 500
        times_ns //= 1000
        times_ns *= 1000
        return times_ns, True
    unit_ns = np.where(in_ten_us, np.uint64(10_000), np.uint64(1))
    known = stamps <= np.uint64(MOST_TIME_NS) // unit_ns
    times_ns = np.where(known, stamps * unit_ns, np.uint64(0)).astype(np.int64) + start_ns
    times_ns = (times_ns + 500) // 1000 * 1000
    return times_ns, known & (times_ns < MOST_TIME_NS - 500)


def _numbered(channels: Array) -> tuple[list[int], Array]:
    """The channels that occur, and each row's place among them."""
    if len(channels) and (channels == channels[0]).all():
        return [int(channels[0])], np.zeros(len(channels), dtype=np.int32)
    names, places = np.unique(channels, return_inverse=True)
    return names.tolist(), places.astype(np.int32)
