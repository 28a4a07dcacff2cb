"""The encoders of samples and events for `influx_gather`: blocks in, lines out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import cast

from twolbms.journal import Block, Cursor, Event, JournalReader, Sample
from twolbms.outlets.influx_gather import Encoder
from twolbms.outlets.line_protocol import LineEncoder
from twolbms.outlets.line_text import LineText

_NOT_FINITE = "records whose value is no finite number"


class _Records:
    """Blocks as the journal gives them, record by record."""

    def __init__(self, family: str, lines: LineEncoder) -> None:
        self._family = family
        self._lines = lines

    def blocks(self, reader: JournalReader, cursor: Cursor | None) -> Iterator[Block]:
        """Whole blocks from the cursor on."""
        return reader.blocks(self._family, cursor)

    def extent(self, block: Block) -> tuple[int, int | None]:
        """How many records a block has, and the time of its first."""
        return len(block.records), block.records[0].time_ns if block.records else None


class SampleEncoder(_Records):
    """Values: one line for each measurement, tags and time."""

    def encode(self, blocks: Sequence[Block], missing: Counter[str]) -> LineText:
        """The lines of blocks; values that are no finite numbers are counted."""
        lines: list[bytes] = []
        for block in blocks:
            encoded = self._lines.samples(cast(list[Sample], block.records))
            lines += encoded.lines
            missing[_NOT_FINITE] += encoded.dropped
        return LineText.of(lines)


class EventEncoder(_Records):
    """Events: one line each."""

    def encode(self, blocks: Sequence[Block], missing: Counter[str]) -> LineText:
        """The lines of blocks."""
        return LineText.of([line for block in blocks for line in
                            self._lines.events(cast(list[Event], block.records)).lines])


def record_encoders(site: str) -> dict[str, Encoder]:
    """Those of the two families that every site has, events first: they are few and people wait for them."""
    lines = LineEncoder(site)
    return {"event": EventEncoder("event", lines), "sample": SampleEncoder("sample", lines)}
