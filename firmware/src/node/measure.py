"""The readings of one cycle and what follows from them: extremes, sums, plausibility, age. Knows no limit tier."""

from array import array

from generated.codec import (
    REASON_CURRENT_DISAGREEMENT,
    REASON_HUMIDITY,
    REASON_INSULATION,
    REASON_SUPPLY_VOLTAGE,
)
from generated.codec import REASON_STALE_READING as STALE  # the row whose limit tier makes readings unknown

NA = -(1 << 28)  # not available; the same value the codec uses
OLDEST = 1 << 20  # ages stop here, about 29 hours of cycles
MOST_MA = 2000000  # a larger current counts as this: beyond every trip, and safe to multiply on a 31-bit integer
FRESH_CYCLES = 2  # an older conversion is a doubtful one
NEVER = (1 << 28) - 1  # a threshold that no reading reaches: the row is not fitted


class Measure:
    """mV, mA, 0.1 degC. `stale` counts cycles since the monitor last proved a new conversion."""

    def __init__(self, limits):
        self.limits = limits
        self.cell_mv = array("i", [NA] * limits.CELLS)
        self.temp_dc = array("i", [NA] * limits.SENSORS)
        self.pack_mv = NA
        self.link_mv = NA
        self.current_ma = NA
        self.second_ma = NA  # of the second current sensor
        self.supply_mv = NA
        self.insulation_kohm = NA
        self.humidity_percent = NA
        self.beat = 0  # completed steps
        self.stale = 0
        self.fresh = False  # the last conversion is at most FRESH_CYCLES old
        self.measured = False  # a first conversion has been seen
        self.cells_known = False
        self.temps_known = False
        self.known = False  # everything the limits need is measured, plausible and fresh enough
        self.implausible = 0
        self.cell_min_mv = self.cell_max_mv = NA
        self.cell_min = self.cell_max = NA
        self.temp_min_dc = self.temp_max_dc = self.temp_mean_dc = NA
        self.temp_min = self.temp_max = NA
        self._needs_second = self._fitted(REASON_CURRENT_DISAGREEMENT)
        self._needs_insulation = self._fitted(REASON_INSULATION)
        self._needs_humidity = self._fitted(REASON_HUMIDITY)
        self._needs_supply = self._fitted(REASON_SUPPLY_VOLTAGE)

    def _fitted(self, row):
        """Whether the pack has the sensor of this row; then its value must not be missing."""
        return abs(self.limits.TRIP[row]) != NEVER

    def step(self, fresh, periods):
        """Judges the readings the front-end has just filled in; `fresh` says a new conversion is proven."""
        if fresh:
            self.stale = 0
            self.measured = True
        elif self.stale < OLDEST:
            self.stale += periods
        self.implausible = 0
        if self.current_ma != NA:
            self.current_ma = min(MOST_MA, max(-MOST_MA, self.current_ma))
        self.fresh = self.stale <= FRESH_CYCLES
        if self.measured:
            self._cells()
            self._temperatures()
            self._sums()
        self.known = (self.measured and self.implausible == 0 and self.current_ma != NA
                      and self.stale <= self.limits.LIMIT[STALE])
        self.beat = self.beat + 1 & 0xFF

    def _cells(self):
        limits = self.limits
        cells = self.cell_mv
        low = high = self.cell_min = self.cell_max = NA
        bad = 0
        for i in range(limits.CELLS):
            mv = cells[i]
            if mv == NA or mv < limits.CELL_LOW_MV or mv > limits.CELL_HIGH_MV:
                bad += 1
                continue
            if low == NA or mv < low:
                low = mv
                self.cell_min = i
            if high == NA or mv > high:
                high = mv
                self.cell_max = i
        self.cell_min_mv = low
        self.cell_max_mv = high
        self.cells_known = bad == 0
        self.implausible += bad

    def _temperatures(self):
        limits = self.limits
        temps = self.temp_dc
        low = high = self.temp_min = self.temp_max = NA
        bad = total = 0
        for i in range(limits.SENSORS):
            dc = temps[i]
            if dc == NA or dc < limits.TEMPERATURE_LOW_DC or dc > limits.TEMPERATURE_HIGH_DC:
                bad += 1
                continue
            total += dc
            if low == NA or dc < low:
                low = dc
                self.temp_min = i
            if high == NA or dc > high:
                high = dc
                self.temp_max = i
        self.temp_min_dc = low
        self.temp_max_dc = high
        self.temp_mean_dc = NA if low == NA else total // (limits.SENSORS - bad)
        self.temps_known = bad == 0
        self.implausible += bad

    def _sums(self):
        if self.current_ma == NA:
            self.implausible += 1
        if self._needs_second and self.second_ma == NA:
            self.implausible += 1
        if self._needs_insulation and self.insulation_kohm == NA:
            self.implausible += 1
        if self._needs_humidity and self.humidity_percent == NA:
            self.implausible += 1
        if self._needs_supply and self.supply_mv == NA:
            self.implausible += 1
        if self.pack_mv == NA:
            self.implausible += 1
        elif self.cells_known:
            total = 0
            for i in range(self.limits.CELLS):
                total += self.cell_mv[i]
            if abs(total - self.pack_mv) > self.limits.PACK_SUM_TOLERANCE_MV:
                self.implausible += 1
