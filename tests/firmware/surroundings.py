"""What stands around a node in a test: front-end, pins and bus that are set by name, and frames of a gateway."""

from __future__ import annotations

from array import array
from collections import deque
from typing import Any

from node.measure import NA

from twolbms.scenario.bench import CAN_ID_MASK, node_database
from twolbms.wire import check_of


class Surroundings:
    """Front-end, pins and bus of a node, all in one: what is set is what the node sees."""

    state, tec, rec, bus_offs, dropped, beat = 1, 0, 0, 0, 0, 0
    comms_age = open_wires = hard_trip = 0
    config_ok = True
    armed, wake, feedback_known, clear_pressed = 0, 0, True, 0

    def __init__(self, limits: Any) -> None:
        self.cells = [limits.CELL_HIGH_MV * 3 // 4] * limits.CELLS
        self.temps = [250] * limits.SENSORS
        self.current_ma = self.apart_ma = 0
        self.supply_mv, self.humidity_percent, self.insulation_kohm = 12_000, 45, 2000
        self.link_mv: int | None = None
        self.fresh = True
        self.interlock_closed = self.estop_closed = 1
        self.smoke = self.leak = self.charger_present = 0
        self.paths = self.precharge = self.heater = 0
        self.bleeding = b""
        self.stuck: int | None = None
        self.inbox: deque[tuple[int, bytes]] = deque()
        self.rx_id, self.rx_data = 0, bytearray(8)

    @property
    def feedback(self) -> int:
        return self.paths | self.precharge << 2 if self.stuck is None else self.stuck

    @property
    def heater_on(self) -> int:
        return self.heater

    def read_into(self, m: Any) -> bool:
        for i, mv in enumerate(self.cells):
            m.cell_mv[i] = mv
        for i, dc in enumerate(self.temps):
            m.temp_dc[i] = dc
        m.pack_mv = sum(mv for mv in self.cells if mv != NA)
        up = m.pack_mv if self.paths or self.precharge else 0
        m.link_mv = up if self.link_mv is None else self.link_mv
        m.current_ma = self.current_ma
        m.second_ma = NA if self.current_ma == NA else self.current_ma + self.apart_ma
        m.supply_mv, m.humidity_percent, m.insulation_kohm = self.supply_mv, self.humidity_percent, self.insulation_kohm
        return self.fresh

    def read(self) -> None:
        pass

    def write(self, paths: int, precharge: int, heater: int, mask: bytearray) -> None:
        self.paths, self.precharge, self.heater, self.bleeding = paths, precharge, heater, bytes(mask)
        self.beat += 1

    def show(self, light: int, asleep: int) -> None:
        pass

    def send(self, can_id: int, data: bytearray, latest: bool = False) -> None:
        pass

    def send_all(self, ids: array[int], data: bytearray, many: int) -> None:
        pass

    def receive(self) -> bool:
        if not self.inbox:
            return False
        self.rx_id, data = self.inbox.popleft()
        self.rx_data[:] = data
        return True


def frame(name: str, address: int, counter: int, **raw: int) -> tuple[int, bytes]:
    """A frame of the gateway with a right CRC."""
    message = node_database().get_message_by_name(name)
    data = message.encode({**raw, "Counter": counter % 15, "Crc8": 0}, scaling=False, strict=False)
    can_id = message.frame_id & CAN_ID_MASK | address
    return can_id, data[:7] + bytes((check_of(can_id, data),))
