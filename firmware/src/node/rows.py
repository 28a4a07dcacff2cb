"""What the limit table judges: one value a row and how far it can be believed, in the order of dbc/node.dbc."""

from array import array

from node.allowance import CHARGE, DISCHARGE
from node.machine_code import micropython, ptr8, ptr32
from node.measure import NA, found_rows
from node.protect import DOUBTFUL, KNOWN, UNKNOWN
from node.report import PPM_PERCENT
from node.weld import WELDED

_MOST_MS = 600000


@micropython.viper
def current_rows(values: ptr32, known: ptr8, current: int, forbidden: int, own: int, belief: int):
    """The rows of over-current, and of current in a direction of the mask `forbidden`, but for `own`, the heater's."""
    charging = current if current > 0 else 0
    discharging = charging - current
    values[2] = charging
    values[3] = discharging
    values[14] = charging if forbidden & 1 else 0
    values[15] = discharging - own if forbidden & 2 else 0
    values[18] = charging
    values[19] = discharging
    known[2] = belief
    known[3] = belief
    known[14] = belief
    known[15] = belief
    known[18] = belief
    known[19] = belief


class Rows:
    """`values` and `known` as Protect takes them; rows of what is always known stay KNOWN."""

    def __init__(self, limits):
        self.values = array("i", [0] * len(limits.TRIP))
        self.known = bytearray([KNOWN] * len(limits.TRIP))

    def step(self, m, afe, pins, contactor, node, elapsed_ms):
        """Takes up this cycle's readings `m`, and what the parts of `node` found in this cycle or the last."""
        values = self.values
        known = self.known
        sure = KNOWN if m.fresh else DOUBTFUL
        found_rows(values, known, m.cells_found, m.temps_found, sure)
        values[8] = m.stale
        values[9] = m.implausible
        known[9] = sure if m.measured else UNKNOWN
        values[13] = 0 if pins.interlock_closed else 1
        values[27] = 0 if pins.estop_closed else 1
        values[28] = pins.smoke
        values[29] = pins.leak
        values[32] = elapsed_ms if elapsed_ms < _MOST_MS else _MOST_MS
        values[20] = afe.hard_trip & 1
        values[40] = afe.hard_trip >> 1
        values[23] = afe.open_wires
        values[24] = afe.comms_age
        values[37] = 0 if afe.config_ok else 1
        self._currents(m, sure, node)
        self._sensors(m)
        self._parts(contactor, node)

    def _currents(self, m, sure, node):
        current = m.current_ma
        belief = sure
        forbidden = own = 0
        if not m.measured or current == NA:
            belief = UNKNOWN
            current = 0
        elif current > 0:
            forbidden = CHARGE if node.allowance.forbids(CHARGE) else 0
        elif current < 0:
            forbidden = DISCHARGE if node.allowance.forbids(DISCHARGE) else 0
            own = node.contactor.own_ma
        current_rows(self.values, self.known, current, forbidden, own, belief)
        if m.second_ma == NA:
            belief = UNKNOWN
        else:
            self.values[25] = abs(m.current_ma - m.second_ma)
        self.known[25] = belief

    def _sensors(self, m):
        """The rows of sensors that a pack need not have."""
        values = self.values
        known = self.known
        values[26] = value = m.insulation_kohm
        known[26] = UNKNOWN if value == NA else KNOWN
        values[30] = value = m.humidity_percent
        known[30] = UNKNOWN if value == NA else KNOWN
        values[31] = value = m.supply_mv
        known[31] = UNKNOWN if value == NA else KNOWN

    def _parts(self, contactor, node):
        """What the node knows of its outputs, its heater, its gateway and its memory."""
        values = self.values
        values[10] = node.requests.silent
        values[11] = contactor.mismatch
        values[12] = contactor.precharge_failed
        values[16] = contactor.overload
        values[33] = 1 if node.weld.result == WELDED else 0
        heat = node.heat
        values[35] = heat.stuck
        values[36] = heat.no_rise
        store = node.store
        values[34] = (store.wear_ppm + contactor.wear_ppm) // PPM_PERCENT
        values[38] = store.bad
        values[39] = store.restarts
