"""A node as a bus hears it: frames packed by cantools from dbc/node.dbc, with a CRC and counters of their own.

Nothing of the gateway's code is used to make them, so that both cannot share a mistake.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cantools

from twolbms.files import data_path
from twolbms.wire import BusFrame

CYCLE_NS = 100_000_000
NS = 1_000_000_000


def crc8(data: bytes) -> int:
    """CRC-8 SAE J1850, bit by bit: polynomial 0x1D, start 0xFF, final xor 0xFF."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x1D) & 0xFF if crc & 0x80 else crc << 1
    return crc ^ 0xFF


@cache
def database() -> Any:
    return cantools.database.load_file(str(data_path("dbc", "node.dbc")))


def sealed(can_id: int, data: bytes, counter: int) -> bytes:
    """The eight bytes with counter and CRC of this id."""
    body = bytearray(data)
    body[6] = body[6] & 0xF0 | counter
    body[7] = crc8(bytes([can_id >> 8 & 0xFF, can_id & 0xFF]) + bytes(body[:7]))
    return bytes(body)


def raw_value(message: str, signal: str, value: float | None) -> int:
    """A physical value as the raw integer of the DBC, None as "not available"."""
    found = database().get_message_by_name(message).get_signal_by_name(signal)
    if value is None:
        return next(raw for raw, text in found.choices.items() if str(text) == "NotAvailable")
    return round(value / found.scale)


# What a healthy LiFePO4 pack of eight cells says; state Closed, all paths closed.
LFP = {
    "PackValues": {"PackVoltage": 26.4, "PackCurrent": 10.0, "LinkVoltage": 26.4, "PackVoltageValid": 1,
                   "PackCurrentValid": 1, "LinkVoltageValid": 1},
    "PackAllowance": {"ChargeCurrentAllowed": 150.0, "DischargeCurrentAllowed": 180.0, "ChargeVoltageAllowed": 28.4,
                      "ChargeLimitedBy": 48, "DischargeLimitedBy": 48},
    "PackState": {"State": 3, "ChargePath": 1, "DischargePath": 1, "PrechargePath": 0, "HeaterMeasured": 0,
                  "HeaterCommanded": 0, "Interlock": 1, "Arming": 0, "Balancing": 0, "ChargerPresent": 1,
                  "WeldCheck": 3, "LastRefusal": 0, "OpenReason": 62, "HoldRemaining": 0.0},
    "CellExtremes": {"CellVoltageMin": 3.300, "CellVoltageMax": 3.307, "CellMinIndex": 0, "CellMaxIndex": 7,
                     "CellExtremesValid": 1},
    "TempExtremes": {"TemperatureMin": 24.0, "TemperatureMax": 26.0, "TemperatureMinIndex": 0,
                     "TemperatureMaxIndex": 3, "TemperatureMean": 25.0, "TempExtremesValid": 1},
    "NodeCharge": {"ChargeIn": 0.0, "ChargeOut": 0.0, "BootId": 77},
}


