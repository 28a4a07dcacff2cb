"""Two lanes from the journal to the database: new records at once, and beside them what was missed.

Each step is one batch a family; a step that breaks off anywhere leaves the ledger claiming nothing that is not stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from twolbms.outlets.influx_delivery import Delivery
from twolbms.outlets.influx_gather import Batch, Gatherer
from twolbms.outlets.influx_http import WriteConnection
from twolbms.outlets.ledger import Ledger
from twolbms.outlets.line_text import LineText
from twolbms.outlets.quarantine import Quarantine
from twolbms.outlets.ranges import Stretch, place

LIVE_S = 2.0
"""When the live lane was so long not at the journal's end, it leaps there, and what it passed over becomes backlog."""

WALL_UNKNOWN = "the wall time is not known yet"


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
        self.bring_text(batch.text)
        lived_s = self.connection.lived_s if batch.text.count else None
        for reason, count in batch.missing.items():
            if count:
                self.delivery.progress.refused += count
                self.quarantine.add(f"{batch.family}: {reason}", count)
        return lived_s

    def bring_text(self, text: LineText) -> None:
        """The same for lines alone. What came before a break may be gone with it, so then all of it goes once more."""
        while True:
            opened, doubts = self.connection.opened, self.ledger.doubts
            self.delivery.deliver(text)
            if not self.doubtful or not text.count:
                return
            new = self.connection.opened - opened
            if new:
                self.ledger.distrust()
                doubts += 1
            if self.ledger.doubts == doubts and (not new or (new == 1 and not opened)):
                self.ledger.settle(self.connection.opened_s, self.now_s())
                return


class Lane:
    """What both lanes keep: the oldest record in hand as (time, whether it is monotonic), None when there is none."""

    def __init__(self, gatherer: Gatherer, courier: Courier) -> None:
        self._gatherer = gatherer
        self._courier = courier
        self._ledger = courier.ledger
        self.connection = courier.connection
        self.progress = courier.delivery.progress
        self.oldest: tuple[int, bool] | None = None

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
        self.wall_unknown = False

    def step(self) -> bool:
        """Sends what is new, at most one batch of each family; False when there was nothing."""
        now_s = self._courier.now_s()
        if self._at_end_s is None or (now_s - self._at_end_s > LIVE_S and not self.wall_unknown):
            self._leap()
        families = self._gatherer.families
        batches = [self._gatherer.gather(family, self._ledger.live(family)) for family in families]
        self.wall_unknown = self._note(batches)
        moved = False
        for batch in batches:
            if batch.next is not None:
                moved = True
                lived_s = self._courier.bring(batch)
                self._ledger.stored_live(Stretch(batch.start, batch.next), self._courier.now_s(), lived_s)
        if all(batch.at_end for batch in batches):
            self._at_end_s = now_s
        if not moved:
            self._rest(self.wall_unknown)
        return moved

    def _leap(self) -> None:
        for family in self._gatherer.families:
            end = self._gatherer.reader.end(family)
            if end is not None and place(end) > (0, 0):  # else there is nothing, or the disk is away
                self._ledger.leap(family, end)
        self._at_end_s = self._courier.now_s()


class BacklogLane(Lane):
    """Sends what is owed, oldest first, a batch of each family in turn."""

    def step(self) -> bool:
        """False when nothing is owed, or nothing of it can be sent now."""
        batches, moved = [], False
        for family in self._gatherer.families:
            owed = self._ledger.owed(family)
            if owed is None:
                continue
            batch = self._gatherer.gather(family, owed.start, owed.end)
            batches.append(batch)
            self._note(batches)
            if batch.next is not None:
                moved = True
                lived_s = self._courier.bring(batch)
                self._ledger.stored_owed(Stretch(batch.start, batch.next), self._courier.now_s(), lived_s)
        wall_unknown = self._note([] if moved and not self._ledger.owes() else batches)
        if not moved:
            self._rest(wall_unknown)
        return moved
