"""Says on CAN what the node knows: which frame in which cycle, spread so that the bus sees no burst.

All values of all frames lie in one array, in the order of dbc/node.dbc; `step` puts this cycle's into it, plans its
frames, and hands them to the bus at once.
"""

from array import array

from generated.codec import TABLE
from store.trips import COUNT, FIRST_MINUTES, LAST_MINUTES, NO_ROW

from node.frames import fill
from node.machine_code import const, micropython, ptr8, ptr32
from node.measure import NA

# Frames by their row in TABLE, and where their values begin.
_VALUES = const(0)
_ALLOWANCE = const(1)
_STATE = const(2)
_FAULTS = const(3)
_CELLS = const(4)
_TEMPS = const(5)
_CHARGE = const(6)
_HISTORY = const(7)  # and the next two
_CELL_GROUPS = const(10)
_TEMP_GROUPS = const(11)
_INFO = const(12)  # and the next three
_ANSWER = const(16)
_OF_VALUES = const(0)
_OF_ALLOWANCE = const(6)
_OF_STATE = const(11)
_OF_FAULTS = const(25)
_OF_CELLS = const(49)
_OF_TEMPS = const(54)
_OF_CHARGE = const(60)
_OF_FIRST_TRIP = const(63)
_OF_LAST_TRIP = const(66)
_OF_USE = const(68)
_OF_CELL_GROUPS = const(70)
_OF_TEMP_GROUPS = const(86)
_OF_VERSION = const(102)
_OF_CELL_COUNT = const(106)
_OF_SENSOR_COUNT = const(107)
_OF_LIMITS = const(108)
_OF_BOOT = const(111)
_OF_BUS = const(115)
_OF_ANSWER = const(123)
_PLACES = const(128)

_COUNTERS = const(10)
_EACH_CYCLE = bytes((_VALUES, 0, _CELLS, 0, _ALLOWANCE, 0, _STATE, 0))  # a plan: row and page of each frame
_FRAMES_EACH_CYCLE = const(4)
_FAULT_PAGES = const(4)
_FAULT_BYTES = const(24)
_GROUP = const(4)  # values of a group
_WINDOW = const(4)  # groups of one kind that one cycle has room for
_MOST = const(20)  # frames of a cycle: those four, four pages of faults, eight groups, four slow ones
_ONE_ANSWER = bytes((_ANSWER, 0))

_TEMPS_EVERY = const(5)  # cycles; these are the DBC's
_CHARGE_EVERY = const(10)  # NodeHistory too, in the middle between them
_HISTORY_SLOT = const(5)
_CELLS_EVERY = const(10)
_SENSORS_EVERY = const(20)
_INFO_EVERY = const(25)  # each of the four pages every 100
PROTOCOL_VERSION = 1
PPM_PERCENT = 10000
_NOT_AVAILABLE = const(3)  # of a two-bit state
_NA = const(-(1 << 28))


@micropython.viper
def due_groups(v: ptr32, plan: ptr8, count: int, cycle: int, cell_mv: ptr32, temp_dc: ptr32) -> int:
    """Plans the groups of cells and sensors whose turn it is, behind `count` frames; how many frames that makes."""
    row = _CELL_GROUPS
    place = _OF_CELL_GROUPS
    here = v[_OF_CELL_COUNT]
    every = _CELLS_EVERY
    values = cell_mv
    while row <= _TEMP_GROUPS:
        groups = (here + _GROUP - 1) // _GROUP
        group = groups * (cycle % every) // every  # so that each cycle carries as many as another
        end = groups * (cycle % every + 1) // every
        while group < end:
            to = place + (group & _WINDOW - 1) * _GROUP
            n = group * _GROUP
            while n < group * _GROUP + _GROUP:
                v[to] = _NA
                if n < here:
                    v[to] = values[n]
                to += 1
                n += 1
            plan[2 * count] = row
            plan[2 * count + 1] = group
            count += 1
            group += 1
        row += 1
        place = _OF_TEMP_GROUPS
        here = v[_OF_SENSOR_COUNT]
        every = _SENSORS_EVERY
        values = temp_dc
    return count


