"""What is journalled when: samples by the rows of fields.py, events and readings always, frames if the site keeps them.

Knows the table of quantities and the journal's writer, nothing of batteries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from twolbms.fields import FIELDS
from twolbms.journal.records import FrameRow, Series

NS = 1_000_000_000
STEP_EVERY_NS = NS // 10  # a change larger than the row's step is journalled at most ten times a second


class Sink(Protocol):
    """Where records go: the journal's writer, which never blocks and never raises."""

    def sample(self, series: Series, time_ns: int, value: float) -> None:
        """Takes one value."""

    def event(self, time_ns: int, kind: str, pack: str, data: dict[str, Any]) -> None:
        """Takes one event."""

    def frames(self, records: Sequence[FrameRow]) -> None:
        """Takes raw frames that came together."""

    def reading(self, time_ns: int, source: str, data: bytes) -> None:
        """Takes the raw bytes that a device said."""


class Track:
    """One series: decides which of the offered values are recorded.

    With a period every `record_s` seconds, without one at every change; and at once, though at most ten times a second,
    when a value differs by more than the row's step from the one recorded last. An unknown value records nothing.
    """

    __slots__ = ("_due_ns", "_last", "_last_ns", "_period_ns", "_series", "_sink", "_step")

    def __init__(self, sink: Sink, series: Series) -> None:
        row = FIELDS[series.quantity]
        self._sink = sink
        self._series = series
        self._period_ns = int(row.record_s * NS)
        self._step = row.step if row.record_s else row.step or 0.0
        self._due_ns = 0
        self._last: float | None = None
        self._last_ns = 0

    def offer(self, value: float | None, now_ns: int) -> None:
        """A value known at `now_ns`."""
        if value is None:
            self._last = None  # what comes after a gap is recorded at once
            return
        last = self._last
        if last is None:
            self._due_ns = now_ns + self._period_ns
        elif self._period_ns and now_ns >= self._due_ns:
            self._due_ns += self._period_ns
            if self._due_ns <= now_ns:
                self._due_ns = now_ns + self._period_ns
        elif self._step is None or abs(value - last) <= self._step or now_ns - self._last_ns < STEP_EVERY_NS:
            return
        self._last, self._last_ns = value, now_ns
        self._sink.sample(self._series, now_ns, float(value))


class Recording:
    """The tracks of every series, and the way for events and frames. `keep_frames` is the site's choice."""

    def __init__(self, sink: Sink, keep_frames: bool = True) -> None:
        self._sink = sink
        self.keep_frames = keep_frames
        self._tracks: dict[Series, Track] = {}

    def track(self, quantity: str, pack: str = "", cell: int | None = None) -> Track:
        """The track of a series, made when it is first asked for."""
        series = Series(quantity, pack, cell)
        found = self._tracks.get(series)
        if found is None:
            found = self._tracks[series] = Track(self._sink, series)
        return found

    def event(self, now_ns: int, kind: str, pack: str, text: str, data: Mapping[str, Any] | None = None) -> None:
        """Something happened; `text` says it to people."""
        self._sink.event(now_ns, kind, pack, {**(data or {}), "text": text})

    def frames(self, records: Sequence[FrameRow]) -> None:
        """Frames as received, if the site keeps them."""
        if self.keep_frames:
            self._sink.frames(records)

    def reading(self, now_ns: int, device: str, data: bytes) -> None:
        """What a device said, as it came."""
        self._sink.reading(now_ns, device, data)
