"""What current the node allows now and which rule says so. Falls at once, rises slowly; unknown allows nothing."""

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

CHARGE = 1
DISCHARGE = 2
UNLIMITED_MA = 1 << 28


def line(xs, ys, x):
    """y at x on the straight pieces through (xs, ys); level outside; rounded down. Integers, |dy * dx| < 2^30."""
    if x <= xs[0]:
        return ys[0]
    last = len(xs) - 1
    if x >= xs[last]:
        return ys[last]
    i = 1
    while xs[i] < x:
        i += 1
    x0 = xs[i - 1]
    y0 = ys[i - 1]
    return y0 + (ys[i] - y0) * (x - x0) // (xs[i] - x0)


class Allowance:
    """`charge_ma` and `discharge_ma` are positive; `charge_by` and `discharge_by` are reasons of the DBC."""

    def __init__(self, limits):
        self.limits = limits
        self.charge_ma = self.discharge_ma = 0
        self.charge_by = self.discharge_by = REASON_PATH_OPEN
        self._ma = 0
        self._by = 0

    def step(self, m, protect, contactor, requests, periods):
        """Recomputes both from readings `m`, the limit table, closed paths and the gateway's requests."""
        limits = self.limits
        self._start(limits.MAX_CHARGE_MA)
        if m.known:
            self._cool_and_warm(limits.CHARGE_BY_TEMPERATURE_X, limits.CHARGE_BY_TEMPERATURE_MA, m,
                                REASON_DERATE_CHARGE_TEMPERATURE)
            self._least(line(limits.CHARGE_BY_CELL_VOLTAGE_X, limits.CHARGE_BY_CELL_VOLTAGE_MA, m.cell_max_mv),
                        REASON_DERATE_CHARGE_VOLTAGE)
        self._asked(requests.charge_ma, limits.SILENT_CHARGE_MA, requests)
        self._stop(CHARGE, m, protect, contactor)
        self.charge_ma = self._rise(self.charge_ma, periods)
        self.charge_by = self._by

        self._start(limits.MAX_DISCHARGE_MA)
        if m.known:
            self._cool_and_warm(limits.DISCHARGE_BY_TEMPERATURE_X, limits.DISCHARGE_BY_TEMPERATURE_MA, m,
                                REASON_DERATE_DISCHARGE_TEMPERATURE)
            self._least(line(limits.DISCHARGE_BY_CELL_VOLTAGE_X, limits.DISCHARGE_BY_CELL_VOLTAGE_MA, m.cell_min_mv),
                        REASON_DERATE_DISCHARGE_VOLTAGE)
        self._asked(requests.discharge_ma, limits.SILENT_DISCHARGE_MA, requests)
        self._stop(DISCHARGE, m, protect, contactor)
        self.discharge_ma = self._rise(self.discharge_ma, periods)
        self.discharge_by = self._by

    def forbids(self, mask):
        """Whether the cells or the node forbid current in direction `mask`; a gateway's 0 A is only a request."""
        ma = self.charge_ma if mask == CHARGE else self.discharge_ma
        by = self.charge_by if mask == CHARGE else self.discharge_by
        return ma == 0 and by != REASON_GATEWAY_REQUEST and by != REASON_GATEWAY_SILENT

    def _start(self, ma):
        self._ma = ma
        self._by = REASON_RATING

    def _least(self, ma, by):
        if ma < self._ma:
            self._ma = ma
            self._by = by

    def _cool_and_warm(self, xs, ys, m, by):
        """The coldest and the hottest place each have a say."""
        self._least(line(xs, ys, m.temp_min_dc), by)
        self._least(line(xs, ys, m.temp_max_dc), by)

    def _asked(self, asked_ma, silent_ma, requests):
        self._least(asked_ma, REASON_GATEWAY_REQUEST)
        if requests.silent_cap:
            self._least(silent_ma, REASON_GATEWAY_SILENT)

    def _stop(self, mask, m, protect, contactor):
        """The rules that allow nothing at all, the most telling last."""
        if not contactor.paths & mask:
            self._zero(REASON_SERVICE_STATE if contactor.state == STATE_SERVICE else REASON_PATH_OPEN)
        if not m.known:
            self._zero(REASON_UNKNOWN_READING)
        if (protect.blocks_now | protect.blocks_after | protect.limited) & mask:
            self._zero(protect.first_blocking(mask))

    def _zero(self, by):
        self._ma = 0
        self._by = by

    def _rise(self, before, periods):
        return min(self._ma, before + self.limits.RISE_MA_PER_CYCLE * periods)
