"""What is written into a BQ76952's data memory, made from a pack's limit columns, and how it is compared.

The chip is the second line: each threshold lies just OUTSIDE the firmware's trip, so that the firmware acts first,
but never outside what the parts bear. Its steps are coarse (50.6 mV, 2 mV across the shunt, 1 degC):
  under-voltage: the first step below the trip, unless that reaches deep discharge (row 17); then the first above.
  over-voltage: rounded DOWN. No column lies above the trip, which is the maker's own limit, so this one threshold may
    be up to 50 mV inside; time keeps the firmware first. `highest_mv`, from the cell's data sheet, gives the room for
    the first step above the trip.
  both delays: the firmware's own, its 5 s of asking where the row asks first, two cycles; at most the chip's 6.76 s.
  over-current: the first step at or above the firmware's peak rows (18, 19, else 2, 3), for the chip's longest 426 ms:
    the slow rows tolerate 5 to 10 s, the chip cannot. OCD2 at what the outputs can break, for 40 ms; a short at twice
    that (or `short_ma`). A step that would exceed what the outputs can break is rounded down instead.
  temperatures: one degree beyond the trip, no more than a thermistor's own error: the chip acts at its threshold, the
    firmware only above, and both read the same sensor. Delays as for voltages, rounded up to seconds.
A row that is not fitted enables nothing; cell voltages must be fitted. FET and die limits are the board's: our choice.
Loaded for a start only.
"""

import struct

from drivers.bq76952_fets import CHARGE_CUTS, DISCHARGE_CUTS
from drivers.bq76952_link import ALARMS
from drivers.bq76952_wires import CHECK_S
from drivers.const import const

OK = 0
ERROR_TABLE = 1  # the cells or sensors are not those of the limits
ERROR_RANGE = 2  # the chip, with this shunt, cannot watch this pack

BALANCE_S = 10  # balancing ends by itself this long after the last command
WATCHDOG_S = 2  # FETs open this long after the last valid transfer

CFETOFF, DFETOFF, ALERT, TS1, TS2, TS3, HDQ, DCHG, DDSG = range(9)  # pins that can carry a thermistor
_CELL_THERMISTOR = const(0x07)  # 18 kohm pull-up, used for the cells
_FET_THERMISTOR = const(0x0F)
_SCD_MV = (10, 20, 40, 60, 80, 100, 125, 150, 175, 200, 250, 300, 350, 400, 450, 500)
_NEVER = const((1 << 28) - 1)
_CYCLE_MS = const(100)
_ASKING_MS = const(5000)  # after_request
_LATER_MS = const(200)  # two cycles
_LONGEST = const(2047)
_OCC_LONGEST = const(127)
_OCD2_DELAY = const(10)  # 40 ms: past any rush that the pre-charge leaves
_FET_C = (80, 2, 65)  # threshold, delay, recovery
_DIE_C = (85, 2, 80)


def _check_places(inputs, sensors, fet_sensor):
    """Refuses a table that is no wiring: called where a board is built."""
    if not 3 <= len(inputs) <= 16 or list(inputs) != sorted(set(inputs)) or inputs[0] < 1 or inputs[-1] > 16:
        raise ValueError("3 to 16 inputs, counted from 1, rising")
    pins = list(sensors) + ([] if fet_sensor is None else [fet_sensor])
    if len(set(pins)) != len(pins) or not all(0 <= pin <= DDSG for pin in pins):
        raise ValueError("each sensor has a pin of its own, CFETOFF to DDSG")


