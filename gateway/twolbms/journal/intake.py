"""The bounded queue of one family between the callers and the writing thread; full means counted, never waited."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Loss(NamedTuple):
    """Records of a family that found the queue full or went with their file, and the range of their times."""

    records: int
    from_ns: int
    to_ns: int

    def and_more(self, other: Loss) -> Loss:
        """Both losses as one."""
        return Loss(self.records + other.records, min(self.from_ns, other.from_ns), max(self.to_ns, other.to_ns))


class Intake:
    """Any thread puts, one thread takes."""

    def __init__(self, limit: int, large: int, wake: Callable[[], None]) -> None:
        """Holds about `limit` records; calls `wake` while `large` or more wait."""
        # The fast path relies on append, slice, del and len of a list being atomic: no lock is taken for a record.
        self._waiting: list[Any] = []
        self._limit = limit
        self._large = min(large, limit)
        self._wake = wake
        self._guard = threading.Lock()
        self._fresh_loss: Loss | None = None
        self.lost = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, record: Any) -> None:
        """Takes a record in, or counts it as lost."""
        if len(self._waiting) < self._large:
            self._waiting.append(record)
        else:
            self._put_in_a_crowd(record)

    def put_all(self, records: Sequence[Any]) -> None:
        """Takes records in as `put` does one, oldest first: those beyond the limit are counted as lost."""
        room = self._limit - len(self._waiting)
        if room < len(records):
            surplus = records[max(room, 0):]
            times = [record[0] for record in surplus]
            self.lose(Loss(len(surplus), min(times), max(times)))
            records = records[:max(room, 0)]
        self._waiting += records
        if len(self._waiting) > self._large:
            self._wake()

    def _put_in_a_crowd(self, record: Any) -> None:
        if len(self._waiting) < self._limit:
            self._waiting.append(record)
            self._wake()
            return
        self.lose(Loss(1, record[0], record[0]))

    def lose(self, loss: Loss) -> None:
        """Counts records as lost that had no room, or whose file is gone."""
        with self._guard:
            self.lost += loss.records
            self._fresh_loss = self._fresh_loss.and_more(loss) if self._fresh_loss else loss

    def put_anyway(self, record: Any) -> None:
        """Takes a record in even when the queue is full: for the journal's own few."""
        self._waiting.append(record)

    def refuse(self, count: int = 1) -> None:
        """Counts records that the journal cannot hold, such as a value that is not a number."""
        with self._guard:
            self.refused += count

    def take(self, most: int) -> list[Any]:
        """Up to `most` records, oldest first."""
        taken = self._waiting[:most]
        del self._waiting[:len(taken)]
        return taken

    def take_loss(self) -> Loss | None:
        """What was lost since this was last asked."""
        with self._guard:
            loss, self._fresh_loss = self._fresh_loss, None
        return loss

    @property
    def has_lost(self) -> bool:
        """Whether `take_loss` would give something."""
        return self._fresh_loss is not None

    def shut(self) -> None:
        """From now on every record put is lost."""
        self._limit = self._large = 0
