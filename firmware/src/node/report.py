"""Says on CAN what the node knows: which frame in which cycle, spread so that the bus sees no burst."""

from generated import codec
from store.trips import COUNT, FIRST_MINUTES, LAST_MINUTES, NO_ROW

from node.measure import NA

_PROTECTED = 10  # counters, one a protected message
_VALUES, _ALLOWANCE, _STATE, _FAULTS, _CELLS, _TEMPS, _CHARGE, _INFO, _ANSWER, _HISTORY = range(10)
PROTOCOL_VERSION = 1
PPM_PERCENT = 10000
_NOT_AVAILABLE = 3  # of a two-bit state


class Report:
    def __init__(self, limits, node, can, version, boot_id, reset_cause, free_heap):
        self.limits = limits
        self.node = node
        self.can = can
        self.version = version
        self.boot_id = boot_id
        self.reset_cause = reset_cause
        self.free_heap = free_heap
        self.worst_cycle_ms = 0  # longest time from one cycle to the next
        self._d = bytearray(8)
        self._counters = bytearray(_PROTECTED)
        self._cycle = node * 7 % 10  # each node starts elsewhere in the second
        self._groups = (limits.CELLS + 3) // 4
        self._sensor_groups = (limits.SENSORS + 3) // 4
        self._info_due = 4
        self.slot = self.trial = _NOT_AVAILABLE
        self.failed_updates = self.restarts = 0
        self._page = 2
        self._row = -1

    def _count(self, message):
        count = self._counters[message]
        self._counters[message] = 0 if count == 14 else count + 1
        return count

    def step(self, m, protect, allowance, contactor, weld, heat, balance, charge, requests, pins, store):
        """Queues this cycle's frames."""
        self._cycle = cycle = self._cycle + 1 if self._cycle < 99 else 0
        self._values(m)
        self._extremes(m)
        self._allowance(allowance)
        self._state(protect, contactor, weld, heat, balance, requests, pins)
        for page in range(4):
            if protect.changed[page] or cycle & 3 == page:
                protect.changed[page] = 0
                codec.fill_node_faults(self._d, self.node, self._count(_FAULTS), page, protect.bits, page * 6)
                self.can.send(codec.ID_NODE_FAULTS | self.node, self._d)
        if cycle % codec.CYCLES_TEMP_EXTREMES == 0:
            self._temperatures(m)
        if cycle % codec.CYCLES_NODE_CHARGE == 0:
            codec.fill_node_charge(self._d, self.node, self._count(_CHARGE), charge.in_mah, charge.out_mah,
                                   self.boot_id)
            self.can.send(codec.ID_NODE_CHARGE | self.node, self._d, True)
        if cycle % codec.CYCLES_NODE_HISTORY == 5:
            self._history(store, contactor, heat)
        self._bulk(m, cycle)
        self._info(cycle)

    def _values(self, m):
        codec.fill_pack_values(self._d, self.node, self._count(_VALUES), m.pack_mv, m.current_ma, m.link_mv,
                               1 if m.known and m.pack_mv != NA else 0, 1 if m.known else 0,
                               1 if m.known and m.link_mv != NA else 0)
        self.can.send(codec.ID_PACK_VALUES | self.node, self._d, True)

    def _extremes(self, m):
        codec.fill_cell_extremes(self._d, self.node, self._count(_CELLS), m.cell_min_mv, m.cell_max_mv, m.cell_min,
                                 m.cell_max, 1 if m.known else 0)
        self.can.send(codec.ID_CELL_EXTREMES | self.node, self._d, True)

    def _temperatures(self, m):
        codec.fill_temp_extremes(self._d, self.node, self._count(_TEMPS), m.temp_min_dc, m.temp_max_dc, m.temp_min,
                                 m.temp_max, m.temp_mean_dc, 1 if m.known else 0)
        self.can.send(codec.ID_TEMP_EXTREMES | self.node, self._d, True)

    def _allowance(self, allowance):
        codec.fill_pack_allowance(self._d, self.node, self._count(_ALLOWANCE), allowance.charge_ma,
                                  allowance.discharge_ma, self.limits.CHARGE_TO_MV, allowance.charge_by,
                                  allowance.discharge_by)
        self.can.send(codec.ID_PACK_ALLOWANCE | self.node, self._d, True)

    def _state(self, protect, contactor, weld, heat, balance, requests, pins):
        known = pins.feedback_known
        feedback = pins.feedback
        codec.fill_pack_state(
            self._d, self.node, self._count(_STATE), contactor.state,
            feedback & 1 if known else _NOT_AVAILABLE, feedback >> 1 & 1 if known else _NOT_AVAILABLE,
            feedback >> 2 & 1 if known else _NOT_AVAILABLE, pins.heater_on if known else _NOT_AVAILABLE, heat.on,
            pins.interlock_closed, pins.armed, balance.active, pins.charger_present, weld.result,
            requests.last_refusal, contactor.open_reason, protect.longest_hold() * 100)
        self.can.send(codec.ID_PACK_STATE | self.node, self._d, True)

    def _history(self, store, contactor, heat):
        """One page a second: when a row tripped first, when last, and what heater and outputs have used."""
        d = self._d
        trips = store.faults.trips
        self._page = page = self._page + 1 if self._page < 2 else 0
        count = self._count(_HISTORY)
        if page == 0:
            self._row = trips.next(self._row)
        row = self._row
        if page == 2:
            codec.fill_node_history_2(d, self.node, count, heat.energy_wh,
                                      min(254, (store.wear_ppm + contactor.wear_ppm) // PPM_PERCENT))
        elif row == NO_ROW:
            if page == 0:
                codec.fill_node_history_0(d, self.node, count, NA, 0, NA)
            else:
                codec.fill_node_history_1(d, self.node, count, NA, NA)
        elif page == 0:
            codec.fill_node_history_0(d, self.node, count, row, trips.get(row, COUNT), trips.get(row, FIRST_MINUTES))
        else:
            codec.fill_node_history_1(d, self.node, count, row, trips.get(row, LAST_MINUTES))
        self.can.send(codec.ID_NODE_HISTORY | self.node, d)

    def _bulk(self, m, cycle):
        """Cell and sensor groups, each set spread evenly over its period."""
        self._spread(codec.CYCLES_CELL_VOLTAGES, cycle, self._groups, True, m)
        self._spread(codec.CYCLES_CELL_TEMPERATURES, cycle, self._sensor_groups, False, m)

    def _spread(self, period, cycle, groups, cells, m):
        slot = cycle % period
        for group in range(groups * slot // period, groups * (slot + 1) // period):
            if cells:
                codec.fill_cell_voltages(self._d, group, m.cell_mv, self.limits.CELLS)
                self.can.send(codec.ID_CELL_VOLTAGES | self.node, self._d)
            else:
                codec.fill_cell_temperatures(self._d, group, m.temp_dc, self.limits.SENSORS)
                self.can.send(codec.ID_CELL_TEMPERATURES | self.node, self._d)

    def _info(self, cycle):
        page = -1
        if self._info_due > 0:
            self._info_due -= 1
            page = self._info_due
        elif cycle % 25 == 0:
            page = cycle // 25
        d = self._d
        if page == 0:
            codec.fill_node_info_0(d, self.node, self._count(_INFO), PROTOCOL_VERSION, self.version[0], self.version[1],
                                   self.version[2], self.limits.CELLS, self.limits.SENSORS)
        elif page == 1:
            codec.fill_node_info_1(d, self.node, self._count(_INFO), self.limits.HASH_LOW, self.limits.HASH_HIGH,
                                   self.free_heap)
        elif page == 2:
            codec.fill_node_info_2(d, self.node, self._count(_INFO), self.reset_cause, self.boot_id,
                                   self.worst_cycle_ms, self.can.dropped & 0xFFFF)
        elif page == 3:
            can = self.can
            codec.fill_node_info_3(d, self.node, self._count(_INFO), can.state, can.tec, can.rec,
                                   min(255, can.bus_offs), self.slot, self.trial, self.failed_updates, self.restarts)
        if page >= 0:
            self.can.send(codec.ID_NODE_INFO | self.node, d)

    def answer(self, request, number, answer, limit, hold_ms):
        """Queues the answer to a request at once."""
        codec.fill_node_answer(self._d, self.node, self._count(_ANSWER), request, number, answer, limit, hold_ms)
        self.can.send(codec.ID_NODE_ANSWER | self.node, self._d)
