"""How a bus is doing, in the quantities of level `bus`: what was lost on the way, how full it is, its worst state.

Knows the names of the counts that a bus's source keeps (docs/buses.md), and no bus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from twolbms.recording import Recording

NOT_OPEN = 4
"""`can_state` of a bus that is down; 0 to 3 are the controller's own states, as the kernel numbers them."""

LOSSES = {"dropped": "the kernel's buffer was full", "overrun": "the gateway was too slow",
          "overflow": "the controller was not emptied in time", "bad_lines": "lines that were no frames"}
"""Frames that never became a record: the count of them, and where they were lost."""

_WINDOW_NS = 10 * 10**9


class BusTraffic:
    """Records one bus. `load` is the share of its bit rate that was in use in the last ten seconds, None: not known.

    `lost` frames never became a record; `state` is the row `can_state`.
    """

    def __init__(self, name: str, recording: Recording) -> None:
        self._name = name
        self._recording = recording
        self._bits: deque[tuple[int, int]] = deque()
        self.load: float | None = None
        self.state: int | None = None
        self.lost = 0

    def look(self, frames: int, counts: Mapping[str, int], up: bool | None, now_ns: int) -> None:
        """Takes the counts of this moment; `up` is None until the bus was tried. Call it about once a second."""
        self.load = self._share(counts, now_ns) if up else None
        self.state = None if up is None else counts.get("state") if up else NOT_OPEN
        self.lost = sum(counts.get(key, 0) for key in LOSSES)
        rows = {"can_frames": frames, "can_dropped": self.lost,
                "can_error_frames": counts.get("error", 0), "can_load": self.load, "can_state": self.state}
        for quantity, value in rows.items():
            self._recording.track(quantity, self._name).offer(value, now_ns)

    def _share(self, counts: Mapping[str, int], now_ns: int) -> float | None:
        bits, bitrate, looks = counts.get("bits"), counts.get("bitrate"), self._bits
        if bits is None or not bitrate or (looks and bits < looks[-1][1]):
            looks.clear()
            return None
        looks.append((now_ns, bits))
        while looks[0][0] < now_ns - _WINDOW_NS:
            looks.popleft()
        first_ns, first = looks[0]
        if now_ns == first_ns:
            return None
        return min(1.0, (bits - first) / (bitrate * (now_ns - first_ns) / 1e9))