@micropython.viper
def look(v: ptr32, plan: ptr8, cycle: int, m, protect, allowance, contactor, weld, heat, balance, requests,
         pins) -> int:
    """What is told in each cycle, in the order of the DBC. Plans what follows those frames: the fault page whose turn
    it is and every other one that has changed, temperatures. Returns how many frames that is."""
    known = int(bool(m.known))
    v[_OF_VALUES] = pack_mv = int(m.pack_mv)
    v[_OF_VALUES + 1] = int(m.current_ma)
    v[_OF_VALUES + 2] = link_mv = int(m.link_mv)
    v[_OF_VALUES + 3] = known if pack_mv != _NA else 0
    v[_OF_VALUES + 4] = known
    v[_OF_VALUES + 5] = known if link_mv != _NA else 0
    v[_OF_ALLOWANCE] = int(allowance.charge_ma)
    v[_OF_ALLOWANCE + 1] = int(allowance.discharge_ma)
    v[_OF_ALLOWANCE + 3] = int(allowance.charge_by)
    v[_OF_ALLOWANCE + 4] = int(allowance.discharge_by)
    v[_OF_STATE] = int(contactor.state)
    if pins.feedback_known:
        feedback = int(pins.feedback)
        v[_OF_STATE + 1] = feedback & 1
        v[_OF_STATE + 2] = feedback >> 1 & 1
        v[_OF_STATE + 3] = feedback >> 2 & 1
        v[_OF_STATE + 4] = int(pins.heater_on)
    else:
        v[_OF_STATE + 1] = v[_OF_STATE + 2] = v[_OF_STATE + 3] = v[_OF_STATE + 4] = _NOT_AVAILABLE
    v[_OF_STATE + 5] = int(heat.on)
    v[_OF_STATE + 6] = int(pins.interlock_closed)
    v[_OF_STATE + 7] = int(pins.armed)
    v[_OF_STATE + 8] = int(balance.active)
    v[_OF_STATE + 9] = int(pins.charger_present)
    v[_OF_STATE + 10] = int(weld.result)
    v[_OF_STATE + 11] = int(requests.last_refusal)
    v[_OF_STATE + 12] = int(contactor.open_reason)
    v[_OF_STATE + 13] = int(protect.longest_hold()) * 100 if protect.worst else 0
    v[_OF_CELLS] = int(m.cell_min_mv)
    v[_OF_CELLS + 1] = int(m.cell_max_mv)
    v[_OF_CELLS + 2] = int(m.cell_min)
    v[_OF_CELLS + 3] = int(m.cell_max)
    v[_OF_CELLS + 4] = known
    bits = ptr8(protect.bits)
    n = 0
    while n < _FAULT_BYTES:
        v[_OF_FAULTS + n] = bits[n]
        n += 1
    changed = ptr8(protect.changed)
    count = _FRAMES_EACH_CYCLE
    n = 0
    while n < _FAULT_PAGES:
        if n == cycle & 3 or changed[n]:
            changed[n] = 0
            plan[2 * count] = _FAULTS
            plan[2 * count + 1] = n
            count += 1
        n += 1
    if cycle % _TEMPS_EVERY == 0:
        v[_OF_TEMPS] = int(m.temp_min_dc)
        v[_OF_TEMPS + 1] = int(m.temp_max_dc)
        v[_OF_TEMPS + 2] = int(m.temp_min)
        v[_OF_TEMPS + 3] = int(m.temp_max)
        v[_OF_TEMPS + 4] = int(m.temp_mean_dc)
        v[_OF_TEMPS + 5] = known
        plan[2 * count] = _TEMPS
        plan[2 * count + 1] = 0
        count += 1
    return count


def added(plan, count, row, page):
    """Plans one frame behind `count` of them."""
    plan[2 * count] = row
    plan[2 * count + 1] = page
    return count + 1


