"""Two lanes from the journal to the database: new records at once, and beside them what was missed.

Each step is one batch a family; a step that breaks off anywhere leaves the ledger claiming nothing that is not stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twolbms.journal import Cursor
from twolbms.outlets.influx_delivery import Delivery
from twolbms.outlets.influx_gather import NOTHING, Batch, Gatherer
from twolbms.outlets.influx_http import WriteConnection
from twolbms.outlets.ledger import Ledger
from twolbms.outlets.line_text import LineText
from twolbms.outlets.quarantine import Quarantine
from twolbms.outlets.ranges import Stretch, place

LIVE_S = 2.0
"""When the live lane was so long not at the journal's end, it leaps there, and what it passed over becomes backlog."""

WALL_UNKNOWN = "the wall time is not known yet"

_NEVER_S = float("-inf")

_ROUNDS = 3
"""So often a batch goes out when connections break meanwhile; then it counts as stored, and as doubtful."""


@dataclass
class Courier:
    """Brings batches over one connection. `doubtful`: a restart of the server may take what it has answered."""

    connection: WriteConnection
    delivery: Delivery
    ledger: Ledger
    quarantine: Quarantine
    doubtful: bool = False
    now_s: Callable[[], float] = time.monotonic

    def bring(self, batch: Batch) -> float | None:
        """Returns when the database has the batch and, as far as one can know, will keep what it had before.

        Returns a time at which the process that stored it was alive; None where there was nothing to store.
        """
        sure = self.bring_text(batch.text)
        lived_s = (self.connection.lived_s if sure else _NEVER_S) if batch.text.count else None
        for reason, count in batch.missing.items():
            if count:
                self.delivery.progress.refused += count
                self.quarantine.add(f"{batch.family}: {reason}", count)
        return lived_s

    def bring_text(self, text: LineText) -> bool:
        """The same for lines alone. What came before a break may be gone with it, so then all of it goes once more.

        False when each round met a break: some of it may be gone again.
        """
        for _ in range(_ROUNDS):
            opened, doubts = self.connection.opened, self.ledger.doubts
            self.delivery.deliver(text)
            if not self.doubtful or not text.count:
                return True
            new = self.connection.opened - opened
            if new:
                self.ledger.distrust()
                doubts += 1
            if self.ledger.doubts == doubts and (not new or (new == 1 and not opened)):
                self.ledger.settle(self.connection.opened_s, self.now_s())
                return True
        return False


class Lane:
    """What both lanes keep: the oldest record in hand as (time, whether it is monotonic), None when there is none."""

    def __init__(self, gatherer: Gatherer, courier: Courier) -> None:
        self._gatherer = gatherer
        self._courier = courier
        self._ledger = courier.ledger
        self.connection = courier.connection
        self.progress = courier.delivery.progress
        self.oldest: tuple[int, bool] | None = None
        self._unreadable: OSError | None = None

    def _gathered(self, family: str, start: Cursor | None, until: Cursor | None = None) -> Batch | None:
        """A batch; None where the journal of this family cannot be read, which keeps the other families going."""
        try:
            return self._gatherer.gather(family, start, until)
        except OSError as error:
            self._unreadable = error
            return None

    def _raise_unreadable(self) -> None:
        """Once the step has brought what it could."""
        error, self._unreadable = self._unreadable, None
        if error is not None:
            raise error

    @property
    def in_trouble(self) -> bool:
        """Whether the last answer, or the want of one, was no good."""
        return self._courier.delivery.in_trouble

    def _note(self, batches: list[Batch]) -> bool:
        """Kept until a step finds nothing more: while catching up the lag must not read 0 between two batches.

        Returns whether any of them waits for the wall time.
        """
        times = [(batch.oldest_ns, batch.wall_unknown and batch.next is None)
                 for batch in batches if batch.oldest_ns is not None]
        self.oldest = min(times) if times else None
        return any(batch.wall_unknown for batch in batches)

    def _rest(self, wall_unknown: bool) -> None:
        if wall_unknown:
            self.progress.state, self.progress.error = "waiting", WALL_UNKNOWN
        elif self.progress.state == "waiting":
            self.progress.state, self.progress.error = "ok", None


class LiveLane(Lane):
    """Follows the journal's end."""

    def __init__(self, gatherer: Gatherer, courier: Courier) -> None:
        super().__init__(gatherer, courier)
        self._at_end_s: float | None = None
        # Those with a place in a journal whose end was never seen yet: it may be another journal by now.
        self._endless = {family for family in gatherer.families if self._ledger.live(family) is not None}
        self.wall_unknown = False

    def step(self) -> bool:
        """Sends what is new, at most one batch of each family; False when there was nothing."""
        now_s, self._unreadable = self._courier.now_s(), None
        if self._at_end_s is None or (now_s - self._at_end_s > LIVE_S and not self.wall_unknown):
            self._leap(self._gatherer.families)
            self._at_end_s = now_s
        elif self._endless:
            self._leap(self._endless)
        families = self._gatherer.families
        gathered = [self._gathered(family, self._ledger.live(family)) for family in families]
        batches = [batch for batch in gathered if batch is not None]
        self.wall_unknown = self._note(batches)
        moved = False
        for batch in batches:
            if batch.next is not None:
                moved = True
                lived_s = self._courier.bring(batch)
                self._ledger.stored_live(Stretch(batch.start, batch.next), self._courier.now_s(), lived_s)
        self._raise_unreadable()
        if all(batch.at_end for batch in batches):
            self._at_end_s = now_s
        if not moved:
            self._rest(self.wall_unknown)
        return moved

    def _leap(self, families: Iterable[str]) -> None:
        for family in [*families]:
            try:
                end = self._gatherer.reader.end(family)
            except OSError as error:
                self._unreadable = error
                continue
            if end is not None and place(end) > NOTHING:  # else there is nothing, or the disk is away
                self._ledger.leap(family, end)
                self._endless.discard(family)


class BacklogLane(Lane):
    """Sends what is owed, oldest first, a batch of each family in turn."""

    @property
    def owes(self) -> bool:
        """Whether anything is owed that this lane sends."""
        return self._ledger.owes(self._gatherer.families)

    def step(self) -> bool:
        """False when nothing is owed, or nothing of it can be sent now."""
        batches, moved, self._unreadable = [], False, None
        for family in self._gatherer.families:
            owed = self._ledger.owed(family)
            batch = None if owed is None else self._gathered(family, owed.start, owed.end)
            if batch is None or owed is None:
                continue
            if place(batch.start) < owed.begin:  # the journal has no such place: more is owed than was known
                self._ledger.owe(Stretch(batch.start, owed.end))
            batches.append(batch)
            self._note(batches)
            if batch.next is not None:
                moved = True
                lived_s = self._courier.bring(batch)
                self._ledger.stored_owed(Stretch(batch.start, batch.next), self._courier.now_s(), lived_s)
        self._raise_unreadable()
        wall_unknown = self._note([] if moved and not self.owes else batches)
        if not moved:
            self._rest(wall_unknown)
        return moved
