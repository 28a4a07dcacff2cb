"""Many frames to line protocol at once: the same lines as `lines`, made column by column. Needs the extra `bulk`.

A page's lines are the rows of a matrix of bytes in which each field has the width of its longest text; the zeros that
pad it are deleted at the end. Groups of few frames go to `LineWriter`, which costs less than a dozen numpy calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twolbms.decode.database import CompiledDatabase
from twolbms.decode.line_pages import PageLines, page_lines
from twolbms.decode.lines import LineWriter
from twolbms.decode.message import CompiledMessage
from twolbms.decode.raw_columns import RawColumns, page_rows
from twolbms.decode.refused import Refused
from twolbms.decode.table import FrameTable
from twolbms.decode.text_columns import Coding, padded, time_texts

Array = NDArray[Any]

_FEWEST = 40  # frames of a page in one call
_FEWEST_OF_ALL = 1_200
_AT_ONCE = 4_096  # rows of a matrix: 1 MB stays in a processor's cache
_MOST_SERIES = 65_536
_EXTENDED, _BUS = 29, 30  # bits of a series' key above its id

NOT_DATA = "not_data"


@dataclass(frozen=True, slots=True)
class Lines:
    """`count` lines, each with its line end; how many frames gave none, by reason (`Refused`, "not_data")."""

    text: bytes
    count: int
    refused: Counter[str]


@dataclass(frozen=True)
class _Series:
    """What frames of one bus and id are: ordered by layout, so that messages laid out alike stand together."""

    layout: int
    name: str
    key: int
    prefix: bytes


class TableWriter:
    """Lines of many frames of one site. `buses` gives the tag `bus` of a bus where it is another than its name."""

    def __init__(self, database: CompiledDatabase, site: str, buses: Mapping[str, str] | None = None) -> None:
        self._database = database
        self._writer = LineWriter(database, site, buses)
        self._coding = Coding()
        self._buses: list[str] = []
        self._layouts: list[_Layout] = []
        self._layout_of: dict[str, int] = {}
        self._series: dict[int, _Series] = {}
        self._arrange()

    def lines(self, table: FrameTable) -> Lines:
        """The lines of the data frames.

        They are grouped by layout, page and series, and within a series' page in the order of the table; a small table
        keeps its own order.
        """
        refused: Counter[str] = Counter()
        rows = np.flatnonzero(table.kind == 0)
        if len(rows) < len(table.kind):
            refused[NOT_DATA] += len(table.kind) - len(rows)
        texts: list[bytes | bytearray] = []
        count = 0
        for text, many in self._parts(table, rows, refused):
            texts.append(text)
            count += many
        return Lines(b"".join(texts), count, refused)

    def _parts(self, table: FrameTable, rows: Array, refused: Counter[str]) -> Iterator[tuple[bytes | bytearray, int]]:
        if len(rows) < _FEWEST_OF_ALL:
            yield self._one_by_one(table, rows, refused)
            return
        keys = self._keys(table, rows)
        if not self._learn(keys):
            yield self._one_by_one(table, rows, refused)
            return
        rows, ranks = self._sorted(rows, keys, refused)
        times = time_texts(table.time_ns)
        few = []
        for layout in self._layouts:
            first, last = np.searchsorted(ranks, (layout.first, layout.last)).tolist()
            if last - first < _FEWEST:
                few.append(rows[first:last])
            elif last > first:
                pieces = layout.pages_of(table, rows[first:last], ranks[first:last] - layout.first, refused)
                for page, source, of_page, series in pieces:
                    if len(of_page) < _FEWEST:
                        few.append(of_page)
                        continue
                    for at in range(0, len(of_page), _AT_ONCE):
                        part = slice(at, at + _AT_ONCE)
                        yield page.text(source.part(part), layout.prefixes[series[part]], times[of_page[part]], refused)
        if few:
            yield self._one_by_one(table, np.concatenate(few), refused)

    def _one_by_one(self, table: FrameTable, rows: Array, refused: Counter[str]) -> tuple[bytes, int]:
        width = table.data.shape[1]
        data = table.data[rows].tobytes()
        line, buses = self._writer.line, table.buses
        found = []
        columns = (table.bus[rows].tolist(), table.can_id[rows].tolist(), table.extended[rows].tolist(),
                   table.length[rows].tolist(), table.time_ns[rows].tolist())
        for at, (bus, can_id, extended, length, time_ns) in enumerate(zip(*columns, strict=True)):
            made = line(buses[bus], can_id, extended, data[at * width:at * width + length], time_ns)
            if type(made) is str:
                found.append(made)
            else:
                refused[str(made)] += 1
        found.append("")
        return "\n".join(found).encode(), len(found) - 1

    def _sorted(self, rows: Array, keys: Array, refused: Counter[str]) -> tuple[Array, Array]:
        """The rows of known ids and the rank of each one's series, in the order of the ranks."""
        place = np.searchsorted(self._known, keys)
        known = self._known[place] == keys
        if not known.all():
            refused[Refused.UNKNOWN_ID] += int(np.count_nonzero(~known))
            rows, place = rows[known], place[known]
        ranks = self._ranks[place]
        order = np.argsort(ranks, kind="stable")  # of 16 bits, so numpy sorts by radix
        return rows[order], ranks[order]

    def _keys(self, table: FrameTable, rows: Array) -> Array:
        """Bus, kind of id and id in one number."""
        for name in table.buses:
            if name not in self._buses:
                self._buses.append(name)
        numbers = np.array([self._buses.index(name) for name in table.buses] or [0], dtype=np.int64)
        keys: Array = numbers[table.bus[rows]] << _BUS | table.can_id[rows]
        keys |= table.extended[rows].astype(np.int64) << _EXTENDED
        return keys

    def _learn(self, keys: Array) -> bool:
        """Takes up new series that the database knows; False if the table has more of them than can be kept."""
        new = np.unique(keys[self._known[np.searchsorted(self._known, keys)] != keys]).tolist()
        found = {key: series for key in new if (series := self._find(key))}
        if len(self._series) + len(found) > _MOST_SERIES:
            self._series.clear()
            found = {key: series for key in np.unique(keys).tolist() if (series := self._find(key))}
        self._series |= found if len(found) <= _MOST_SERIES else {}
        if found:
            self._arrange()
        return len(found) <= _MOST_SERIES

    def _find(self, key: int) -> _Series | None:
        extended, can_id = bool(key >> _EXTENDED & 1), key & (1 << _EXTENDED) - 1
        message = self._database.find(can_id, extended)
        if message is None:
            return None
        prefix = self._writer.prefix(message, self._buses[key >> _BUS], can_id)
        return _Series(self._layout(message), message.name, key, prefix.encode())

    def _layout(self, message: CompiledMessage) -> int:
        if message.layout not in self._layout_of:
            self._layout_of[message.layout] = len(self._layouts)
            self._layouts.append(_Layout(message, self._coding))
        return self._layout_of[message.layout]

    def _arrange(self) -> None:
        """Ranks the series anew."""
        ranked = sorted(self._series.values(), key=lambda each: (each.layout, each.name, each.key))
        keys = np.array([each.key for each in ranked], dtype=np.int64)
        by_key = np.argsort(keys)
        self._known = np.append(keys[by_key], np.int64(1 << 62))  # a last one, so that each place exists
        self._ranks = np.append(by_key, 0).astype(np.uint16)
        for number, layout in enumerate(self._layouts):
            at = [rank for rank, each in enumerate(ranked) if each.layout == number]
            layout.first, layout.last = (at[0], at[-1] + 1) if at else (0, 0)
            layout.prefixes = padded([ranked[rank].prefix for rank in at])


