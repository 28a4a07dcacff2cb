"""Every acknowledged record must be in the journal: the stream of acknowledgements on one side, what is read back on
the other, compared by content.

Acknowledgements carry the boot's monotonic time, the journal's reader gives wall time: `wall_offset_ns` joins them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from twolbms.journal.reader import JournalReader
from twolbms.journal.records import Event, Record, Sample

Key = tuple[Any, ...]


class Comparison(NamedTuple):
    """How many records were acknowledged, how many of those are in the journal, and some that are not."""

    acknowledged: int
    read_back: int
    missing: list[Key]


def key_of_line(line: str | bytes, wall_offset_ns: int) -> Key | None:
    """The content of one acknowledgement line; None for a line that is none."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    match row:
        case ["sample", int(time_ns), str(quantity), str(pack), cell, int() | float() as value]:
            return ("sample", time_ns + wall_offset_ns, quantity, pack, cell, float(value))
        case ["event", int(time_ns), str(kind), str(pack), dict(data)]:
            return ("event", time_ns + wall_offset_ns, kind, pack, _text_of(kind, data))
    return None


def key_of_record(record: Record) -> Key | None:
    """The content of a record as read back; None for a family that is not acknowledged one by one."""
    match record:
        case Sample(time_ns, series, value):
            return ("sample", time_ns, series.quantity, series.pack, series.cell, value)
        case Event(time_ns, kind, pack, data):
            return ("event", time_ns, kind, pack, _text_of(kind, data))
    return None


def _text_of(kind: str, data: dict[str, Any]) -> str:
    """An event's data as one text. The ends of gaps and losses are turned into wall time by the reader: left out."""
    moved = {"from_ns", "to_ns"} if kind in ("gap", "lost") else set()
    return json.dumps({name: value for name, value in data.items() if name not in moved}, sort_keys=True)


class Acknowledged:
    """Counts acknowledgements by content."""

    def __init__(self, wall_offset_ns: int) -> None:
        self._wall_offset_ns = wall_offset_ns
        self._keys: Counter[Key] = Counter()

    def take(self, line: str | bytes) -> None:
        """One line of the stream; what is none is not counted."""
        key = key_of_line(line, self._wall_offset_ns)
        if key is not None:
            self._keys[key] += 1

    @property
    def count(self) -> int:
        """How many were taken."""
        return self._keys.total()

    def compare(self, records: Iterable[Record]) -> Comparison:
        """Looks for each acknowledged record among those read back; a record counts once for each time it was told."""
        missing = Counter(self._keys)
        for record in records:
            key = key_of_record(record)
            if key is not None and missing.get(key, 0):
                missing[key] -= 1
        left = +missing
        return Comparison(self.count, self.count - left.total(), list(left)[:10])


def records_of(reader: JournalReader) -> Iterator[Record]:
    """All samples and events of a journal."""
    for family in ("event", "sample"):
        for block in reader.blocks(family):
            yield from block.records
