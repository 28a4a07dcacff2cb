"""What a person should know of a bus that is open: frames lost before they were read, a controller in trouble.

Knows the names of the counts that a bus's source keeps (docs/buses.md), and no bus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from twolbms.alarms import Alarms
from twolbms.health.bus_traffic import LOSSES

TOLD_FOR_NS = 60 * 10**9
"""An alarm stands so long after the last sign of its cause, so that what comes and goes is one alarm."""

_MOST_UNSENT = 20  # frames a minute, of 240 heartbeats: what a bus that has just come back may cost

_PASSIVE, _BUS_OFF = 2, 3  # of the count `state`


class BusAlarms:
    """The alarms `bus_lost NAME`, `bus_send NAME` and `bus_state NAME`."""

    def __init__(self, name: str, alarms: Alarms) -> None:
        self._name = name
        self._alarms = alarms
        self._looks: deque[tuple[int, dict[str, int]]] = deque()
        self._before: dict[str, int] = {}
        self._passive_ns: int | None = None

    def look(self, counts: Mapping[str, int], now_ns: int) -> None:
        """Takes the counts since start as of `now_ns`. Call it about once a second."""
        watched = {key: counts.get(key, 0) for key in (*LOSSES, "bus_off", "send_errors")}
        self._looks.append((now_ns, watched))
        while self._looks[0][0] < now_ns - TOLD_FOR_NS:
            _, self._before = self._looks.popleft()
        new = {key: count - self._before.get(key, 0) for key, count in watched.items()}
        self._alarms.set(f"bus_lost {self._name}", "", self._lost(new), now_ns)
        self._alarms.set(f"bus_send {self._name}", "", self._unsent(new["send_errors"]), now_ns)
        self._alarms.set(f"bus_state {self._name}", "", self._state(counts.get("state"), new, now_ns), now_ns)

    def _lost(self, new: Mapping[str, int]) -> str | None:
        told = [f"{new[key]}: {words}" for key, words in LOSSES.items() if new[key] > 0]
        if not told:
            return None
        total = sum(new[key] for key in LOSSES if new[key] > 0)
        return f"bus {self._name}: {total} frames lost in the last minute ({'; '.join(told)})"

    def _unsent(self, new: int) -> str | None:
        return None if new <= _MOST_UNSENT else (
            f"bus {self._name}: {new} frames could not be sent in the last minute; nodes that do not hear the gateway "
            "narrow by themselves")

    def _state(self, state: int | None, new: Mapping[str, int], now_ns: int) -> str | None:
        if state == _PASSIVE:
            self._passive_ns = now_ns
        if state == _BUS_OFF:
            return (f"bus {self._name}: the controller has switched itself off (bus-off) and is off now; check cable, "
                    "120 ohm at both ends and bit rate, and whether it is set to start again (restart-ms)")
        if new["bus_off"] > 0:
            again = "" if state is None else " and is on again"
            return (f"bus {self._name}: the controller switched itself off {new['bus_off']} times in the last minute "
                    f"(bus-off){again}; check cable, 120 ohm at both ends and bit rate")
        if self._passive_ns is not None and now_ns - self._passive_ns < TOLD_FOR_NS:
            return (f"bus {self._name}: the controller is error passive: nobody acknowledges its frames or the line is "
                    "disturbed; check cable, 120 ohm at both ends and bit rate")
        return None
