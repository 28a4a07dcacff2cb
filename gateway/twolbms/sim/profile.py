"""What charger and load want over the time of a story: steps of current. Knows no limit and no battery."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class Profile:
    """Steps (seconds from the start, A; positive charges): each holds until the next, before the first nothing flows.

    With `repeat_s` the story begins again after so many seconds.
    """

    def __init__(self, steps: Iterable[tuple[float, float]], repeat_s: float | None = None) -> None:
        self._steps = tuple((float(at_s), float(current_a)) for at_s, current_a in steps)
        self._times = [at_s for at_s, _ in self._steps]
        if self._times != sorted(self._times):
            raise ValueError(f"profile at {self._times} s: expected rising times")
        if repeat_s is not None and repeat_s <= (self._times[-1] if self._times else 0):
            raise ValueError(f"profile repeats after {repeat_s} s: expected a time after its last step")
        self._repeat_s = repeat_s

    @classmethod
    def constant(cls, current_a: float) -> Profile:
        """The same current for ever."""
        return cls([(0.0, current_a)])

    def current_a(self, at_s: float) -> float:
        """Current wanted so many seconds after the start, A."""
        if self._repeat_s is not None and at_s >= 0:
            at_s %= self._repeat_s
        index = bisect_right(self._times, at_s) - 1
        return self._steps[index][1] if index >= 0 else 0.0
