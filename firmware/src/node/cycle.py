"""The node's whole work in one picture: sense, measure, protect, contactor, heat, report. Allocates nothing."""

from generated.codec import REASON_EMERGENCY_STOP as EMERGENCY_STOP
from generated.codec import REASON_HEATER_NO_RISE as HEATER_NO_RISE
from generated.codec import REASON_INTERLOCK as INTERLOCK
from generated.codec import REASON_LEAK as LEAK
from generated.codec import REASON_NODE_MEMORY as NODE_MEMORY
from generated.codec import REASON_RESTART_LOOP as RESTART_LOOP
from generated.codec import REASON_SMOKE as SMOKE
from generated.codec import STATE_SERVICE

from node.allowance import Allowance
from node.balance import Balance
from node.charge import Charge
from node.contactor import Contactor
from node.heat import Heat
from node.measure import NA, Measure
from node.panel import Panel
from node.power import Power
from node.progress import Progress
from node.protect import Protect
from node.report import Report
from node.requests import Requests
from node.rows import Rows
from node.weld import Weld

VERSION = (0, 1, 0)
CYCLE_MS = 100
_LONGEST_MS = 500  # a longer gap counts as this much charge, and as many cycles as it lasted up to _MOST_CYCLES
_MOST_CYCLES = 600
RESET_DEEP_SLEEP = 5  # as NodeInfo tells it


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
        self.rows = Rows(limits)
        self._last_ms = -1
        self._resume()

    def _resume(self):
        """Takes up what earlier lives left: latched rows, a requested open, tries of the precharge, heat."""
        store = self.store
        store.attach(self.protect)
        self.contactor.commissioned = store.commissioned
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
        contactor.own_ma = self.limits.HEATER_MA if self.heat.on or pins.heater_on else 0
        rows = self.rows
        rows.step(m, self.afe, pins, contactor, self, elapsed)
        protect.step(rows.values, rows.known, periods)
        # act
        contactor.step(m, protect, pins.feedback, pins.feedback_known, periods, pins.charger_present)
        self.power.step(m, protect, contactor, pins.charger_present, pins.wake, periods)
        closed = contactor.paths | contactor.precharge << 2
        self.weld.step(m, closed, pins.feedback, pins.feedback_known, periods)
        idle = self.power.asleep or contactor.state == STATE_SERVICE  # a person may have hands inside
        no_heat = idle or not contactor.commissioned or (protect.worst and self._no_heat())
        self.heat.step(m, pins.heater_on, pins.feedback_known, closed, no_heat, periods)
        self.balance.step(m, self.requests.balancing() and not idle, periods)
        self.panel.step(pins.clear_pressed, protect, contactor, periods)
        self._write()
        # remember and tell
        self.store.step(rows.values, rows.known, self.requests.minutes)
        self.allowance.step(m, protect, contactor, self.requests, periods)
        self.charge.step(m.current_ma if m.measured else NA, min(elapsed, _LONGEST_MS))
        self.report.step(m, protect, self.allowance, contactor, self.weld, self.heat, self.balance, self.charge,
                         self.requests, pins, self.store)
        self.healthy = self.progress.moved(m.beat, protect.beat, pins.beat)

    def _no_heat(self):
        """Whether a fault forbids heat: fire, water, a hand that wants all off, a heater or a node that fails."""
        state = self.protect.state
        return (state[HEATER_NO_RISE] or state[SMOKE] or state[LEAK] or state[EMERGENCY_STOP] or state[INTERLOCK]
                or state[NODE_MEMORY] or state[RESTART_LOOP])

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
