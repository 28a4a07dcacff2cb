"""ASAM MDF 4 bus logging (.mf4) through asammdf: the raw columns of CAN frames, some thousand records at a time.

asammdf reads the file; nothing is decoded here. Needs the extra `mf4`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twolbms.decode.table import FrameTable
from twolbms.importing.frames import DATA, ERROR, MOST_TIME_NS, REMOTE, Damage
from twolbms.importing.readers.log_file import Progress, UnreadableLog
from twolbms.importing.readers.tables import joined, rows_of, widened

_RECORDS = 262_144  # read at once: asammdf unpacks a whole block of some MB for any part of it
_MOST_ROWS = 32_768  # of a table that is given
_BUS_EVENT = 2  # flag of a channel group: v4_constants.FLAG_CG_BUS_EVENT
_KINDS = {"CAN_DataFrame": DATA, "CAN_ErrorFrame": ERROR, "CAN_RemoteFrame": REMOTE}
_INSTALL = "is an MDF file, which asammdf reads: pip install '2lbms[mf4]'"

Array = NDArray[Any]


def read_mf4_tables(path: Path, damage: Damage, progress: Progress) -> Iterator[FrameTable]:
    """The CAN frames of an MDF 4 file in the order of time. Raises UnreadableLog."""
    try:
        asammdf: Any = importlib.import_module("asammdf")
    except ImportError as error:
        raise UnreadableLog(_INSTALL) from error
    try:
        file = asammdf.MDF(path, process_bus_logging=False)  # else opening it reads every frame
    except Exception as error:  # asammdf lets whatever a damaged file causes through
        raise UnreadableLog(f"is no MDF file that asammdf can read: {error or type(error).__name__}") from error
    try:
        yield from _told(_merged([_Group(file, *each, damage) for each in _groups(file)]), path, file, progress)
    finally:
        file.close()


def _groups(file: Any) -> list[tuple[int, str]]:
    """Index and name of the channel groups that hold frames of a CAN bus."""
    found = []
    for index, group in enumerate(file.groups):
        if group.channel_group.flags & _BUS_EVENT and group.channel_group.cycles_nr:
            found += [(index, channel.name) for channel in group.channels if channel.name in _KINDS]
    if not found:
        raise UnreadableLog("holds no CAN frames: expected ASAM bus logging with CAN_DataFrame")
    return found


def _told(tables: Iterator[FrameTable], path: Path, file: Any, progress: Progress) -> Iterator[FrameTable]:
    """Tells how far the reading is, as if records were bytes of the file."""
    size = path.stat().st_size
    records = sum(group.channel_group.cycles_nr for group in file.groups) or 1
    done = 0
    for table in tables:
        for first in range(0, len(table.time_ns), _MOST_ROWS):
            part = rows_of(table, slice(first, first + _MOST_ROWS))
            yield part
            done += len(part.time_ns)
            progress(min(size, size * done // records))


class _Group:
    """One channel group, read piece by piece; `table` are the frames that wait to be merged, None at the end."""

    def __init__(self, file: Any, index: int, name: str, damage: Damage) -> None:
        self._file = file
        self._index = index
        self._name = name
        self._damage = damage
        self._offset = 0
        self._start_us = round(file.header.start_time.timestamp() * 1e6)
        self.table = self._next()

    def take(self, until_ns: int) -> FrameTable | None:
        """The frames up to a time; reads on when none is left."""
        assert self.table is not None
        early = self.table.time_ns <= until_ns
        if early.all():
            taken, self.table = self.table, self._next()
            return taken
        cut = int(early.argmin())  # the first that is later; what follows it waits, also where times jump back
        taken, self.table = rows_of(self.table, slice(0, cut)), rows_of(self.table, slice(cut, None))
        return taken if cut else None

    def _next(self) -> FrameTable | None:
        total = self._file.groups[self._index].channel_group.cycles_nr
        while self._offset < total:
            offset, self._offset = self._offset, self._offset + _RECORDS
            try:
                signal = self._file.get(self._name, self._index, raw=True, record_offset=offset, record_count=_RECORDS)
                table = self._table(signal.samples, signal.timestamps)
            except Exception as error:  # see above
                self._damage.malformed_lines += 1
                self._damage.note(f"the MDF file is damaged from record {offset} of {self._name} on "
                                  f"({error or type(error).__name__}); what follows was not read")
                self._offset = total
                return None
            if len(table.time_ns):
                return table
        return None

    def _table(self, samples: Array, seconds: Array) -> FrameTable:
        count, kind = len(samples), _KINDS[self._name]
        known = np.isfinite(seconds) & (np.abs(seconds) < MOST_TIME_NS / 1e9)
        # Rounded to microseconds: seconds in a float are no better.
        times_ns = (np.rint(np.where(known, seconds, 0.0) * 1e6).astype(np.int64) + self._start_us) * 1000
        known &= (times_ns >= 0) & (times_ns < MOST_TIME_NS)
        ids = self._column(samples, "ID", count).astype(np.int64)
        channels = self._column(samples, "BusChannel", count).astype(np.int64)
        names, places = np.unique(channels, return_inverse=True)
        extended = self._extended(samples, ids)
        length, data = self._data(samples, count) if kind == DATA else _no_data(count)
        buses = [f"can{name}" for name in names.tolist()]
        table = FrameTable(times_ns, places.astype(np.int32), ids & 0x1FFFFFFF, extended,
                           np.full(count, kind, dtype=np.uint8), length, data, buses)
        if known.all():
            return table
        absurd = count - int(np.count_nonzero(known))
        self._damage.malformed_lines += absurd
        self._damage.note(f"frames of the MDF file with a time before 1970 or after 2116, left out: {absurd}")
        return rows_of(table, known)

    def _column(self, samples: Array, name: str, count: int) -> Array:
        field = f"{self._name}.{name}"
        return samples[field] if field in (samples.dtype.names or ()) else np.zeros(count, dtype=np.uint8)

    def _extended(self, samples: Array, ids: Array) -> Array:
        if f"{self._name}.IDE" in (samples.dtype.names or ()):
            told: Array = samples[f"{self._name}.IDE"] != 0
            return told
        return (ids > 0x7FF) | (ids >= 0x80000000)

    def _data(self, samples: Array, count: int) -> tuple[Array, Array]:
        octets = samples[f"{self._name}.DataBytes"].reshape(count, -1).astype(np.uint8, copy=False)
        length = np.minimum(self._column(samples, "DataLength", count).astype(np.int64), min(64, octets.shape[1]))
        most = int(length.max()) if count else 0
        width = 8 if most <= 8 else 64
        octets = octets[:, :width] if octets.shape[1] >= width else widened(octets, width)
        if not (length == width).all():
            octets = np.where(np.arange(width) < length[:, None], octets, np.uint8(0))
        return length, np.ascontiguousarray(octets)


def _no_data(count: int) -> tuple[Array, Array]:
    return np.zeros(count, dtype=np.int64), np.zeros((count, 8), dtype=np.uint8)


def _merged(groups: list[_Group]) -> Iterator[FrameTable]:
    """The frames of all groups in the order of time; those of one group keep theirs."""
    while open_groups := [group for group in groups if group.table is not None]:
        until_ns = min(int(group.table.time_ns.max()) for group in open_groups if group.table is not None)
        taken = [table for group in open_groups if (table := group.take(until_ns)) is not None]
        yield taken[0] if len(taken) == 1 else _sorted(taken)


def _sorted(tables: list[FrameTable]) -> FrameTable:
    together = joined(tables)
    return rows_of(together, np.argsort(together.time_ns, kind="stable"))
