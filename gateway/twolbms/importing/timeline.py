"""From the log's own time to the journal's: where a log begins, and which wall time that is."""

from __future__ import annotations

# Vector's and python-can's rule for "no calendar time": before 1990-01-01 a time stamp counts from the log's start.
FIRST_CALENDAR_NS = 631_152_000 * 1_000_000_000


class Timeline:
    """Fixed by the first frame of the log, of any kind and bus.

    A log with calendar time keeps it; another begins at 0. With `start_ns` (wall time, ns since 1970) the first frame
    is at that time either way. The journal's monotonic time is the log's, or counts from the first frame.
    """

    def __init__(self, start_ns: int | None) -> None:
        self._start_ns = start_ns
        self._shift_ns: int | None = None
        self.wall_offset_ns = 0

    def begin(self, first_ns: int) -> None:
        """Called with the time of the first frame; later calls change nothing."""
        if self._shift_ns is not None:
            return
        keeps_its_own = self._start_ns is None and first_ns >= FIRST_CALENDAR_NS
        self._shift_ns = 0 if keeps_its_own else -first_ns
        self.wall_offset_ns = self._start_ns or 0

    @property
    def shift_ns(self) -> int:
        """What is added to a log time to make it the journal's."""
        assert self._shift_ns is not None, "begin() comes first"
        return self._shift_ns

    def journal_ns(self, log_ns: int) -> int:
        """The journal's monotonic time."""
        return log_ns + self.shift_ns

    def wall_ns(self, journal_ns: int) -> int:
        """Wall time of a journal time."""
        return journal_ns + self.wall_offset_ns
