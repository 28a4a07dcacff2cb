"""Packs, a charger or load, and a capacitor on one pair of bus bars: how voltage and currents move over a time.

Everything is a straight line between a few corners, so that a step of any length is solved, not approximated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Branch(NamedTuple):
    """A source behind a resistance; currents are positive into it (charging).

    A direction that is not allowed carries nothing; `charge_drop_v` and `discharge_drop_v` are those of a diode in it.
    """

    emf_v: float
    ohm: float
    charges: bool = True
    discharges: bool = True
    charge_drop_v: float = 0.0
    discharge_drop_v: float = 0.0

    def current_a(self, bar_v: float) -> float:
        """Current into the source when the bars are at a voltage, A."""
        if self.charges and bar_v > self.emf_v + self.charge_drop_v:
            return (bar_v - self.emf_v - self.charge_drop_v) / self.ohm
        if self.discharges and bar_v < self.emf_v - self.discharge_drop_v:
            return (bar_v - self.emf_v + self.discharge_drop_v) / self.ohm
        return 0.0


class Feed(NamedTuple):
    """A charger (positive current, only below its voltage) or a load (negative current, only above its voltage)."""

    wanted_a: float
    limit_v: float

    def current_a(self, bar_v: float, direction: int) -> float:
        """Current given to the bars just above (1) or just below (-1) a voltage, A."""
        above = bar_v > self.limit_v or (bar_v == self.limit_v and direction > 0)
        return self.wanted_a if above == (self.wanted_a < 0) else 0.0


class Settled(NamedTuple):
    """What a step came to: the bar voltage at its end and the mean current into each branch."""

    bar_v: float
    currents_a: list[float]


def total_a(branches: Sequence[Branch], bar_v: float) -> float:
    """Sum of the currents into all branches, A; never falls with the voltage."""
    return sum(branch.current_a(bar_v) for branch in branches)


def settle(branches: Sequence[Branch], feed: Feed, bar_v: float, capacitance_f: float, elapsed_s: float) -> Settled:
    """Lets the bars move for a time. At least one branch must conduct in both directions (the bleed resistor)."""
    corners = _corners(branches, feed)
    charges_as = [0.0] * len(branches)
    left_s = elapsed_s
    for _ in range(len(corners) + 2):
        end_v, mean_v, took_s = _segment(branches, feed, corners, bar_v, capacitance_f, left_s)
        for index, branch in enumerate(branches):
            charges_as[index] += branch.current_a(mean_v) * took_s
        bar_v, left_s = end_v, left_s - took_s
        if left_s <= 0:
            break
    return Settled(bar_v, [charge_as / elapsed_s for charge_as in charges_as])


def _corners(branches: Sequence[Branch], feed: Feed) -> list[float]:
    corners = {branch.emf_v + branch.charge_drop_v for branch in branches}
    corners.update(branch.emf_v - branch.discharge_drop_v for branch in branches)
    corners.add(feed.limit_v)
    return sorted(corners)


def _segment(branches: Sequence[Branch], feed: Feed, corners: Sequence[float], bar_v: float, capacitance_f: float,
             left_s: float) -> tuple[float, float, float]:
    """Moves along one straight line, to the next corner at most: end voltage, mean voltage, seconds taken."""
    taken_a = total_a(branches, bar_v)
    drive_a, direction = feed.current_a(bar_v, 1) - taken_a, 1
    if drive_a <= 0:
        drive_a, direction = feed.current_a(bar_v, -1) - taken_a, -1
        if drive_a >= 0:  # balanced, or held at the feed's own voltage
            return bar_v, bar_v, left_s
    corner_v = next((v for v in corners[::direction] if (v - bar_v) * direction > 0), bar_v + direction * 1e3)
    siemens = (total_a(branches, corner_v) - taken_a) / (corner_v - bar_v)
    tau_s, final_v = capacitance_f / siemens, bar_v + drive_a / siemens
    took_s, end_v = left_s, final_v + (bar_v - final_v) * math.exp(-left_s / tau_s)
    if (end_v - corner_v) * direction >= 0:
        took_s, end_v = min(left_s, -tau_s * math.log((final_v - corner_v) / (final_v - bar_v))), corner_v
    lives = took_s / tau_s
    mean_v = final_v - (bar_v - final_v) * math.expm1(-lives) / lives if lives else bar_v
    return end_v, mean_v, took_s
