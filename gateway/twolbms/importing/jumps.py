"""Times that jump by years inside a log: a clock that was set meanwhile, or logs of different times in one file.

Such a log is read all the same; people must know, because its records lie years apart. Knows no format.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twolbms.importing.frames import LogFrame

YEAR_NS = 365 * 86_400 * 1_000_000_000


class YearJumps:
    """Looks at the frames on their way past, of any kind and bus."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._count = 0
        self._first: tuple[int, int] | None = None  # in ns, before and after the first jump

    def watched(self, batches: Iterator[list[LogFrame]]) -> Iterator[list[LogFrame]]:
        """The batches as they come."""
        for batch in batches:
            last_ns = batch[0].time_ns if self._last_ns is None else self._last_ns
            for frame in batch:
                time_ns = frame.time_ns
                if not -YEAR_NS < time_ns - last_ns < YEAR_NS:
                    self._jump(last_ns, time_ns)
                last_ns = time_ns
            self._last_ns = last_ns
            yield batch

    def watched_tables(self, tables: Iterator[Any]) -> Iterator[Any]:
        """The tables of the bulk reader as they come."""
        for table in tables:
            times_ns = table.time_ns
            if self._last_ns is not None:
                self._look(self._last_ns, int(times_ns[0]))
            for row in (abs(times_ns[1:] - times_ns[:-1]) >= YEAR_NS).nonzero()[0].tolist():
                self._jump(int(times_ns[row]), int(times_ns[row + 1]))
            self._last_ns = int(times_ns[-1])
            yield table

    def _look(self, before_ns: int, after_ns: int) -> None:
        if abs(after_ns - before_ns) >= YEAR_NS:
            self._jump(before_ns, after_ns)

    def _jump(self, before_ns: int, after_ns: int) -> None:
        self._count += 1
        self._first = self._first or (before_ns, after_ns)

    def sentences(self) -> list[str]:
        """One for people when there was a jump."""
        if self._first is None:
            return []
        before_ns, after_ns = self._first
        years, way = abs(after_ns - before_ns) / YEAR_NS, "ahead" if after_ns > before_ns else "back"
        times = "once" if self._count == 1 else f"{self._count} times"
        return [f"times jump by years inside the log, {times}: first {years:.1f} years {way}, "
                f"from {_seconds(before_ns)} to {_seconds(after_ns)} s"]


def _seconds(time_ns: int) -> str:
    return f"{time_ns // 1_000_000_000}.{time_ns % 1_000_000_000:09d}"
