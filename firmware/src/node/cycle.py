"""The node's whole work in one picture: sense, measure, protect, contactor, heat, report. Allocates nothing."""

from array import array

from generated.codec import REASON_HEATER_NO_RISE as HEATER_NO_RISE
from generated.codec import STATE_SERVICE

from node.allowance import CHARGE, DISCHARGE, Allowance
from node.balance import Balance
from node.charge import Charge
from node.contactor import Contactor
from node.heat import Heat
from node.measure import NA, Measure
from node.panel import Panel
from node.power import Power
from node.progress import Progress
from node.protect import DOUBTFUL, KNOWN, UNKNOWN, Protect
from node.report import PPM_PERCENT, Report
from node.requests import Requests
from node.weld import WELDED, Weld

VERSION = (0, 1, 0)
CYCLE_MS = 100
_LONGEST_MS = 500  # a longer gap counts as this much charge, and as many cycles as it lasted up to _MOST_CYCLES
_MOST_CYCLES = 600
_MOST_MS = 600000
RESET_DEEP_SLEEP = 5  # as NodeInfo tells it


def _known(there, sure):
    """How far a value can be believed."""
    if not there:
        return UNKNOWN
    return KNOWN if sure else DOUBTFUL


class Node:
    """One pack's protection. `afe`, `pins`, `can` and `store` are drivers; `limits` is a generated module."""

    def __init__(self, limits, number, afe, pins, can, store, boot_id=0, reset_cause=0, free_heap=0):
        self.limits = limits
        self.afe = afe
        self.pins = pins
        self.can = can
        self.store = store
        self.measure = Measure(limits)
        self.protect = Protect(limits)
        self.allowance = Allowance(limits)
        self.contactor = Contactor(limits)
        self.weld = Weld(limits)
        self.heat = Heat(limits)
        self.power = Power(limits, reset_cause == RESET_DEEP_SLEEP)
        self.panel = Panel()
        self.progress = Progress()
        self.healthy = False  # measure, protect and actuate have each moved on in the last cycle
        self.balance = Balance(limits)
        self.charge = Charge()
        self.requests = Requests(limits, number)
        self.report = Report(limits, number, can, VERSION, boot_id, reset_cause, free_heap)
        self._values = array("i", [0] * len(limits.TRIP))
        self._known = bytearray(len(limits.TRIP))
        self._last_ms = -1
        self._resume()

    def _resume(self):
        """Takes up what earlier lives left: latched rows, a requested open, tries of the precharge, heat."""
        store = self.store
        store.attach(self.protect)
        self.contactor.tries = store.faults.tries
        self.contactor.open_requested = store.faults.open_requested
        self.heat.resume(store.faults.heater_wh, store.faults.heater_j)

    def step(self, now_ms):
        """One cycle at `now_ms` (wrapping at 2^30)."""
        elapsed = self._elapsed(now_ms)
        periods = min(max(1, (elapsed + CYCLE_MS // 2) // CYCLE_MS), _MOST_CYCLES)
        if self.power.asleep:
            self._doze(periods)
            return
        m = self.measure
        protect = self.protect
        contactor = self.contactor
        pins = self.pins
        # sense and measure
        m.step(self.afe.read_into(m), periods)
        pins.read()
        self.store.read()
        # hear
        self.requests.step(periods)
        while self.can.receive():
            self.requests.frame(self.can.rx_id, self.can.rx_data, protect, contactor, m, self.report)
        # protect
        self._gather(m, elapsed)
        protect.step(self._values, self._known, periods)
        # act
        contactor.step(m, protect, pins.feedback, pins.feedback_known, periods, pins.charger_present)
        self.power.step(m, protect, contactor, pins.charger_present, pins.wake, periods)
        closed = contactor.paths | contactor.precharge << 2
        self.weld.step(m, closed, pins.feedback, pins.feedback_known, periods)
        idle = self.power.asleep or contactor.state == STATE_SERVICE  # a person may have hands inside
        self.heat.step(m, pins.heater_on, pins.feedback_known, closed, idle or protect.state[HEATER_NO_RISE], periods)
        self.balance.step(m, self.requests.balancing() and not idle, periods)
        self.panel.step(pins.clear_pressed, protect, contactor, periods)
        self._write()
        # remember and tell
        self.store.step(self._values, self._known, self.requests.minutes)
        self.allowance.step(m, protect, contactor, self.requests, periods)
        self.charge.step(m.current_ma if m.measured else NA, min(elapsed, _LONGEST_MS))
        self.report.step(m, protect, self.allowance, contactor, self.weld, self.heat, self.balance, self.charge,
                         self.requests, pins, self.store)
        self.healthy = self.progress.moved(m.beat, protect.beat, pins.beat)

    def _write(self):
        contactor = self.contactor
        self.pins.write(contactor.paths, contactor.precharge, self.heat.on, self.balance.mask)
        self.pins.show(self.panel.light, self.power.asleep)

    def _doze(self, periods):
        """A cycle asleep: everything stays off; only what may wake the node is looked at."""
        pins = self.pins
        pins.read()
        while self.can.receive():
            pass
        self.heat.on = 0
        self.power.doze(self.contactor, pins.charger_present, pins.wake, periods)
        self._write()
        self.healthy = True

    def _elapsed(self, now_ms):
        last = self._last_ms
        self._last_ms = now_ms
        if last < 0:
            return CYCLE_MS
        elapsed = (now_ms - last) & 0x3FFFFFFF
        if elapsed >= 0x20000000:
            return 0
        if elapsed > self.report.worst_cycle_ms:
            self.report.worst_cycle_ms = elapsed
        return elapsed

    def _gather(self, m, elapsed):
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
        v[18] = charging
        v[19] = discharging
        v[27] = 0 if self.pins.estop_closed else 1
        v[28] = self.pins.smoke
        v[29] = self.pins.leak
        v[32] = min(elapsed, _MOST_MS)
        v[33] = 1 if self.weld.result == WELDED else 0
        v[34] = (self.store.wear_ppm + contactor.wear_ppm) // PPM_PERCENT
        v[35] = self.heat.stuck
        v[36] = self.heat.no_rise
        v[38] = self.store.bad
        v[39] = self.store.restarts
        k[0] = k[1] = _known(m.cell_max_mv != NA, m.fresh and m.cells_known)
        k[2] = k[3] = k[14] = k[15] = k[18] = k[19] = current_known
        k[4] = k[5] = k[6] = k[7] = _known(m.temp_max_dc != NA, m.fresh and m.temps_known)
        k[8] = k[10] = k[11] = k[12] = k[13] = k[16] = KNOWN
        k[27] = k[28] = k[29] = k[32] = k[33] = k[34] = k[35] = k[36] = k[38] = k[39] = KNOWN
        k[9] = _known(m.measured, m.fresh)
        self._gather_monitor(m, current_known)

    def _gather_monitor(self, m, current_known):
        """The rows that judge the cell monitor and the sensors beside it."""
        v = self._values
        k = self._known
        afe = self.afe
        v[17] = m.cell_min_mv
        v[20] = afe.hard_trip & 1
        v[21] = m.temp_max_dc - m.temp_min_dc
        v[22] = m.cell_max_mv - m.cell_min_mv
        v[23] = afe.open_wires
        v[24] = afe.comms_age
        v[25] = abs(m.current_ma - m.second_ma)
        v[26] = m.insulation_kohm
        v[30] = m.humidity_percent
        v[31] = m.supply_mv
        v[37] = 0 if afe.config_ok else 1
        k[17] = k[22] = k[0]
        k[20] = k[23] = k[24] = k[37] = KNOWN
        k[21] = k[4]
        k[25] = current_known if m.second_ma != NA else UNKNOWN
        k[26] = KNOWN if m.insulation_kohm != NA else UNKNOWN
        k[30] = KNOWN if m.humidity_percent != NA else UNKNOWN
        k[31] = KNOWN if m.supply_mv != NA else UNKNOWN
