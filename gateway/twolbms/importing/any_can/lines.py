"""Frames into lines of text, with a tally of what became of them: in bulk with numpy, or frame by frame.

The text is that of `decode`; here frames are chosen by bus, put on the wall's time and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twolbms.decode import CompiledDatabase, Refused
from twolbms.importing.any_can.account import EXTENDED, Tally
from twolbms.importing.frames import DATA, ERROR, REMOTE, LogFrame, bus_number
from twolbms.outlets.line_text import LineText

if TYPE_CHECKING:
    from twolbms.decode.table import FrameTable

_UNKNOWN = Refused.UNKNOWN_ID.value


class PlainLines:
    """Takes batches of frames one by one. `site` None makes no lines and only counts."""

    def __init__(self, database: CompiledDatabase, site: str | None, bus: int | None, shift_ns: int) -> None:
        self._bus = bus
        self._shift_ns = shift_ns
        self._writer = None
        if site is not None:
            from twolbms.decode.lines import LineWriter

            self._writer = LineWriter(database, site)

    def rows(self, batch: Sequence[LogFrame]) -> int:
        """How many frames of any kind a batch holds."""
        return len(batch)

    def cut(self, batch: Sequence[LogFrame], start: int, stop: int) -> Sequence[LogFrame]:
        """Some frames of the batch."""
        return batch[start:stop]

    def choose(self, batch: Sequence[LogFrame], tally: Tally) -> list[LogFrame]:
        """The data frames that count, at wall time; the others are tallied."""
        tally.rows += len(batch)
        chosen = []
        for frame in batch:
            if self._bus is not None and bus_number(frame.bus) != self._bus:
                tally.other_buses.add(frame.bus)
            elif frame.kind == DATA:
                chosen.append(frame._replace(time_ns=frame.time_ns + self._shift_ns))
            else:
                tally.error_frames += frame.kind == ERROR
                tally.remote_frames += frame.kind == REMOTE
        tally.frames += len(chosen)
        for frame in chosen:
            tally.ids[frame.can_id | EXTENDED if frame.extended else frame.can_id] += 1
        if chosen:
            times_ns = [frame.time_ns for frame in chosen]
            tally.saw(min(times_ns), max(times_ns))
        return chosen

    def lines(self, chosen: Sequence[LogFrame], tally: Tally) -> LineText:
        """The lines of chosen frames; those that give none for a reason are tallied."""
        assert self._writer is not None
        found: list[bytes] = []
        for frame in chosen:
            line = self._writer.line(frame.bus, frame.can_id, frame.extended, frame.data, frame.time_ns)
            if isinstance(line, Refused):
                if line is not Refused.UNKNOWN_ID:
                    tally.refused[line.value] += 1
            elif line:
                found.append(line.encode())
        tally.lines += len(found)
        return LineText.of(found)


class BulkLines:
    """Takes tables; the same lines and the same tally as `PlainLines`."""

    def __init__(self, database: CompiledDatabase, site: str | None, bus: int | None, shift_ns: int) -> None:
        self._bus = bus
        self._shift_ns = shift_ns
        self._writer = None
        if site is not None:
            from twolbms.decode.line_columns import TableWriter

            self._writer = TableWriter(database, site)

    def rows(self, batch: FrameTable) -> int:
        """How many frames of any kind a table holds."""
        return len(batch.time_ns)

    def cut(self, batch: FrameTable, start: int, stop: int) -> FrameTable:
        """Some frames of the table."""
        from twolbms.importing.readers.tables import rows_of

        return rows_of(batch, slice(start, stop))

    def choose(self, batch: FrameTable, tally: Tally) -> FrameTable:
        """The data frames that count, at wall time; the others are tallied."""
        import numpy as np

        from twolbms.importing.readers.tables import rows_of

        tally.rows += len(batch.time_ns)
        right = [self._bus is None or bus_number(name) == self._bus for name in batch.buses]
        if not all(right):
            used = set(np.unique(batch.bus).tolist())
            tally.other_buses.update(batch.buses[index] for index in used if not right[index])
            batch = rows_of(batch, np.array(right, dtype=bool)[batch.bus])
        if batch.kind.any():
            tally.error_frames += int(np.count_nonzero(batch.kind == ERROR))
            tally.remote_frames += int(np.count_nonzero(batch.kind == REMOTE))
            batch = rows_of(batch, batch.kind == DATA)
        if not len(batch.time_ns):
            return batch
        if self._shift_ns:
            batch = rows_of(batch, slice(None))
            batch.time_ns = batch.time_ns + self._shift_ns
        tally.frames += len(batch.time_ns)
        tally.saw(int(batch.time_ns.min()), int(batch.time_ns.max()))
        self._count_ids(batch, tally)
        return batch

    def _count_ids(self, batch: FrameTable, tally: Tally) -> None:
        import numpy as np

        standard = batch.can_id if not batch.extended.any() else batch.can_id[~batch.extended]
        counts = np.bincount(standard, minlength=1)
        for key in np.flatnonzero(counts).tolist():
            tally.ids[key] += int(counts[key])
        if len(standard) < len(batch.can_id):
            keys, numbers = np.unique(batch.can_id[batch.extended], return_counts=True)
            for key, number in zip(keys.tolist(), numbers.tolist(), strict=True):
                tally.ids[key | EXTENDED] += number

    def lines(self, chosen: FrameTable, tally: Tally) -> LineText:
        """The lines of chosen frames; those that give none for a reason are tallied."""
        assert self._writer is not None
        made = self._writer.lines(chosen)
        for reason, count in made.refused.items():
            if reason != _UNKNOWN:
                tally.refused[reason] += count
        tally.lines += made.count
        return LineText([made.text.removesuffix(b"\n")] if made.count else [], made.count)
