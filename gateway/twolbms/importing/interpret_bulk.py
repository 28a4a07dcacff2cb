"""Frames into samples, a chunk at a time with numpy. The same account and the same samples as `interpret`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twolbms.decode import CompiledDatabase, CompiledMessage
from twolbms.decode.columns import paged_rows, read_columns
from twolbms.decode.table import FrameTable
from twolbms.importing.checksums import CHECKSUMS
from twolbms.importing.findings import Findings
from twolbms.importing.frames import DATA, ERROR, REMOTE, bus_number
from twolbms.importing.interpret import MessageReader, Output, Readers
from twolbms.importing.pack import LoadedPack
from twolbms.importing.timeline import Timeline
from twolbms.journal import Sample

Array = NDArray[Any]
Sink = Callable[[list[Sample]], None]

_new_sample = partial(tuple.__new__, Sample)  # half the time of calling the class


class Values(NamedTuple):
    """Values of one output: the rows of the chunk they stand in, and where the output comes among its message's."""

    output: Output
    place: int
    rows: Array
    values: Array


class BulkInterpreter:
    """Takes the frames of a log a table at a time; see `interpret.Interpreter`."""

    def __init__(self, pack: LoadedPack, findings: Findings, timeline: Timeline, sink: Sink, bus: int | None) -> None:
        self._messages = _keys(pack.database)
        self._mask = pack.database.id_mask
        self._readers = Readers(pack, findings)
        self._findings = findings
        self._timeline = timeline
        self._sink = sink
        self._bus = bus
        self._tables = {id(each): np.array(each.table, dtype=np.uint8) for each in CHECKSUMS.values()}

    def take(self, tables: Iterable[FrameTable]) -> None:
        """Account for the frames of each table and record their values."""
        for table in tables:
            self._take(table)

    def _take(self, table: FrameTable) -> None:
        chosen = self._chosen(table)
        findings = self._findings
        findings.error_frames += int(np.count_nonzero(chosen & (table.kind == ERROR)))
        findings.remote_frames += int(np.count_nonzero(chosen & (table.kind == REMOTE)))
        rows = np.flatnonzero(chosen & (table.kind == DATA))
        if not len(rows):
            return
        findings.frames += len(rows)
        times_ns = table.time_ns[rows] + self._timeline.shift_ns
        findings.saw(self._timeline.wall_ns(int(times_ns.min())), self._timeline.wall_ns(int(times_ns.max())))
        found: list[Values] = []
        known = 0
        # Bus, id and kind of id as one number, so that one comparison finds the frames of a message.
        ids = np.where(table.extended[rows], table.can_id[rows] & self._mask | 1 << 29, table.can_id[rows])
        keys = table.bus[rows].astype(np.int64) << 32 | ids
        for key in np.unique(keys, return_counts=True)[0].tolist():  # without counts it imports numpy.ma
            message = self._messages.get(key & 0xFFFFFFFF)
            if message is not None:
                of_message = rows[keys == key]
                known += len(of_message)
                found += self._of_message(table, message, of_message)
        findings.unknown_id += len(rows) - known
        self._record(table, found)

    def _chosen(self, table: FrameTable) -> Array:
        """The rows of the bus that is asked for."""
        if self._bus is None:
            return np.ones(len(table.kind), dtype=bool)
        right = [bus_number(name) == self._bus for name in table.buses]
        used = set(table.bus.tolist()) if not all(right) else set()
        self._findings.other_buses.update(table.buses[index] for index in used if not right[index])
        chosen: Array = np.array(right, dtype=bool)[table.bus]
        return chosen

    def _of_message(self, table: FrameTable, message: CompiledMessage, rows: Array) -> list[Values]:
        """Check the frames of one message on one bus, and read the outputs of the good ones."""
        reader = self._readers.of(table.buses[int(table.bus[rows[0]])], message)
        findings = self._findings
        long_enough = table.length[rows] >= message.length
        short = len(rows) - int(np.count_nonzero(long_enough))
        rows = rows[long_enough]
        checked = self._checks_out(reader, table.data[rows])
        bad = len(rows) - int(np.count_nonzero(checked))
        rows = rows[checked]
        paged = paged_rows(message, table.data[rows])
        unknown = len(rows) - int(np.count_nonzero(paged))
        rows = rows[paged]
        findings.short += short
        reader.found.short += short
        findings.bad_check += bad
        reader.found.bad_check += bad
        findings.unknown_id += unknown
        findings.decoded += len(rows)
        reader.found.good += len(rows)
        return self._values(table, reader, rows) if len(rows) else []

    def _checks_out(self, reader: MessageReader, data: Array) -> Array:
        checksum, crc = reader.checksum, reader.check.crc if reader.check else None
        if checksum is None or crc is None:
            return np.ones(len(data), dtype=bool)
        table = self._tables[id(checksum)]
        state = np.full(len(data), checksum.start, dtype=np.uint8)
        for place in range(crc.first, crc.last + 1):
            state = table[state ^ data[:, place]]
        right: Array = state ^ np.uint8(checksum.final_xor) == data[:, crc.byte]
        return right

    def _values(self, table: FrameTable, reader: MessageReader, rows: Array) -> list[Values]:
        counter = reader.check.counter.signal if reader.check and reader.check.counter else None
        wanted = {output.signal for output in reader.outputs} | ({counter} if counter else set())
        columns = read_columns(reader.message, table.data[rows], wanted)
        counts = None
        if counter and counter in columns:
            counts = columns[counter].values[columns[counter].valid]
        self._watch(reader, table.time_ns[rows] + self._timeline.shift_ns, counts)
        found = []
        for place, output in enumerate(reader.outputs):
            column = columns.get(output.signal)
            if column is None:
                continue
            values = column.values.astype(np.float64) * output.factor
            valid = column.valid & np.isfinite(values)
            found.append(Values(output, place, rows[column.rows[valid]], values[valid]))
        return found

    def _watch(self, reader: MessageReader, times_ns: Array, counts: Array | None) -> None:
        """The steps of the counter and the gaps in time, as `MessageReader.watch` notes them one by one."""
        check = reader.check
        if check is None:
            return
        if reader.last_ns is not None:
            times_ns = np.concatenate(([reader.last_ns], times_ns))
        reader.found.late += int(np.count_nonzero(np.diff(times_ns) > check.max_age_s * 1e9))
        reader.last_ns = int(times_ns[-1])
        if check.counter is None or counts is None or not len(counts):
            return
        counts = counts.astype(np.int64)
        if reader.last_counter is not None:
            counts = np.concatenate(([reader.last_counter], counts))
        steps, times = np.unique(np.diff(counts) % check.counter.modulo, return_counts=True)
        reader.found.steps.update(dict(zip(steps.tolist(), times.tolist(), strict=True)))
        reader.last_counter = int(counts[-1])

    def _record(self, table: FrameTable, found: list[Values]) -> None:
        """Hand the values on in the order of the log, and within a frame in the order of the pack."""
        found = [each for each in found if len(each.rows)]
        if not found:
            return
        rows = np.concatenate([each.rows for each in found])
        values = np.concatenate([each.values for each in found])
        place = np.concatenate([np.full(len(each.rows), each.place) for each in found])
        which = np.concatenate([np.full(len(each.rows), index) for index, each in enumerate(found)])
        order = np.lexsort((place, rows))
        rows, values, which = rows[order], values[order], which[order]
        keep = np.ones(len(rows), dtype=bool)
        self._sum_up(found, which, values)
        for index, each in enumerate(found):
            if each.output.on_change:
                at = np.flatnonzero(which == index)
                keep[at] = _changed(each.output, values[at])
        if not keep.all():
            rows, values, which = rows[keep], values[keep], which[keep]
        self._findings.samples += len(rows)
        series = map([each.output.series for each in found].__getitem__, which.tolist())
        times_ns = (table.time_ns[rows] + self._timeline.shift_ns).tolist()
        self._sink(list(map(_new_sample, zip(times_ns, series, values.tolist(), strict=True))))

    def _sum_up(self, found: list[Values], which: Array, values: Array) -> None:
        """Summaries by quantity, over all buses in the order of the log."""
        by_quantity: dict[str, list[int]] = {}
        for index, each in enumerate(found):
            by_quantity.setdefault(each.output.series.quantity, []).append(index)
        for indices in by_quantity.values():
            run = values[np.logical_or.reduce([which == index for index in indices])]
            summary = found[indices[0]].output.summary
            summary.add_run(len(run), float(run[0]), float(run.min()), float(run.max()), float(run[-1]))


def _changed(output: Output, values: Array) -> Array:
    """Which values differ from the one before."""
    before = np.concatenate(([np.nan if output.last is None else output.last], values[:-1]))
    output.last = float(values[-1])
    changed: Array = values != before
    return changed


def _keys(database: CompiledDatabase) -> dict[int, CompiledMessage]:
    """Messages by id, with bit 29 set for extended ones."""
    return {
        (message.frame_id & database.id_mask | 1 << 29) if message.extended else message.frame_id: message
        for message in database.messages.values()
    }
