"""All cell voltages (or temperatures) of a pack, gathered group by group: whole, and in agreement with the extremes.

The groups carry no CRC of ours, the extremes do: where the two differ the group is not believed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from twolbms.battery.latest import NS

GROUP = 4
CELL_TOLERANCE_V = 0.0025  # two counts of the DBC: extremes and groups of one cycle come from the same readings
SENSOR_TOLERANCE_C = 1.0  # extremes come every 0.5 s only, and a temperature moves in between
_WHOLE_PERIODS = 2  # judged whole when all groups came within two periods
_KNOWN_LEAST_S = 5.0
_KNOWN_PERIODS = 3
_EXTREMES = 3  # frames of extremes a group is compared with: one may be lost, the next is under way
_EXTREMES_NS = 2 * NS  # older ones say nothing about a group of now
_DOUBTS = 2  # times in a row that a group must contradict before the table is doubted


class _Seen(NamedTuple):
    time_ns: int
    low: float
    high: float
    low_at: int
    high_at: int


class Extremes:
    """The last few lowest and highest values, each with its position."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._frames: deque[_Seen] = deque(maxlen=_EXTREMES)

    def take(self, low: float | None, high: float | None, low_at: float | None, high_at: float | None,
             now_ns: int) -> None:
        """A frame of extremes; one that is not known clears the memory."""
        if low is None or high is None or low_at is None or high_at is None:
            self._frames.clear()
        else:
            self._frames.append(_Seen(now_ns, low, high, int(low_at), int(high_at)))

    def contradicts(self, first: int, values: Sequence[float | None], now_ns: int) -> bool:
        """Whether the values of positions `first`... cannot be true beside these extremes."""
        while self._frames and now_ns - self._frames[0].time_ns > _EXTREMES_NS:
            self._frames.popleft()
        if not self._frames:
            return False
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return True  # the extremes say that every one is measured
        return not self._within([f.low for f in self._frames], [f.high for f in self._frames], known) \
            or self._misplaced({f.low_at for f in self._frames}, [f.low for f in self._frames], first, known) \
            or self._misplaced({f.high_at for f in self._frames}, [f.high for f in self._frames], first, known)

    def _within(self, lows: list[float], highs: list[float], values: list[float]) -> bool:
        return min(lows) - self._tolerance <= min(values) and max(values) <= max(highs) + self._tolerance

    def _misplaced(self, places: set[int], told: list[float], first: int, values: list[float]) -> bool:
        """Whether the position that the extremes name holds another value than they say."""
        at = next(iter(places)) - first
        return len(places) == 1 and 0 <= at < len(values) and not self._within(told, told, [values[at]])


class CellTable:
    """`count` values in groups of four, each group with the time it came; volts or degC."""

    def __init__(self, count: int, period_s: float, tolerance: float = CELL_TOLERANCE_V) -> None:
        self.count = count
        self.extremes = Extremes(tolerance)
        self.disagrees = False
        self._whole_ns = int(_WHOLE_PERIODS * period_s * NS)
        # A whole period more than the safety messages have: of a node that falls silent these were heard that earlier.
        self._known_ns = int((max(_KNOWN_LEAST_S, _KNOWN_PERIODS * period_s) + period_s) * NS)
        groups = -(-count // GROUP)
        self._values: list[float | None] = [None] * count
        self._times: list[int | None] = [None] * groups
        self._doubts = [0] * groups
        self._agreed: set[int] = set()

    def take(self, group: int, values: Sequence[float | None], now_ns: int) -> int:
        """A group as received. Returns how many values were taken over: 0 for a group that is not of this pack or
        contradicts the extremes. One that contradicts keeps its older values, and a second time all are doubted.
        """
        if not 0 <= group < len(self._times):
            return 0
        first = group * GROUP
        own = values[:min(GROUP, self.count - first)]
        if self.extremes.contradicts(first, own, now_ns):
            self._doubt(group)
            return 0
        self._believe(group)
        self._values[first:first + len(own)] = own
        self._times[group] = now_ns
        return len(own)

    def _doubt(self, group: int) -> None:
        self._agreed.clear()
        self._doubts[group] += 1
        if self._doubts[group] >= _DOUBTS:
            self.disagrees = True

    def _believe(self, group: int) -> None:
        self._doubts[group] = 0
        self._agreed.add(group)
        if len(self._agreed) == len(self._times):
            self.disagrees = False

    def whole(self, now_ns: int) -> bool:
        """Whether every group came within the last two periods and all values are known."""
        return self._complete(self._whole_ns, now_ns)

    def known(self, now_ns: int) -> bool:
        """Whether every value is known: none missing, none older than max(5 s, 3 periods) and a period, no doubt."""
        return self._complete(self._known_ns, now_ns)

    def _complete(self, limit_ns: int, now_ns: int) -> bool:
        return not self.disagrees and None not in self._values and \
            all(time is not None and now_ns - time <= limit_ns for time in self._times)

    def value(self, index: int, now_ns: int) -> float | None:
        """One value, None when it is unknown now."""
        time_ns = self._times[index // GROUP]
        if self.disagrees or time_ns is None or now_ns - time_ns > self._known_ns:
            return None
        return self._values[index]

    def age_s(self, index: int, now_ns: int) -> float | None:
        """Age of one value in seconds, None when it never came."""
        time_ns = self._times[index // GROUP]
        return None if time_ns is None else (now_ns - time_ns) / NS
