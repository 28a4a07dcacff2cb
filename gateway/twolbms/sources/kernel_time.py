"""Turns the kernel's time stamps of frames, which are wall time, into the gateway's clock, and sees when not to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from twolbms.clock import Clock

_SLACK_NS = 1_000_000_000  # a stamp may be older than the last look: frames that had no room in that batch
_TRIES = 10  # on a busy machine most are interrupted; the first that is not ends them
_APART_NS = 50_000  # two clocks read with more between them were interrupted
_STEP_NS = 2_000_000  # more than this, and a tenth of the time between (chrony slews by a twelfth at most), is a step


class Span(NamedTuple):
    """A stamp plus `offset_ns` is believed from `oldest_ns` to `now_ns`; if not, the frame came at `now_ns`."""

    offset_ns: int
    oldest_ns: int
    now_ns: int


class KernelTime:
    """Looks at both clocks around each read. A clock that does not run at the machine's speed gets read times."""

    def __init__(self, clock: Clock, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._wall_ns = wall_ns
        self._last = self._sample()
        self._doubtful = clock.speed != 1

    def look(self) -> Span:
        """Call it right after frames were read, and as often as reading is tried."""
        last, self._last = self._last, self._sample()
        offset_ns, now_ns = self._last
        if abs(offset_ns - last[0]) > _STEP_NS + (now_ns - last[1]) // 10:
            self._doubtful = True
        if self._doubtful:
            return Span(offset_ns, now_ns + 1, now_ns)
        return Span(offset_ns, last[1] - _SLACK_NS, now_ns)

    def drained(self) -> None:
        """No frame waits that was stamped before the last look: after a step, stamps are good again."""
        self._doubtful = self._clock.speed != 1

    def _sample(self) -> tuple[int, int]:
        """The gateway's clock less wall time, and the gateway's clock, from the best of some readings."""
        best: tuple[int, int, int] | None = None
        for _ in range(_TRIES):
            before, wall_ns, after = self._clock.mono_ns(), self._wall_ns(), self._clock.mono_ns()
            if best is None or after - before < best[0]:
                best = (after - before, before - wall_ns, after)
            if after - before <= _APART_NS:
                break
        assert best is not None
        return best[1], max(best[2], self._clock.mono_ns())
