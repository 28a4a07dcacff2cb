"""Whether a device can be understood: what its source counted lately, and the words for what is wrong with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

WINDOW_S = 10.0
_WINDOW_NS = int(WINDOW_S * 1e9)
_WORTH_TELLING = 3  # damaged in the window; a line that is disturbed once a minute needs no alarm
_SHARE = 0.2


class _Look(NamedTuple):
    time_ns: int
    bytes: int
    readings: int
    damaged: int


class Health:
    """The counts of the last ten seconds. Bytes, readings and damaged only ever grow."""

    def __init__(self) -> None:
        self._looks: deque[_Look] = deque()

    def look(self, counts: Mapping[str, int], now_ns: int) -> None:
        """Remembers the counts of this moment. Call it about once a second."""
        self._looks.append(_Look(now_ns, counts.get("bytes", 0), counts.get("readings", 0), counts.get("damaged", 0)))
        while self._looks[0].time_ns < now_ns - _WINDOW_NS:
            self._looks.popleft()

    def grown(self) -> tuple[int, int, int]:
        """Bytes, readings and damaged ones of the window."""
        if not self._looks:
            return 0, 0, 0
        first, last = self._looks[0], self._looks[-1]
        return last.bytes - first.bytes, last.readings - first.readings, last.damaged - first.damaged

    def damage(self) -> str | None:
        """What is wrong with a device that is heard, but not always, and what to see to; None when nothing is."""
        _, readings, damaged = self.grown()
        if damaged < _WORTH_TELLING or damaged < _SHARE * (readings + damaged):
            return None
        return (f"{damaged} of {readings + damaged} answers in the last {WINDOW_S:.0f} s were damaged; "
                "see whether another program reads its port or the cable is disturbed")

    def silence(self) -> str:
        """Why nothing is heard through an open port, and what to see to."""
        heard, _, damaged = self.grown()
        if not heard:
            return "its port is open and nothing comes; see whether it is on and its cable is plugged in"
        what = f"{damaged} damaged answers" if damaged else "nothing that it would say"
        return (f"its port gave {heard} bytes and in them {what}; see whether it is the right port and kind, and "
                "whether another program reads it")