class NodeVoice:
    """One node. Change `said[message][signal]`, `cells`, `temperatures`, `faults[page]`, `info`; then let it speak."""

    def __init__(self, limit_hash: int, node: int = 1, bus: str = "can0") -> None:
        self.node, self.bus = node, bus
        self.said: dict[str, dict[str, Any]] = {name: dict(values) for name, values in LFP.items()}
        self.cells: list[float | None] = [3.300 + 0.001 * n for n in range(8)]
        self.temperatures: list[float | None] = [24.0, 25.0, 25.0, 26.0]
        self.faults: dict[int, set[str]] = {0: set(), 1: set(), 2: set(), 3: set()}
        self.info: dict[str, Any] = {"ProtocolVersion": 1, "LimitHashLow": limit_hash & 0xFFFF,
                                     "LimitHashHigh": limit_hash >> 16, "InfoBootId": 77, "ResetCause": 1}
        self.mute: set[str] = set()
        self.counters: dict[str, int] = {}
        self.cycle_number = 0

    def frame(self, message: str, signals: dict[str, Any], *, counter: int | None = None) -> BusFrame:
        """One frame with these physical signals; what is left out is 0."""
        found = database().get_message_by_name(message)
        raws = {name: raw_value(message, name, value) for name, value in signals.items()}
        whole = {s.name: raws.get(s.name, 0) for s in found.signals}
        data = found.encode({name: raw for name, raw in whole.items() if name in self._page(found, whole)},
                            scaling=False, strict=False)
        can_id = found.frame_id | self.node
        if "Counter" in whole:
            data = sealed(can_id, data, self.count(message) if counter is None else counter)
        return BusFrame(self.bus, can_id, True, data)

    @staticmethod
    def _page(found: Any, whole: dict[str, int]) -> set[str]:
        page = next((whole[s.name] for s in found.signals if s.is_multiplexer), None)
        return {s.name for s in found.signals if not s.multiplexer_ids or page in s.multiplexer_ids}

    def count(self, message: str) -> int:
        self.counters[message] = (self.counters.get(message, 14) + 1) % 15
        return self.counters[message]

    def cycle(self) -> list[BusFrame]:
        """The frames of the next 100 ms, in the order of the firmware's report."""
        n, self.cycle_number = self.cycle_number, self.cycle_number + 1
        frames = [self._said(name) for name in ("PackValues", "CellExtremes", "PackAllowance", "PackState")]
        frames.append(self._faults(n % 4))
        if n % 5 == 0:
            frames.append(self._said("TempExtremes"))
        if n % 10 == 0:
            frames.append(self._said("NodeCharge"))
        frames += self._bulk(n)
        if n % 100 in (0, 1, 2):
            frames.append(self._info(n % 100))
        return [frame for frame in frames if frame is not None]

    def _said(self, message: str) -> BusFrame | None:
        return None if message in self.mute else self.frame(message, self.said[message])

    def _faults(self, page: int) -> BusFrame | None:
        prefix = ("Warn", "Limit", "Trip", "Latched")[page]
        signals = {f"{prefix}{name}": 1 for name in self.faults[page]}
        return None if "NodeFaults" in self.mute else self.frame("NodeFaults", {"FaultPage": page, **signals})

    def _bulk(self, n: int) -> list[BusFrame]:
        frames = []
        groups = -(-len(self.cells) // 4)
        if n % 10 < groups and "CellVoltages" not in self.mute:
            frames.append(self.group("CellVoltages", "CellGroup", "CellVoltage", n % 10, self.cells))
        if n % 20 == 3 and "CellTemperatures" not in self.mute:
            frames.append(self.group("CellTemperatures", "TemperatureGroup", "Temperature", 0, self.temperatures))
        return frames

    def group(self, message: str, selector: str, signal: str, group: int, values: list[float | None]) -> BusFrame:
        four = (values[4 * group:4 * group + 4] + [None] * 4)[:4]
        return self.frame(message, {selector: group} | {f"{signal}{4 * group + i}": v for i, v in enumerate(four)})

    def _info(self, order: int) -> BusFrame | None:
        """After a boot page 2 comes first, then 1, then 0."""
        page = 2 - order
        pages = (("ProtocolVersion", "FirmwareMajor", "FirmwareMinor", "FirmwarePatch", "CellCount", "SensorCount"),
                 ("LimitHashLow", "LimitHashHigh", "FreeHeap"), ("ResetCause", "InfoBootId", "WorstCycle"))[page]
        signals = {"InfoPage": page} | {name: self.info.get(name, 0) for name in pages}
        return None if "NodeInfo" in self.mute else self.frame("NodeInfo", signals)

    def answer(self, request: int, number: int, answer: int, limit: int | None = 62, hold_s: float = 0.0) -> BusFrame:
        return self.frame("NodeAnswer", {"AnsweredRequest": request, "AnsweredNumber": number, "Answer": answer,
                                         "AnswerLimit": limit, "AnswerHold": hold_s})

    # --- short ways to spoil it ---

    def say(self, message: str, **signals: Any) -> None:
        self.said[message].update(signals)

    def open(self, reason: int = 62) -> None:
        """Measured open, the node's allowance 0 A because of it."""
        self.say("PackState", State=1, ChargePath=0, DischargePath=0, OpenReason=reason)
        self.say("PackAllowance", ChargeCurrentAllowed=0.0, DischargeCurrentAllowed=0.0, ChargeLimitedBy=54,
                 DischargeLimitedBy=54)

    def close(self) -> None:
        self.said["PackState"] = dict(LFP["PackState"])
        self.said["PackAllowance"] = dict(LFP["PackAllowance"])