class _Layout:
    """Messages whose bits are laid out alike: ranks `first` to `last`, their prefixes, and the way to a page's text."""

    def __init__(self, message: CompiledMessage, coding: Coding) -> None:
        self.first = self.last = 0
        self.prefixes = padded([])
        self._message = message
        self._pages = [page_lines(message, page, coding) for page in message.pages]

    def pages_of(
        self, table: FrameTable, rows: Array, series: Array, refused: Counter[str]
    ) -> Iterator[tuple[PageLines, RawColumns, Array, Array]]:
        """The pages that come, each with its raw values, rows and series."""
        message = self._message
        short = table.length[rows] < message.length
        if short.any() or table.data.shape[1] < message.length:
            refused[Refused.SHORT] += int(np.count_nonzero(short))
            rows, series = rows[~short], series[~short]
            if not len(rows):
                return
        source = RawColumns(table.data[rows, : message.length])
        if len(self._pages) == 1 and not message.pages[0].chosen:
            yield self._pages[0], source, rows, series
            return
        unpaged = len(rows)
        for page, at in zip(self._pages, page_rows(message, source), strict=True):
            unpaged -= len(at)
            if len(at):
                yield page, source.part(at), rows[at], series[at]
        if unpaged:
            refused[Refused.BAD_MULTIPLEXER] += unpaged
