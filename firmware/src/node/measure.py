"""The readings of one cycle and what follows from them: extremes, sums, plausibility, age. Knows no limit tier."""

from array import array

from generated.codec import (
    REASON_CURRENT_DISAGREEMENT,
    REASON_HUMIDITY,
    REASON_INSULATION,
    REASON_SUPPLY_VOLTAGE,
)
from generated.codec import REASON_STALE_READING as STALE  # the row whose limit tier makes readings unknown

from node.machine_code import const, micropython, ptr8, ptr32

NA = -(1 << 28)  # not available; the same value the codec uses
OLDEST = 1 << 20  # ages stop here, about 29 hours of cycles
MOST_MA = 2000000  # a larger current counts as this: beyond every trip, and safe to multiply on a 31-bit integer
FRESH_CYCLES = 2  # an older conversion is a doubtful one
NEVER = (1 << 28) - 1  # a threshold that no reading reaches: the row is not fitted
_BAD = const(0)  # places in what extremes() finds
_TOTAL = const(1)
_LOW = const(2)
_LOW_AT = const(3)
_HIGH = const(4)
_HIGH_AT = const(5)
_NOTHING_FOUND = (0, 0, 0, -1, 0, -1)
_UNKNOWN = const(0)  # as Protect has them
_DOUBTFUL = const(2)


@micropython.viper
def extremes(numbers: ptr32, count: int, lowest: int, highest: int, found: ptr32):
    """Fills `found`: how many are outside lowest..highest, as NA is; the sum, the least, the most of the others, and
    where those two are. Where nothing is inside, both places are -1."""
    bad = total = low = high = 0
    low_at = high_at = -1
    i = 0
    while i < count:
        number = numbers[i]
        if number < lowest or number > highest:
            bad += 1
        else:
            total += number
            if low_at < 0 or number < low:
                low = number
                low_at = i
            if high_at < 0 or number > high:
                high = number
                high_at = i
        i += 1
    found[_BAD] = bad
    found[_TOTAL] = total
    found[_LOW] = low
    found[_LOW_AT] = low_at
    found[_HIGH] = high
    found[_HIGH_AT] = high_at


@micropython.viper
def found_rows(values: ptr32, known: ptr8, cells: ptr32, temps: ptr32, sure: int):
    """The rows of cell voltages and temperatures, from what extremes() found: UNKNOWN where nothing was inside, `sure`
    where everything was, DOUBTFUL between."""
    belief = sure if cells[_BAD] == 0 else _DOUBTFUL
    if cells[_LOW_AT] < 0:
        belief = _UNKNOWN
    values[0] = cells[_HIGH]
    values[1] = cells[_LOW]
    values[17] = cells[_LOW]
    values[22] = cells[_HIGH] - cells[_LOW]
    known[0] = belief
    known[1] = belief
    known[17] = belief
    known[22] = belief
    belief = sure if temps[_BAD] == 0 else _DOUBTFUL
    if temps[_LOW_AT] < 0:
        belief = _UNKNOWN
    values[4] = temps[_HIGH]
    values[5] = temps[_LOW]
    values[6] = temps[_HIGH]
    values[7] = temps[_LOW]
    values[21] = temps[_HIGH] - temps[_LOW]
    known[4] = belief
    known[5] = belief
    known[6] = belief
    known[7] = belief
    known[21] = belief


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
        self.cells_found = array("i", _NOTHING_FOUND)  # as extremes() fills them
        self.temps_found = array("i", _NOTHING_FOUND)
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
        current = self.current_ma
        if current > MOST_MA:
            self.current_ma = MOST_MA
        elif current < -MOST_MA and current != NA:
            self.current_ma = -MOST_MA
        self.fresh = self.stale <= FRESH_CYCLES
        if self.measured:
            self._cells()
            self._temperatures()
            self._sensors()
        self.known = (self.measured and self.implausible == 0 and self.current_ma != NA
                      and self.stale <= self.limits.LIMIT[STALE])
        self.beat = self.beat + 1 & 0xFF

    def _cells(self):
        limits = self.limits
        found = self.cells_found
        extremes(self.cell_mv, limits.CELLS, limits.CELL_LOW_MV, limits.CELL_HIGH_MV, found)
        bad = found[_BAD]
        if found[_LOW_AT] < 0:
            self.cell_min_mv = self.cell_max_mv = self.cell_min = self.cell_max = NA
        else:
            self.cell_min_mv = found[_LOW]
            self.cell_max_mv = found[_HIGH]
            self.cell_min = found[_LOW_AT]
            self.cell_max = found[_HIGH_AT]
        self.cells_known = bad == 0
        self.implausible += bad
        if self.pack_mv == NA or (bad == 0 and abs(found[_TOTAL] - self.pack_mv) > limits.PACK_SUM_TOLERANCE_MV):
            self.implausible += 1

    def _temperatures(self):
        limits = self.limits
        found = self.temps_found
        extremes(self.temp_dc, limits.SENSORS, limits.TEMPERATURE_LOW_DC, limits.TEMPERATURE_HIGH_DC, found)
        bad = found[_BAD]
        if found[_LOW_AT] < 0:
            self.temp_min_dc = self.temp_max_dc = self.temp_mean_dc = self.temp_min = self.temp_max = NA
        else:
            self.temp_min_dc = found[_LOW]
            self.temp_max_dc = found[_HIGH]
            self.temp_min = found[_LOW_AT]
            self.temp_max = found[_HIGH_AT]
            self.temp_mean_dc = found[_TOTAL] // (limits.SENSORS - bad)
        self.temps_known = bad == 0
        self.implausible += bad

    def _sensors(self):
        """A value that the pack has a sensor for is implausible when it is missing."""
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
