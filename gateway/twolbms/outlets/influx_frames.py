"""The encoder of raw frames for `influx_gather`: those of buses with DBC files become lines, signal by signal.

A batch is decoded in columns where numpy is installed and the batch is large enough to pay for it, else frame by frame,
with the same bytes. Frames of other buses are passed over by their column of buses alone.
"""

from __future__ import annotations

import importlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from twolbms.decode import CompiledDatabase, Refused
from twolbms.decode.lines import LineWriter
from twolbms.journal import Cursor, Frame, FrameBlock, JournalReader
from twolbms.outlets.line_text import LineText

Databases = Mapping[str, tuple[CompiledDatabase, ...]]

UNKNOWN = str(Refused.UNKNOWN_ID)
_COLUMNS_FROM = 1_000  # frames: below, the fixed cost of numpy's calls is more than they save


class FrameEncoder:
    """`counts` says how many frames gave no line, by reason; they are no points that were refused.

    Several threads may use one: they take turns, and its tables of texts are there once.
    """

    def __init__(self, databases: Databases, site: str, counts: Counter[str] | None = None,
                 columns_from: int = _COLUMNS_FROM) -> None:
        self._buses = {bus: [_Writer(database, site) for database in each] for bus, each in databases.items() if each}
        self._routes: dict[tuple[str, int, bool], _Writer | None] = {}
        self._columns_from = columns_from if _numpy_is_there() else None
        self._turn = threading.Lock()
        self.counts: Counter[str] = Counter() if counts is None else counts

    def blocks(self, reader: JournalReader, cursor: Cursor | None) -> Iterator[FrameBlock]:
        """Whole blocks from the cursor on."""
        return reader.frame_tables(cursor)

    def extent(self, block: FrameBlock) -> tuple[int, int | None]:
        """How many frames of interest a block has, and the time of its first; few when none are."""
        columns = block.columns
        if self._buses.keys().isdisjoint(columns.buses):
            return 1, None
        return columns.count, columns.times.start + columns.times.steps[0]

    def encode(self, blocks: Sequence[FrameBlock], missing: Counter[str]) -> LineText:
        """The lines of blocks. Nothing is `missing`: what a DBC does not name is no point."""
        wanted = [block for block in blocks if not self._buses.keys().isdisjoint(block.columns.buses)]
        frames = sum(block.columns.count for block in wanted)
        with self._turn:
            if self._columns_from is not None and frames >= self._columns_from:
                return self._in_columns(wanted)
            lines = [line for block in wanted for line in self._one_by_one(block)]
        return LineText(("\n".join(lines).encode(),), len(lines)) if lines else LineText()

    def _one_by_one(self, block: FrameBlock) -> Iterator[str]:
        routes, counts = self._routes, self.counts
        for time_ns, bus, can_id, extended, data in cast(list[Frame], block.columns.frames()):
            key = (bus, can_id, extended)
            writer = routes[key] if key in routes else self._learn(*key)
            if writer is None:
                if bus in self._buses:
                    counts[UNKNOWN] += 1
                continue
            line = writer.line(bus, can_id, extended, data, time_ns)
            if type(line) is str:
                yield line
            else:
                counts[str(line)] += 1

    def _learn(self, bus: str, can_id: int, extended: bool) -> _Writer | None:
        if len(self._routes) > 100_000:  # a device that talks nonsense must not fill the memory
            self._routes.clear()
        found = next((one for one in self._buses.get(bus, ()) if one.knows(can_id, extended)), None)
        self._routes[bus, can_id, extended] = found
        return found

    def _in_columns(self, blocks: Sequence[FrameBlock]) -> LineText:
        from twolbms.outlets.frame_tables import table_of

        table = table_of([block.columns for block in blocks])
        texts, lines = [], 0
        for bus, writers in self._buses.items():
            for writer, part in _parts(table, bus, writers, self.counts):
                made = writer.table(part)
                self.counts.update(made.refused)
                lines += made.count
                if made.count:
                    texts.append(made.text.rstrip(b"\n"))
        return LineText(texts, lines) if len(texts) != lines else LineText.of(b"\n".join(texts).split(b"\n"))


def _numpy_is_there() -> bool:
    """Loaded at the start, so that memory does not grow when the first backlog comes."""
    try:
        importlib.import_module("numpy")
    except ImportError:
        return False
    return True


class _Writer:
    """One DBC file's way from frames to lines, both ways made when they are first asked for."""

    def __init__(self, database: CompiledDatabase, site: str) -> None:
        self._database = database
        self._site = site
        self.line = LineWriter(database, site).line
        self._columns: Any = None

    def knows(self, can_id: int, extended: bool) -> bool:
        """Whether the file names a message of this id."""
        return self._database.find(can_id, extended) is not None

    def table(self, table: Any) -> Any:
        """The lines of a FrameTable."""
        if self._columns is None:
            from twolbms.decode.line_columns import TableWriter
            self._columns = TableWriter(self._database, self._site)
        return self._columns.lines(table)


def _parts(table: Any, bus: str, writers: Sequence[_Writer], counts: Counter[str]) -> Iterator[tuple[_Writer, Any]]:
    from twolbms.outlets.frame_tables import of_bus, of_ids

    of_this = of_bus(table, bus)
    if of_this is None:
        return
    for writer in writers:
        known, of_this = of_ids(of_this, writer.knows)
        if len(known.time_ns):
            yield writer, known
    counts[UNKNOWN] += len(of_this.time_ns)
