"""What a new run of the gateway learns from the journal of the one before: the last mark of each pack."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from twolbms.journal import Block, Cursor, Event, JournalReader
from twolbms.journal.segments import segment_numbers

Marks = dict[str, tuple[dict[str, Any], float | None]]
MARK = "mark"
_NUMBERS = ("soc", "sigma")


def last_marks(folder: Path, packs: Collection[str], wall_now_ns: int | None) -> Marks:
    """The last mark of each pack, and how many seconds old it is (None where the wall time is not known).

    Marks come every ten minutes, so the newest segment has them; older ones are read only for packs still missing.
    """
    marks: Marks = {}
    reader = JournalReader(folder)
    for number in reversed(segment_numbers(folder, "event")):
        found: Marks = {}
        for block in _blocks_of(reader, number):
            for event in block.records:
                if isinstance(event, Event) and event.kind == MARK and event.pack in packs and _whole(event.data):
                    known = wall_now_ns is not None and block.wall_known
                    age_s = max(0.0, ((wall_now_ns or 0) - event.time_ns) / 1e9) if known else None
                    found[event.pack] = (event.data, age_s)
        marks = found | marks
        if len(marks) == len(packs):
            break
    return marks


def _blocks_of(reader: JournalReader, number: int) -> Iterator[Block]:
    """The blocks of one segment of events: up to and with the one behind which the next segment begins."""
    for block in reader.blocks("event", Cursor("event", number, 0)):
        yield block
        if block.next.segment != number:
            return


def _whole(data: dict[str, Any]) -> bool:
    """Whether a mark can be gone on from: written by this version's `Pack.mark`, not something else of that name."""
    return all(isinstance(data.get(name), int | float) for name in _NUMBERS)
