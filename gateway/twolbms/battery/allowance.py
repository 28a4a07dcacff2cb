"""What current the gateway allows a pack: its own reckoning beside the node's, the smaller of the two, and why.

Falls at once, rises slowly and only on fresh values; unknown is 0 A. Own numbers come from the pack's file and the
received extremes. Knows no bank and no message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from twolbms.battery.latest import NS
from twolbms.config.pack import DeratingPoint, GuardedPack
from twolbms.diagnoses import CHARGE, DIAGNOSES, DISCHARGE

_ASKED_BY_US = "gateway_request"  # what a node names when our own request sets its allowance: our reason is meant


class Known(NamedTuple):
    """What an allowance is reckoned from; None is unknown."""

    cell_min_v: float | None
    cell_max_v: float | None
    temperature_min_c: float | None
    temperature_max_c: float | None


class Cap(NamedTuple):
    """A current in A and the word for what sets it."""

    current_a: float
    by: str


class Bounds(NamedTuple):
    """What holds beside the readings: a reason for 0 A, a request from above, and whether values may raise anything."""

    stop: str | None = None
    narrowed_a: float | None = None
    fresh: bool = True


def line(points: Sequence[tuple[float, float]], at: float) -> float:
    """The current at `at` on the straight pieces through the points; level outside."""
    if at <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return points[-1][1]


class Own:
    """The gateway's reckoning for one direction of one type of pack."""

    # Limits whose reading the gateway has itself: (limit, which of Known it compares).
    _ROWS = (("cell_over_voltage", "cell_max_v"), ("cell_under_voltage", "cell_min_v"),
             ("charge_over_temperature", "temperature_max_c"), ("charge_under_temperature", "temperature_min_c"),
             ("discharge_over_temperature", "temperature_max_c"), ("discharge_under_temperature", "temperature_min_c"))

    def __init__(self, pack: GuardedPack, charging: bool) -> None:
        self._charging = charging
        direction = "charge" if charging else "discharge"
        most_a, _ = pack.continuous_a(charging)
        limit_a = pack.limits[f"{direction}_over_current"].limit
        self.most_a = most_a if limit_a is None else min(most_a, limit_a)
        self._by_temperature = _points(getattr(pack.derating, f"{direction}_by_temperature"))
        self._by_voltage = _points(getattr(pack.derating, f"{direction}_by_cell_voltage"))
        self._names = (f"derate_{direction}_temperature", f"derate_{direction}_voltage")
        mask = CHARGE if charging else DISCHARGE
        self._stops = [(name, read, DIAGNOSES[name].beyond, value)
                       for name, read in self._ROWS for value in _blocking(pack, name, mask)]

    def cap(self, known: Known) -> Cap:
        """The current allowed by ratings, limits and derating; 0 A when a reading is unknown."""
        cell_v = known.cell_max_v if self._charging else known.cell_min_v
        if None in known or cell_v is None:
            return Cap(0.0, "unknown_reading")
        for name, read, beyond, value in self._stops:
            if (getattr(known, read) - value) * beyond > 0:
                return Cap(0.0, name)
        assert known.temperature_min_c is not None and known.temperature_max_c is not None
        temperature_a = min(line(self._by_temperature, known.temperature_min_c),
                            line(self._by_temperature, known.temperature_max_c))
        caps = (Cap(self.most_a, "rating"), Cap(temperature_a, self._names[0]),
                Cap(line(self._by_voltage, cell_v), self._names[1]))
        return min(caps, key=lambda cap: cap.current_a)


def _points(points: Sequence[DeratingPoint]) -> list[tuple[float, float]]:
    return [(point.at, point.allow_a) for point in points]


def _blocking(pack: GuardedPack, name: str, mask: int) -> list[float]:
    """The thresholds of a row beyond which this direction is blocked."""
    row, diagnosis = pack.limits[name], DIAGNOSES[name]
    trip_blocks = CHARGE | DISCHARGE if pack.outputs == "common" and diagnosis.trip_blocks else diagnosis.trip_blocks
    found = ((row.limit, diagnosis.limit_blocks), (row.trip, trip_blocks))
    return [value for value, blocks in found if value is not None and blocks & mask]


@dataclass(slots=True)
class Ramp:
    """A current that falls at once, rises at `rise_a_per_s` and only when that is allowed."""

    rise_a_per_s: float
    current_a: float = 0.0
    _time_ns: int | None = None

    def follow(self, target_a: float, may_rise: bool, now_ns: int) -> float:
        """The current now on the way to `target_a`."""
        passed_s = 0.0 if self._time_ns is None else (now_ns - self._time_ns) / NS
        self._time_ns = now_ns
        if target_a <= self.current_a:
            self.current_a = max(0.0, target_a)
        elif may_rise:
            self.current_a = min(target_a, self.current_a + max(0.0, passed_s) * self.rise_a_per_s)
        return self.current_a


class Allowance:
    """One direction of one pack: `own` is what the gateway asks of the node, `allowed` what is told to the outside."""

    def __init__(self, pack: GuardedPack, charging: bool) -> None:
        self._reckoning = Own(pack, charging)
        self._own = Ramp(pack.allowance.rise_a_per_s)
        self._told = Ramp(pack.allowance.rise_a_per_s)
        self._begun = False
        self.own = Cap(0.0, "unknown_reading")
        self.allowed = Cap(0.0, "unknown_reading")

    @property
    def most_a(self) -> float:
        """The largest current that ratings and limits ever allow, A."""
        return self._reckoning.most_a

    def settle(self, known: Known, node: Cap | None, bounds: Bounds, now_ns: int) -> None:
        """Reckons anew from the received extremes, the node's own allowance and what else holds."""
        target = self._target(known, bounds)
        if not self._begun and bounds.fresh and bounds.stop is None and node is not None:
            # A gateway that starts beside closed packs takes up what the node allows already, and rises from there.
            self._begun = True
            self._own.current_a = self._told.current_a = min(target.current_a, node.current_a)
        self.own = Cap(self._own.follow(target.current_a, bounds.fresh, now_ns), target.by)
        if bounds.stop is not None:
            told = target
        elif node is None:
            told = Cap(0.0, "unknown_reading")
        else:
            told = node if node.current_a <= self.own.current_a else self.own
            if told.by == _ASKED_BY_US:
                told = Cap(told.current_a, self.own.by)
        self.allowed = Cap(self._told.follow(told.current_a, bounds.fresh, now_ns), told.by)

    def _target(self, known: Known, bounds: Bounds) -> Cap:
        if bounds.stop is not None:
            return Cap(0.0, bounds.stop)
        cap = self._reckoning.cap(known)
        if bounds.narrowed_a is not None and bounds.narrowed_a < cap.current_a:
            return Cap(bounds.narrowed_a, "person_request")
        return cap
