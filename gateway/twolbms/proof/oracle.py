"""The rules of the limit table said a second time: from the pack's YAML, in SI units and seconds, unknown is None.

Written from docs/architecture.md, SAFETY.md and the pack's own words, not from the node's code, and shares no line with
it: no columns, no counts, no masks on the way. A disagreement is a mistake in one of the two.

- A value is beyond a tier when it has passed it; equal is inside. It counts when it has been beyond for `delay_s`.
- warn ends as soon as the value is inside warn; limit and a trip's cause end when it is back inside `clear`.
- After the cause `hold_s` runs; then a row that does not latch is over, and one that latches waits to be cleared.
  A value that leaves `clear` again meanwhile is the cause again.
- A doubtful value (part of it missing or old) can trip but ends nothing: no delay, no limit, no cause, no hold.
- An unknown value changes nothing.
- Implausible readings come and go: their delay runs backwards while they are plausible, instead of starting anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twolbms.config.pack import GuardedPack, Limit
from twolbms.diagnoses import BOTH, CYCLE_MS, DIAGNOSES, Diagnosis

CYCLE_S = CYCLE_MS / 1000
_ROUNDING_S = 1e-6
_CELL_ROWS = ("cell_over_voltage", "cell_under_voltage", "deep_discharge")
_FLICKERS = "implausible_reading"


class Seen(NamedTuple):
    """One row's value in its unit, None when unknown; `sure` says that it is complete and fresh."""

    value: float | None
    sure: bool


UNKNOWN = Seen(None, False)


class Clock:
    """How long a value has been beyond a tier, None when it is not."""

    __slots__ = ("beyond_s", "threshold")

    def __init__(self, threshold: float | None) -> None:
        self.threshold = threshold
        self.beyond_s: float | None = None


class Row:
    """One row over time. `phase` is ok, cause, hold or wait; `warn` and `limit` are its tiers."""

    __slots__ = ("_clear", "_delay_s", "_flickers", "_hold_s", "_left_s", "_limit", "_slack", "_trip", "_up", "_warn",
                 "after_request", "latches", "limit", "limit_blocks", "name", "opened", "phase", "remote", "sure",
                 "trip_blocks", "warn")

    def __init__(self, diagnosis: Diagnosis, row: Limit, cell_error_v: float, common: bool) -> None:
        self.name = diagnosis.name
        self._up = diagnosis.beyond > 0
        inside = (-cell_error_v if self._up else cell_error_v) if diagnosis.name in _CELL_ROWS else 0.0
        self._warn, self._limit, self._trip = (
            Clock(None if tier is None else tier + inside) for tier in (row.warn, row.limit, row.trip))
        self._clear = row.clear + inside
        self._slack = 0.4 / diagnosis.counts  # less than one count of the node, more than any rounding
        self._delay_s, self._hold_s = row.delay_s, row.hold_s
        self._flickers = diagnosis.name == _FLICKERS
        self.latches, self.remote = row.latch, row.remote_clear
        self.after_request = row.open == "after_request"
        self.trip_blocks = BOTH if common and diagnosis.trip_blocks else diagnosis.trip_blocks
        self.limit_blocks = diagnosis.limit_blocks
        self.phase = "ok"
        self.warn = self.limit = self.sure = self.opened = False
        self._left_s = 0.0

    def see(self, seen: Seen, passed_s: float) -> None:
        """The value of one cycle, `passed_s` after the one before."""
        value, self.sure = seen
        self.opened = False
        if value is None:
            return
        inside_clear = not self._past(value, self._clear)
        self.warn = self._lasts(self._warn, value, passed_s)
        if self._lasts(self._limit, value, passed_s):
            self.limit = True
        elif inside_clear and self.sure:
            self.limit = False
        if self._lasts(self._trip, value, passed_s):
            self.opened = self.phase == "ok"
            self.phase = "cause"
        elif self.phase != "ok":
            self._goes_on(inside_clear, passed_s)

    def _past(self, value: float, threshold: float) -> bool:
        return value > threshold + self._slack if self._up else value < threshold - self._slack

    def _lasts(self, clock: Clock, value: float, passed_s: float) -> bool:
        """Whether the value has been beyond this tier for the delay."""
        if clock.threshold is not None and self._past(value, clock.threshold):
            clock.beyond_s = 0.0 if clock.beyond_s is None else clock.beyond_s + passed_s
        elif self.sure:
            clock.beyond_s = self._backwards(clock.beyond_s, passed_s)
        return clock.beyond_s is not None and clock.beyond_s >= self._delay_s - _ROUNDING_S

    def _backwards(self, beyond_s: float | None, passed_s: float) -> float | None:
        if beyond_s is None or not self._flickers:
            return None
        left_s = min(beyond_s + CYCLE_S, self._delay_s) - passed_s
        return left_s - CYCLE_S if left_s > _ROUNDING_S else None

    def _goes_on(self, inside_clear: bool, passed_s: float) -> None:
        """What becomes of a trip in a cycle without a new one."""
        if not inside_clear:
            self.phase = "cause"
        elif not self.sure:
            return
        elif self.phase == "cause":
            self.phase, self._left_s = "hold", self._hold_s
        else:
            self._left_s -= passed_s
            if self._left_s < _ROUNDING_S:
                self.phase = "wait" if self.latches else "ok"

    @property
    def latched(self) -> bool:
        """Whether the trip is remembered until somebody clears it."""
        return self.latches and self.phase != "ok"

    @property
    def past_trip(self) -> bool:
        """Whether the last known value was beyond trip, its delay over or not."""
        return self._trip.beyond_s is not None

    def refusal(self) -> str:
        """Why the gateway cannot clear this row now, or accepted."""
        if self.phase == "ok":
            return "accepted"
        if self.phase == "cause":
            return "cause_present"
        if self.latches and not self.remote:
            return "local_clear_only"
        if self.phase == "hold":
            return "hold_running"
        return "accepted" if self.sure else "unknown_reading"

    def clear(self) -> None:
        """The latch is forgotten."""
        self.phase = "ok"

    def remember(self) -> None:
        """It was latched when the node restarted: its hold begins anew."""
        if self.latches:
            self.phase, self._left_s = "hold", self._hold_s


