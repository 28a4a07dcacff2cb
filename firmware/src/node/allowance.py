"""What current the node allows now and which rule says so. Falls at once, rises slowly; unknown allows nothing."""

from array import array

from generated.codec import (
    REASON_DERATE_CHARGE_TEMPERATURE,
    REASON_DERATE_CHARGE_VOLTAGE,
    REASON_DERATE_DISCHARGE_TEMPERATURE,
    REASON_DERATE_DISCHARGE_VOLTAGE,
    REASON_GATEWAY_REQUEST,
    REASON_GATEWAY_SILENT,
    REASON_PATH_OPEN,
    REASON_RATING,
    REASON_SERVICE_STATE,
    REASON_UNKNOWN_READING,
    STATE_SERVICE,
)

from node.machine_code import const, micropython, ptr32

CHARGE = 1
DISCHARGE = 2
BOTH = 3
UNLIMITED_MA = 1 << 28
_VOLTAGE = const(2)  # place of the curve by cell voltage; before it those by coldest and by hottest temperature


@micropython.viper
def least(curves: ptr32, xs: ptr32, count: int, found: ptr32):
    """The lowest y of `count` curves, each at its x, and the first curve that has it: into found[0] and found[1].

    A curve is its number of points, all x, all y: straight between points, level outside, rounded down. Integers,
    |dy * dx| < 2^30.
    """
    n = at = 0
    while n < count:
        x = xs[n]
        last = curves[at]
        i = 2
        while i < last and curves[at + i] < x:
            i += 1
        x0 = curves[at + i - 1]
        x1 = curves[at + i]
        y = curves[at + last + i - 1]
        if x >= x1:
            y = curves[at + last + i]
        elif x > x0:
            y += (curves[at + last + i] - y) * (x - x0) // (x1 - x0)
        if n == 0 or y < found[0]:
            found[0] = y
            found[1] = n
        at += 2 * last + 1
        n += 1


def curve(xs, ys):
    """The points of (xs, ys) as least() takes them; a single one is level everywhere."""
    xs = tuple(xs)
    ys = tuple(ys)
    if len(xs) == 1:
        xs += xs
        ys += ys
    return array("i", (len(xs),) + xs + ys)


class Direction:
    """What one direction of current allows by itself: `ma`, and `by` which reason of the DBC."""

    def __init__(self, most_ma, by_temperature, by_voltage, temperature_reason, voltage_reason, silent_ma):
        self.ma = 0
        self.by = REASON_PATH_OPEN
        self._most_ma = most_ma
        self._curves = by_temperature + by_temperature + by_voltage
        self._temperature_reason = temperature_reason
        self._voltage_reason = voltage_reason
        self._silent_ma = silent_ma
        self._xs = array("i", [0] * 3)
        self._found = array("i", [0] * 2)

    def step(self, m, mv, asked_ma, silent, most_ma):
        """One cycle in which nothing stops the current: cells and sensors first, then who asks; at most `most_ma`."""
        xs = self._xs
        xs[0] = m.temp_min_dc  # the coldest and the hottest place each have a say
        xs[1] = m.temp_max_dc
        xs[_VOLTAGE] = mv
        found = self._found
        least(self._curves, xs, 3, found)
        ma = self._most_ma
        by = REASON_RATING
        if found[0] < ma:
            ma = found[0]
            by = self._voltage_reason if found[1] == _VOLTAGE else self._temperature_reason
        if asked_ma < ma:
            ma = asked_ma
            by = REASON_GATEWAY_REQUEST
        if silent and self._silent_ma < ma:
            ma = self._silent_ma
            by = REASON_GATEWAY_SILENT
        self.ma = min(ma, most_ma)
        self.by = by

    def stop(self, by):
        """Nothing is allowed, by reason `by`."""
        self.ma = 0
        self.by = by


class Allowance:
    """`charge_ma` and `discharge_ma` are positive; `charge_by` and `discharge_by` are reasons of the DBC."""

    def __init__(self, limits):
        self.limits = limits
        self.charge_ma = self.discharge_ma = 0
        self.charge_by = self.discharge_by = REASON_PATH_OPEN
        self._charge = Direction(
            limits.MAX_CHARGE_MA, curve(limits.CHARGE_BY_TEMPERATURE_X, limits.CHARGE_BY_TEMPERATURE_MA),
            curve(limits.CHARGE_BY_CELL_VOLTAGE_X, limits.CHARGE_BY_CELL_VOLTAGE_MA),
            REASON_DERATE_CHARGE_TEMPERATURE, REASON_DERATE_CHARGE_VOLTAGE, limits.SILENT_CHARGE_MA)
        self._discharge = Direction(
            limits.MAX_DISCHARGE_MA, curve(limits.DISCHARGE_BY_TEMPERATURE_X, limits.DISCHARGE_BY_TEMPERATURE_MA),
            curve(limits.DISCHARGE_BY_CELL_VOLTAGE_X, limits.DISCHARGE_BY_CELL_VOLTAGE_MA),
            REASON_DERATE_DISCHARGE_TEMPERATURE, REASON_DERATE_DISCHARGE_VOLTAGE, limits.SILENT_DISCHARGE_MA)

    def step(self, m, protect, contactor, requests, periods):
        """Recomputes both from readings `m`, the limit table, closed paths and the gateway's requests."""
        blocked = protect.blocks_now | protect.blocks_after | protect.limited
        stopped = blocked | BOTH & ~contactor.paths if m.known else BOTH
        rise = self.limits.RISE_MA_PER_CYCLE * periods
        one = self._charge
        if stopped & CHARGE:
            one.stop(self._why(CHARGE, blocked, m, protect, contactor))
        else:
            one.step(m, m.cell_max_mv, requests.charge_ma, requests.silent_cap, self.charge_ma + rise)
        self.charge_ma = one.ma
        self.charge_by = one.by
        one = self._discharge
        if stopped & DISCHARGE:
            one.stop(self._why(DISCHARGE, blocked, m, protect, contactor))
        else:
            one.step(m, m.cell_min_mv, requests.discharge_ma, requests.silent_cap, self.discharge_ma + rise)
        self.discharge_ma = one.ma
        self.discharge_by = one.by

    def _why(self, mask, blocked, m, protect, contactor):
        """Why nothing at all is allowed, the most telling first."""
        if blocked & mask:
            return protect.first_blocking(mask)
        if not m.known:
            return REASON_UNKNOWN_READING
        return REASON_SERVICE_STATE if contactor.state == STATE_SERVICE else REASON_PATH_OPEN

    def forbids(self, mask):
        """Whether the cells or the node forbid current in direction `mask`; a gateway's 0 A is only a request."""
        ma = self.charge_ma if mask == CHARGE else self.discharge_ma
        by = self.charge_by if mask == CHARGE else self.discharge_by
        return ma == 0 and by != REASON_GATEWAY_REQUEST and by != REASON_GATEWAY_SILENT