class Settings:
    """`inputs[i]` is the chip's input of cell i, from 1; `sensors[i]` the pin of temperature i.

    `pin_functions` are nine configuration bytes for pins without a sensor. `items` are (address, bytes) as written,
    `unit_ma` is one count of current.
    """

    def __init__(self, inputs, sensors, shunt_micro_ohm, fet_sensor=None, predischarge=False, pin_functions=bytes(9),
                 highest_mv=0, short_ma=0, short_delay_us=60):
        _check_places(inputs, sensors, fet_sensor)
        self.inputs = tuple(inputs)
        self.sensors = tuple(sensors)
        self.shunt_micro_ohm = shunt_micro_ohm
        self.fet_sensor = fet_sensor
        self.predischarge = predischarge
        self.pin_functions = pin_functions
        self.highest_mv = highest_mv
        self.short_ma = short_ma
        self.short_delay_us = short_delay_us
        self.unit_ma = 10
        self.items = []

    def plan(self, limits, gain_ppm=0):
        """Fills `items`: OK or an ERROR_."""
        if len(self.inputs) != limits.CELLS or len(self.sensors) > limits.SENSORS:
            return ERROR_TABLE
        self.items = []
        self._enabled = [0x80, 0x40, 0x02]  # SCD; OTINT; HWDF
        good = (self._voltages(limits) and self._currents(limits) and self._shorts(limits)
                and self._temperatures(limits) and self._unit(limits))
        if not good:
            return ERROR_RANGE
        self._fixed(limits, gain_ppm)
        return OK

    def _put(self, address, *values):
        self.items.append((address, bytes([value & 0xFF for value in values])))

    def _put16(self, address, value):
        self._put(address, value, value >> 8)

    def _voltages(self, limits):
        trip = limits.TRIP
        if abs(trip[0]) == _NEVER or abs(trip[1]) == _NEVER:
            return False
        over = outside(trip[0] * 10, 506, 10 * max(self.highest_mv, trip[0]))
        under = -outside(-trip[1] * 10, 506, -10 * trip[17] if abs(trip[17]) < _NEVER else 0)
        if not (20 <= under <= 90 and 20 <= over <= 110):
            return False
        self._enabled[0] |= 0x0C
        self._put(0x9275, under)
        self._put16(0x9276, self._delay(limits, 1))
        self._put(0x9278, over)
        self._put16(0x9279, self._delay(limits, 0))
        self._put(0x927B, _hysteresis(limits.CLEAR[1] * 10 - under * 506))
        self._put(0x927C, _hysteresis(over * 506 - limits.CLEAR[0] * 10))
        return True

    def _delay(self, limits, row):
        """In 3.3 ms, which the chip counts two more of."""
        return min(_LONGEST, _delay_ms(limits, row) * 10 // 33 - 1)

    def _currents(self, limits):
        charge = _peak(limits, 18, 2)
        discharge = _peak(limits, 19, 3)
        most = limits.BREAK_MAX_MA * self.shunt_micro_ohm
        occ = outside(charge * self.shunt_micro_ohm, 2000000, most)
        ocd1 = outside(discharge * self.shunt_micro_ohm, 2000000, most)
        ocd2 = max(ocd1, most // 2000000)
        if charge < _NEVER:
            if not 2 <= occ <= 62:
                return False
            self._enabled[0] |= 0x10
            self._put(0x9280, occ, _OCC_LONGEST)
        if discharge < _NEVER:
            if not (2 <= ocd1 <= 100 and ocd2 <= 100):
                return False
            self._enabled[0] |= 0x60
            self._put(0x9282, ocd1, _OCC_LONGEST, ocd2, _OCD2_DELAY)
        return True

    def _shorts(self, limits):
        """The largest threshold within what counts as a short, which must be above what the outputs can break."""
        short = (self.short_ma or 2 * limits.BREAK_MAX_MA) * self.shunt_micro_ohm // 1000000  # mV
        index = len([mv for mv in _SCD_MV if mv <= short]) - 1
        if index < 0 or _SCD_MV[index] * 1000000 <= limits.BREAK_MAX_MA * self.shunt_micro_ohm:
            return False
        delay = self.short_delay_us // 15 + 1
        if not 1 <= delay <= 31:
            return False
        self._put(0x9286, index, delay)
        return True

    def _temperatures(self, limits):
        good = True
        for row, address, bit, low, high in ((4, 0x929A, 4, -40, 120), (6, 0x929D, 5, -40, 120),
                                             (5, 0x92A6, 0, -40, 120), (7, 0x92A9, 1, -40, 120)):
            if abs(limits.TRIP[row]) == _NEVER or not self.sensors:
                continue
            sign = limits.SIGN[row]
            threshold = sign * (-(-sign * limits.TRIP[row] // 10) + 1)
            recovery = sign * (sign * limits.CLEAR[row] // 10)
            good = good and low <= threshold <= high and low <= recovery <= high
            delay = min(255, (_delay_ms(limits, row) + 999) // 1000)
            self._put(address, threshold, delay, recovery)
            self._enabled[1] |= 1 << bit
        self._put(0x92A3, *_DIE_C)
        if self.fet_sensor is not None:
            self._put(0x92A0, *_FET_C)
            self._enabled[1] |= 0x80
        return good

    def _unit(self, limits):
        """1 mA a count up to 32 A, else 10 mA; the end of the range lies beyond every trip."""
        most = max([abs(limits.TRIP[row]) for row in (2, 3, 18, 19) if abs(limits.TRIP[row]) < _NEVER] or [0])
        self.unit_ma = 1 if most <= 32000 else 10
        return most <= 320000

    def _fixed(self, limits, gain_ppm):
        gain = 7568.4 / self.shunt_micro_ohm * (1 + gain_ppm / 1000000)
        self._put(0x91A8, *struct.pack("<f", gain))
        # no SLEEP, in which the charge FET opens; with a thermistor on TS2 the chip could not stay in SHUTDOWN
        self._put16(0x9234, 0x2882 | (0x1000 if TS2 in self.sensors or self.fet_sensor == TS2 else 0))
        self._put(0x9261, *self._enabled)
        self._put(0x9265, *CHARGE_CUTS)
        self._put(0x9269, *DISCHARGE_CUTS)
        self._put16(0x926D, ALARMS)
        self._put16(0x92B2, WATCHDOG_S)
        functions = list(self.pin_functions)
        for pin in self.sensors:
            functions[pin] = _CELL_THERMISTOR
        if self.fet_sensor is not None:
            functions[self.fet_sensor] = _FET_THERMISTOR
        self._put(0x92FA, *functions)
        self._put(0x9303, 0x05 if self.unit_ma == 1 else 0x06)
        self._put16(0x9304, sum([1 << n - 1 for n in self.inputs]))
        # FETs in series, host commands, control; off until the host allows them; pre-discharge
        self._put(0x9308, 0x2D | (0x10 if self.predischarge else 0))
        self._put(0x9314, CHECK_S)  # SLUUBY2B, "Cell Open-Wire": the reference page has no row for it
        self._put(0x9335, 0)  # only the host balances
        self._put(0x9339, BALANCE_S, (limits.CELLS + 1) // 2)


def outside(trip, step, most):
    """Steps at or above the trip; below `most` where that would be exceeded."""
    steps = -(-trip // step)
    return steps if steps * step <= most else most // step


def _peak(limits, row, slow):
    return limits.TRIP[row] if limits.TRIP[row] < _NEVER else limits.TRIP[slow]


def _delay_ms(limits, row):
    """The longest the firmware takes from its trip to open outputs."""
    return limits.DELAY[row] * _CYCLE_MS + (_ASKING_MS if limits.AFTER_REQUEST[row] else 0) + _LATER_MS


def _hysteresis(tenths):
    """In 50.6 mV, not beyond where the firmware clears."""
    return max(2, min(20, tenths // 506))
