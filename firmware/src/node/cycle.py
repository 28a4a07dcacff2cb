"""The node's whole work in one picture: sense, measure, protect, contactor, heat, report. Allocates nothing."""

from array import array

from node.allowance import CHARGE, DISCHARGE, Allowance
from node.balance import Balance
from node.charge import Charge
from node.contactor import Contactor
from node.heat import Heat
from node.measure import NA, Measure
from node.protect import DOUBTFUL, KNOWN, UNKNOWN, Protect
from node.report import Report
from node.requests import Requests

VERSION = (0, 1, 0)
CYCLE_MS = 100
_LONGEST_MS = 500  # a longer gap counts as this much charge, and as many cycles as it lasted up to _MOST_CYCLES
_MOST_CYCLES = 600


def _known(there, sure):
    """How far a value can be believed."""
    if not there:
        return UNKNOWN
    return KNOWN if sure else DOUBTFUL


class Node:
    """One pack's protection. `afe`, `pins` and `can` are drivers; `limits` is a generated module."""

    def __init__(self, limits, number, afe, pins, can, boot_id=0, reset_cause=0, free_heap=0):
        self.limits = limits
        self.afe = afe
        self.pins = pins
        self.can = can
        self.measure = Measure(limits)
        self.protect = Protect(limits)
        self.allowance = Allowance(limits)
        self.contactor = Contactor(limits)
        self.heat = Heat(limits)
        self.balance = Balance(limits)
        self.charge = Charge()
        self.requests = Requests(limits, number)
        self.report = Report(limits, number, can, VERSION, boot_id, reset_cause, free_heap)
        self._values = array("i", [0] * len(limits.TRIP))
        self._known = bytearray(len(limits.TRIP))
        self._last_ms = -1

    def step(self, now_ms):
        """One cycle at `now_ms` (wrapping at 2^30)."""
        elapsed = self._elapsed(now_ms)
        periods = min(max(1, (elapsed + CYCLE_MS // 2) // CYCLE_MS), _MOST_CYCLES)
        m = self.measure
        protect = self.protect
        contactor = self.contactor
        # sense and measure
        m.step(self.afe.read_into(m), periods)
        self.pins.read()
        # hear
        self.requests.step(periods)
        while self.can.receive():
            self.requests.frame(self.can.rx_id, self.can.rx_data, protect, contactor, m, self.report)
        # protect
        self._gather(m)
        protect.step(self._values, self._known, periods)
        # act
        contactor.step(m, protect, self.pins.feedback, self.pins.feedback_known, periods)
        self.heat.step(m, periods)
        self.balance.step(m, self.requests.balancing(), periods)
        self.pins.write(contactor.paths, contactor.precharge, self.heat.on, self.balance.mask)
        # tell
        self.allowance.step(m, protect, contactor.paths, self.requests, periods)
        self.charge.step(m.current_ma if m.measured else NA, min(elapsed, _LONGEST_MS))
        self.report.step(m, protect, self.allowance, contactor, self.heat, self.balance, self.charge, self.requests,
                         self.pins)

    def _elapsed(self, now_ms):
        last = self._last_ms
        self._last_ms = now_ms
        if last < 0:
            return CYCLE_MS
        elapsed = (now_ms - last) & 0x3FFFFFFF
        return elapsed if elapsed < 0x20000000 else 0

    def _gather(self, m):
        """One value a row of the limit table, in the order of dbc/node.dbc."""
        v = self._values
        k = self._known
        contactor = self.contactor
        current = m.current_ma
        current_known = _known(m.measured and current != NA, m.fresh)
        charging = current if current_known and current > 0 else 0
        discharging = -current if current_known and current < 0 else 0
        v[0] = m.cell_max_mv
        v[1] = m.cell_min_mv
        v[2] = charging
        v[3] = discharging
        v[4] = v[6] = m.temp_max_dc
        v[5] = v[7] = m.temp_min_dc
        v[8] = m.stale
        v[9] = m.implausible
        v[10] = self.requests.silent
        v[11] = contactor.mismatch
        v[12] = contactor.precharge_failed
        v[13] = 0 if self.pins.interlock_closed else 1
        v[14] = charging if self.allowance.forbids(CHARGE) else 0
        v[15] = discharging if self.allowance.forbids(DISCHARGE) else 0
        v[16] = contactor.overload
        k[0] = k[1] = _known(m.cell_max_mv != NA, m.fresh and m.cells_known)
        k[2] = k[3] = k[14] = k[15] = current_known
        k[4] = k[5] = k[6] = k[7] = _known(m.temp_max_dc != NA, m.fresh and m.temps_known)
        k[8] = k[10] = k[11] = k[12] = k[13] = k[16] = KNOWN
        k[9] = _known(m.measured, m.fresh)