class Told(NamedTuple):
    """What the rows together say in one cycle. Blocks: 1 charge, 2 discharge; `opened` names the rows that tripped."""

    phases: list[str]
    warn: int
    limit: int
    trip: int
    latched: int
    blocks_now: int
    blocks_after: int
    limited: int
    does_not_close: int
    opened: list[str]


class Oracle:
    """The limit table of one pack."""

    def __init__(self, pack: GuardedPack) -> None:
        common, error_v = pack.outputs == "common", pack.sensors.cell_error_v
        self.rows = [Row(diagnosis, pack.limits[name], error_v, common)
                     for name, diagnosis in sorted(DIAGNOSES.items(), key=lambda item: item[1].number)]

    def step(self, seen: Sequence[Seen], passed_s: float) -> Told:
        """One cycle with one value for each row."""
        for row, value in zip(self.rows, seen, strict=True):
            row.see(value, passed_s)
        return self.told()

    def told(self) -> Told:
        """What holds now."""
        rows = self.rows
        tripped = [row for row in rows if row.phase != "ok"]
        return Told(
            [row.phase for row in rows],
            _bits(n for n, row in enumerate(rows) if row.warn),
            _bits(n for n, row in enumerate(rows) if row.limit),
            _bits(n for n, row in enumerate(rows) if row.phase == "cause"),
            _bits(n for n, row in enumerate(rows) if row.latched),
            _any_of(row.trip_blocks for row in tripped if not row.after_request),
            _any_of(row.trip_blocks for row in tripped if row.after_request),
            _any_of(row.limit_blocks for row in rows if row.limit),
            _any_of(row.trip_blocks for row in rows if row.past_trip and row.limit_blocks and row.name != _FLICKERS),
            [row.name for row in rows if row.opened])

    def clear_here(self) -> bool:
        """A person at the node clears all that waits and is seen for sure; whether nothing stays latched."""
        for row in self.rows:
            if row.latched and row.phase == "wait" and row.sure:
                row.clear()
        return not any(row.latched for row in self.rows)


def _bits(numbers: Iterator[int]) -> int:
    return sum(1 << n for n in numbers)


def _any_of(masks: Iterator[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found