class Report:
    """`slot`, `trial`, `failed_updates` and `restarts` are what NodeInfo tells of versions and boots: set them once.

    `free_heap` and `worst_cycle_ms`, the longest time from one cycle to the next, are told there too.
    """

    def __init__(self, limits, node, can, version, boot_id, reset_cause, free_heap):
        self.node = node
        self.can = can
        self.free_heap = free_heap
        self.worst_cycle_ms = 0
        self.slot = self.trial = _NOT_AVAILABLE
        self.failed_updates = self.restarts = 0
        plan = bytearray(2 * _MOST)
        plan[:len(_EACH_CYCLE)] = _EACH_CYCLE
        v = array("i", [0] * _PLACES)
        self._parts = (v, plan, array("i", [0] * _MOST), bytearray(8 * _MOST), bytearray(_COUNTERS))
        self._cycle = node * 7 % 10  # each node starts elsewhere in the second
        self._info_due = 4
        self._page = 2
        self._row = -1
        # What stays as it is.
        v[_OF_ALLOWANCE + 2] = limits.CHARGE_TO_MV
        v[_OF_CHARGE + 2] = v[_OF_BOOT + 1] = boot_id
        v[_OF_VERSION] = PROTOCOL_VERSION
        for n in range(3):
            v[_OF_VERSION + 1 + n] = version[n]
        v[_OF_CELL_COUNT] = limits.CELLS
        v[_OF_SENSOR_COUNT] = limits.SENSORS
        v[_OF_LIMITS] = limits.HASH_LOW
        v[_OF_LIMITS + 1] = limits.HASH_HIGH
        v[_OF_BOOT] = reset_cause

    def step(self, m, protect, allowance, contactor, weld, heat, balance, charge, requests, pins, store):
        """Queues this cycle's frames."""
        self._cycle = cycle = self._cycle + 1 if self._cycle < 4 * _INFO_EVERY - 1 else 0
        v, plan, ids, data, counters = self._parts
        count = look(v, plan, cycle, m, protect, allowance, contactor, weld, heat, balance, requests, pins)
        count = due_groups(v, plan, count, cycle, m.cell_mv, m.temp_dc)
        slot = cycle % _CHARGE_EVERY
        if slot == 0:
            v[_OF_CHARGE] = charge.in_mah
            v[_OF_CHARGE + 1] = charge.out_mah
            count = added(plan, count, _CHARGE, 0)
        elif slot == _HISTORY_SLOT:
            page = self._history(v, contactor, heat, store)
            count = added(plan, count, _HISTORY + page, page)
        if self._info_due or cycle % _INFO_EVERY == 0:
            count = self._info(v, plan, cycle, count)
        fill(TABLE, v, data, plan, count, counters, self.node, ids)
        self.can.send_all(ids, data, count)

    def _history(self, v, contactor, heat, store):
        """One page a second: when a row tripped first, when last, and what heater and outputs have used."""
        trips = store.faults.trips
        self._page = page = self._page + 1 if self._page < 2 else 0
        if page == 0:
            self._row = trips.next(self._row)
        row = self._row
        known = row != NO_ROW
        if page == 0:
            v[_OF_FIRST_TRIP] = row if known else NA
            v[_OF_FIRST_TRIP + 1] = trips.get(row, COUNT) if known else 0
            v[_OF_FIRST_TRIP + 2] = trips.get(row, FIRST_MINUTES) if known else NA
        elif page == 1:
            v[_OF_LAST_TRIP] = row if known else NA
            v[_OF_LAST_TRIP + 1] = trips.get(row, LAST_MINUTES) if known else NA
        else:
            v[_OF_USE] = heat.energy_wh
            v[_OF_USE + 1] = min(254, (store.wear_ppm + contactor.wear_ppm) // PPM_PERCENT)
        return page

    def _info(self, v, plan, cycle, count):
        """A page in each of the first four cycles, then every 2.5 s."""
        page = cycle // _INFO_EVERY
        if self._info_due:
            self._info_due -= 1
            page = self._info_due
        can = self.can
        if page == 1:
            v[_OF_LIMITS + 2] = self.free_heap
        elif page == 2:
            v[_OF_BOOT + 2] = self.worst_cycle_ms
            v[_OF_BOOT + 3] = can.dropped & 0xFFFF
        elif page == 3:
            v[_OF_BUS] = can.state
            v[_OF_BUS + 1] = can.tec
            v[_OF_BUS + 2] = can.rec
            v[_OF_BUS + 3] = min(255, can.bus_offs)
            v[_OF_BUS + 4] = self.slot
            v[_OF_BUS + 5] = self.trial
            v[_OF_BUS + 6] = self.failed_updates
            v[_OF_BUS + 7] = self.restarts
        return added(plan, count, _INFO + page, page)

    def answer(self, request, number, answer, limit, hold_ms):
        """Queues the answer to a request at once."""
        v, _, ids, data, counters = self._parts
        v[_OF_ANSWER] = request
        v[_OF_ANSWER + 1] = number
        v[_OF_ANSWER + 2] = answer
        v[_OF_ANSWER + 3] = limit
        v[_OF_ANSWER + 4] = hold_ms
        fill(TABLE, v, data, _ONE_ANSWER, 1, counters, self.node, ids)
        self.can.send_all(ids, data, 1)
