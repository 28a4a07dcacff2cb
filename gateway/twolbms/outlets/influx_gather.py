"""Takes a batch out of the journal: whole blocks of one family as lines, and what is to be said about the rest.

It knows the journal and the encoders; no server, and it moves no cursor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from twolbms.clock import Clock
from twolbms.journal import Cursor, JournalReader
from twolbms.outlets.line_text import LineText
from twolbms.outlets.ranges import place

NOTHING = (0, 0)  # the end of a family without segments, or of one without a whole block
_UNPLACED = "records of a boot that never learned the wall time: only the journal has them"
_UNLINKED = "journal segments that retention dropped before the database had them"
_DAMAGED = "stretches of the journal that cannot be read"


class AnyBlock(Protocol):
    """What every family's blocks say; the records themselves are the encoder's business."""

    @property
    def wall_known(self) -> bool:
        """Whether its times are wall time."""

    @property
    def boot_id(self) -> str:
        """Whose boot its times are of."""

    @property
    def next(self) -> Cursor:
        """The cursor behind it."""

    @property
    def skipped_segments(self) -> int:
        """Segments unlinked before it."""

    @property
    def damaged(self) -> int:
        """Stretches before it that cannot be read."""


class Encoder(Protocol):
    """Reads the blocks of one family and makes lines of them; both lanes may ask at once."""

    def blocks(self, reader: JournalReader, cursor: Cursor | None) -> Iterator[Any]:
        """Whole blocks from the cursor on."""

    def extent(self, block: Any) -> tuple[int, int | None]:
        """How many records a block has, and the time of its first; None when it gives no lines."""

    def encode(self, blocks: Sequence[Any], missing: Counter[str]) -> LineText:
        """The lines of blocks; what cannot be told as a line is counted in `missing` by its reason."""


@dataclass
class Batch:
    """Lines of whole blocks of one family and the cursor behind them; None when there was no block.

    `oldest_ns` is the time of the oldest record in hand. `wall_unknown`: a block follows whose times are still
    monotonic. `at_end`: everything that was asked for is in it. `missing`: reasons why records cannot be sent.
    """

    family: str
    start: Cursor | None
    text: LineText = field(default_factory=LineText)
    next: Cursor | None = None
    oldest_ns: int | None = None
    wall_unknown: bool = False
    at_end: bool = False
    missing: Counter[str] = field(default_factory=Counter)


class Gatherer:
    """`most_records`: a batch ends with the block that reaches so many."""

    def __init__(self, reader: JournalReader, clock: Clock, encoders: Mapping[str, Encoder], most_records: int) -> None:
        self.reader = reader
        self.families = tuple(encoders)
        self._clock = clock
        self._encoders = encoders
        self._most = most_records

    def gather(self, family: str, start: Cursor | None, until: Cursor | None = None) -> Batch:
        """What the journal holds behind `start`, at most one batch, and no block that begins at `until` or later.

        OSError when the journal cannot be read. The batch's `start` is another where the journal has no such place.
        """
        start = self.reader.placed(start)
        batch, encoder = Batch(family, start), self._encoders[family]
        taken: list[Any] = []
        records = 0
        for block in encoder.blocks(self.reader, start):
            if until is not None and place(batch.next or start) >= place(until):
                batch.at_end = True
                break
            count, first_ns = encoder.extent(block)
            if batch.oldest_ns is None and (block.wall_known or block.boot_id == self._clock.boot_id):
                batch.oldest_ns = first_ns
            if not block.wall_known and block.boot_id == self._clock.boot_id:
                batch.wall_unknown = True
                break
            _note(batch, block, count)
            if block.wall_known:
                records += count
                if first_ns is not None:  # else it gives no lines, and need not stay in memory until the batch is full
                    taken.append(block)
            if records >= self._most:
                break
        else:
            batch.at_end = self._ends(family, batch, until)
        batch.text = encoder.encode(taken, batch.missing)
        return batch

    def _ends(self, family: str, batch: Batch, until: Cursor | None) -> bool:
        """The journal gave no more. Without a single segment it is away (a disk pulled out), not at its end."""
        if until is not None and place(batch.next or batch.start) < place(until):
            if place(self.reader.end(family)) <= NOTHING:
                return False
            batch.missing[_DAMAGED] += self.reader.unread(family, batch.next or batch.start, until)
            batch.next = until
        return True


def _note(batch: Batch, block: AnyBlock, count: int) -> None:
    batch.next = block.next
    batch.missing[_UNLINKED] += block.skipped_segments
    batch.missing[_DAMAGED] += block.damaged
    if not block.wall_known:  # that boot is over: nobody can tell any more when it was
        batch.missing[_UNPLACED] += count
