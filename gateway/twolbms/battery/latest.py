"""The last values of one message with the time they came, and the two ages after which they count for less.

Ages (design, silence): older than max(3 cycles, 1 s) may raise no allowance, older than max(5 s, 3 cycles) is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

NS = 1_000_000_000
_FRESH_CYCLES = 3
_FRESH_LEAST_S = 1.0
_KNOWN_LEAST_S = 5.0

Values = Mapping[str, int | float | None]
_NOTHING: Values = {}


class Latest:
    """`values` are those of the last accepted frame; a value the node did not know is None."""

    __slots__ = ("fresh_ns", "known_ns", "time_ns", "values")

    def __init__(self, cycle_s: float) -> None:
        self.fresh_ns = int(max(_FRESH_CYCLES * cycle_s, _FRESH_LEAST_S) * NS)
        self.known_ns = int(max(_FRESH_CYCLES * cycle_s, _KNOWN_LEAST_S) * NS)
        self.time_ns: int | None = None
        self.values: Values = _NOTHING

    def take(self, values: Values, now_ns: int) -> None:
        """Replaces the values."""
        self.values, self.time_ns = values, now_ns

    def age_s(self, now_ns: int) -> float | None:
        """Seconds since the last frame, None when there was none."""
        return None if self.time_ns is None else (now_ns - self.time_ns) / NS

    def fresh(self, now_ns: int) -> bool:
        """Young enough to raise an allowance."""
        return self.time_ns is not None and now_ns - self.time_ns <= self.fresh_ns

    def known(self, now_ns: int) -> bool:
        """Young enough to be believed at all."""
        return self.time_ns is not None and now_ns - self.time_ns <= self.known_ns

    def get(self, signal: str, now_ns: int) -> int | float | None:
        """The value of a signal, None when it is unknown now."""
        return self.values.get(signal) if self.known(now_ns) else None

    def last(self, signal: str) -> int | float | None:
        """The value last heard, however old."""
        return self.values.get(signal)
