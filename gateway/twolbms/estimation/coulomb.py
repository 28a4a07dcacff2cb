"""State of charge by counting coulombs, with an honest uncertainty; set anew at full and at empty.

    soc   = start + (charge in - charge out) / capacity, held inside 0 to 1
    sigma = sqrt(sigma_start^2 + (GAIN * moved / capacity)^2 + (OFFSET_A * hours / capacity)^2), at most 0.29

`moved` is the charge in plus out and `hours` the time since the start, so that errors of gain and offset grow as they
do in the sensor: in proportion, not like noise. Knows no cell model; a better estimator replaces this one.
"""

from __future__ import annotations

from math import sqrt

SIGMA_UNKNOWN = 0.29  # uniform over 0 to 1: 1/sqrt(12)
SIGMA_GIVEN = 0.05  # a person's figure; our choice
SIGMA_FULL = 0.02  # charge voltage reached with a small current; our choice
SIGMA_EMPTY = 0.05  # under-voltage of the lowest cell depends on temperature and load; our choice
GAIN = 0.005  # class 0.5 shunt, its tolerance printed on it
OFFSET_A = 0.1  # amplifier and shunt of a 300 A class sensor before calibration; a hall sensor has 0.5 A
FULL_BELOW_C = 0.05  # "small current" of full, as a rate per hour
EMPTY_BELOW_C = 0.2  # above it the voltage sags too much to say empty
_NS_PER_H = 3600 * 10**9


class CoulombCount:
    """One pack. `full_v` and `empty_v` are cell voltages; `source` says where the start came from."""

    def __init__(self, capacity_ah: float, full_v: float, empty_v: float, now_ns: int) -> None:
        self.capacity_ah = capacity_ah
        self._full_v, self._empty_v = full_v, empty_v
        self._at: str | None = None
        self.start(0.5, SIGMA_UNKNOWN, "unknown", now_ns)

    def start(self, soc: float, sigma: float, source: str, now_ns: int) -> None:
        """Counts from this state on."""
        self.soc = min(1.0, max(0.0, soc))
        self.source = source
        self._sigma = sigma
        self._moved_ah = 0.0
        self._time_ns = now_ns

    def add(self, in_ah: float, out_ah: float) -> None:
        """Charge that flowed since the last call, both positive."""
        self.soc = min(1.0, max(0.0, self.soc + (in_ah - out_ah) / self.capacity_ah))
        self._moved_ah += in_ah + out_ah

    def sigma(self, now_ns: int) -> float:
        """Standard uncertainty of `soc` now."""
        gain = GAIN * self._moved_ah / self.capacity_ah
        offset = OFFSET_A * max(0, now_ns - self._time_ns) / _NS_PER_H / self.capacity_ah
        return min(SIGMA_UNKNOWN, sqrt(self._sigma**2 + gain**2 + offset**2))

    def look(self, cell_min_v: float | None, cell_max_v: float | None, current_a: float | None,
             now_ns: int) -> str | None:
        """Sets full or empty while the readings say so; returns "full" or "empty" when that begins, else None."""
        before, self._at = self._at, self._end(cell_min_v, cell_max_v, current_a)
        if self._at is not None:
            soc, sigma = (1.0, SIGMA_FULL) if self._at == "full" else (0.0, SIGMA_EMPTY)
            self.start(soc, sigma, self._at, now_ns)
        return self._at if self._at != before else None

    def _end(self, cell_min_v: float | None, cell_max_v: float | None, current_a: float | None) -> str | None:
        if cell_min_v is None or cell_max_v is None or current_a is None:
            return None
        rate = abs(current_a) / self.capacity_ah
        if cell_max_v >= self._full_v and rate < FULL_BELOW_C:
            return "full"
        return "empty" if cell_min_v <= self._empty_v and rate < EMPTY_BELOW_C else None
