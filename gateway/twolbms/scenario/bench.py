"""The test bench a scenario's node sits on: readings that are set, outputs that come back, a gateway that speaks.

Knows integers and frames, not expectations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import cantools
from cantools.database import Database

from twolbms.build.codec import snake
from twolbms.config.pack import GuardedPack
from twolbms.files import data_path
from twolbms.scenario.model import RawFrame, Request, Set
from twolbms.sim.plant_packets import (
    ARMING_HELD,
    CHARGER_PRESENT,
    CLEAR_PRESSED,
    ESTOP_CLOSED,
    FEEDBACK_BROKEN,
    HEATER_ON,
    INTERLOCK_CLOSED,
    LEAK,
    MEMORY_BAD,
    MONITOR_SOUND,
    SMOKE,
    WAKE_KEY,
    Reading,
)
from twolbms.wire import check_of

GATEWAY = 0x80
CAN_ID_MASK = 0x1FFFFF00
CanFrame = tuple[int, bytes]

# What a step may set: its key, the bench's value, and counts in one unit of the key.
_MEASURED = (("current_a", "current_ma", 1000), ("pack_v", "pack_mv", 1000), ("link_v", "link_mv", 1000),
             ("second_a", "second_ma", 1000), ("supply_v", "supply_mv", 1000),
             ("insulation_kohm", "insulation_kohm", 1), ("humidity_percent", "humidity_percent", 1))
_SWITCHES = (("conversions", "running"), ("interlock", "closed"), ("arming", "on"), ("charger", "on"),
             ("emergency_stop", "pressed"), ("smoke", "on"), ("leak", "on"), ("clear_button", "pressed"), ("key", "on"),
             ("monitor", "answers"), ("monitor_configuration", "sound"), ("short_circuit", "on"),
             ("monitor_protection", "on"), ("memory", "sound"))

# Contacts that read closed and that read open whatever they are told (bits as in Bench.outputs).
_FEEDBACK = {"all_open": (0, 15), "all_closed": (15, 0), "charge_closed": (1, 0), "charge_open": (0, 1),
             "discharge_closed": (2, 0), "discharge_open": (0, 2)}


@cache
def node_database() -> Database:
    """The contract, as cantools reads it; read once."""
    database = cantools.database.load_file(str(data_path("dbc", "node.dbc")))
    assert isinstance(database, Database)
    return database


@dataclass
class Bench:
    """Everything around the node. `outputs`: those of the last cycle (bits: charge, discharge, precharge, heater)."""

    pack: GuardedPack
    database: Database
    node: int
    cells_mv: list[int | None] = field(default_factory=list)
    temperatures_dc: list[int | None] = field(default_factory=list)
    current_ma: int | None = 0
    pack_mv: int | str | None = "sum"
    link_mv: int | str | None = "follows"
    conversions: bool = True
    feedback: str = "follows"
    interlock: bool = True
    arming: bool = False
    charger: bool = False
    emergency_stop: bool = False
    smoke: bool = False
    leak: bool = False
    clear_button: bool = False
    key: bool = False
    heater_feedback: str = "follows"
    second_ma: int | str | None = "follows"
    supply_mv: int | None = 12_000
    insulation_kohm: int | None = 2_000
    humidity_percent: int | None = 45
    monitor: bool = True
    monitor_configuration: bool = True
    short_circuit: bool = False
    monitor_protection: bool = False
    open_wires: int = 0
    memory: bool = True
    restarts: int = 0
    wear_percent: int = 0
    gateway: str = "alive"
    balancing_allowed: bool = False
    outputs: int = 0
    scan: int = 1
    monitor_age: int = 0
    _beat: int = 0
    _request: int = 0
    _number: int = 0
    _beat_due_ms: int = 0
    _pending: list[CanFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        start_v = {"lfp": 3.3}.get(self.pack.chemistry, 3.8)
        self.cells_mv = [round(start_v * 1000)] * self.pack.cells.series
        self.temperatures_dc = [250] * len(self.pack.sensors.temperatures)

    def apply(self, change: Set) -> None:
        """Takes over what a step sets."""
        _spread(self.cells_mv, change.cells_v, change.cell_v, 1000)
        _spread(self.temperatures_dc, change.temperatures_c, change.temperature_c, 10)
        for key, name, counts in _MEASURED:
            if (value := getattr(change, key)) is not None:
                setattr(self, name,
                        None if value == "missing" else value if isinstance(value, str) else round(value * counts))
        for name in ("feedback", "gateway", "balancing_allowed", "heater_feedback", "open_wires", "restarts",
                     "wear_percent"):
            if (value := getattr(change, name)) is not None:
                setattr(self, name, value)
        for name, good in _SWITCHES:
            if (value := getattr(change, name)) is not None:
                setattr(self, name, value == good)
        if change.request:
            self._pending += self._requests(change.request)
        for frame in [change.frame] if isinstance(change.frame, RawFrame) else change.frame or ():
            self._pending.append((frame.id, bytes.fromhex(frame.data)))

    def reading(self, time_ms: int) -> Reading:
        """What the node measures in the cycle at `time_ms`."""
        if self.conversions and self.monitor:
            self.scan = self.scan + 1 & 0xFFFF
        self.monitor_age = 0 if self.monitor else self.monitor_age + 1
        total = sum(mv or 0 for mv in self.cells_mv)
        pack_mv = total if self.pack_mv == "sum" else self.pack_mv
        lifts = 6 if self.pack.outputs == "separate_ports" else 7  # a charge port of its own does not lift the link
        link_mv = (total if self.outputs & lifts else 0) if self.link_mv == "follows" else self.link_mv
        second_ma = self.current_ma if self.second_ma == "follows" else self.second_ma
        assert not isinstance(pack_mv, str) and not isinstance(link_mv, str) and not isinstance(second_ma, str)
        return Reading(
            time_ms=time_ms & 0x3FFFFFFF,
            scan=self.scan,
            flags=self._flags(),
            pack_mv=pack_mv,
            link_mv=link_mv,
            current_ma=self.current_ma,
            cells_mv=tuple(self.cells_mv),
            temps_dc=tuple(self.temperatures_dc),
            second_ma=second_ma,
            supply_mv=self.supply_mv,
            insulation_kohm=self.insulation_kohm,
            humidity_percent=self.humidity_percent,
            monitor_age=self.monitor_age,
            open_wires=self.open_wires,
            monitor_trips=int(self.short_circuit) | self.monitor_protection << 1,
            restarts=self.restarts,
            wear_percent=self.wear_percent,
        )

    def _flags(self) -> int:
        stays_closed, stays_open = _FEEDBACK.get(self.feedback, (0, 0))
        measured = self.outputs & 15 & ~stays_open | stays_closed
        if self.heater_feedback != "follows":
            measured = measured & ~HEATER_ON | (HEATER_ON if self.heater_feedback == "on" else 0)
        inputs = ((INTERLOCK_CLOSED, self.interlock), (ARMING_HELD, self.arming), (CHARGER_PRESENT, self.charger),
                  (FEEDBACK_BROKEN, self.feedback == "unknown"), (ESTOP_CLOSED, not self.emergency_stop),
                  (SMOKE, self.smoke), (LEAK, self.leak), (CLEAR_PRESSED, self.clear_button), (WAKE_KEY, self.key),
                  (MONITOR_SOUND, self.monitor_configuration), (MEMORY_BAD, not self.memory))
        return measured | sum(bit for bit, on in inputs if on)

    def frames(self, elapsed_ms: int) -> Iterator[CanFrame]:
        """What the gateway sends in this cycle."""
        if self.gateway != "silent" and elapsed_ms >= self._beat_due_ms:
            self._beat_due_ms = elapsed_ms + 250 - elapsed_ms % 250
            if self.gateway == "alive":
                self._beat = (self._beat + 1) % 15
            yield self._frame(
                "GatewayHeartbeat",
                GATEWAY,
                self._beat,
                {"BalancingAllowed": int(self.balancing_allowed), "GatewayMinutes": 3_000_000},
            )
        yield from self._pending
        self._pending.clear()

    def _requests(self, request: Request) -> Iterator[CanFrame]:
        message = self.database.get_message_by_name("NodeRequest")
        codes = {
            snake(str(text)): number for number, text in (message.get_signal_by_name("Request").choices or {}).items()
        }
        limits = {
            snake(str(text)): number
            for number, text in (message.get_signal_by_name("RequestLimit").choices or {}).items()
        }
        self._number = self._number + 1 & 0xFF
        raw = {
            "Request": codes[request.ask],
            "RequestNumber": self._number,
            "ChargeCurrentAsked": 4095 if request.charge_a is None else int(request.charge_a * 4),
            "DischargeCurrentAsked": 4095 if request.discharge_a is None else int(request.discharge_a * 4),
            "RequestLimit": limits[request.limit] if request.limit else 63,
            "BalancingAsked": {"on": 1, "off": 0, None: 3}[request.balancing],
        }
        for _ in range(request.times if request.ask in ("close", "clear", "service") else 1):
            self._request = (self._request + 1) % 15
            can_id, data = self._frame("NodeRequest", self.node, self._request, raw)
            yield can_id, data[:7] + bytes((data[7] ^ request.damaged,))

    def _frame(self, name: str, address: int, counter: int, raw: dict[str, int]) -> CanFrame:
        message = self.database.get_message_by_name(name)
        data = message.encode({**raw, "Counter": counter, "Crc8": 0}, scaling=False, strict=False)
        can_id = message.frame_id & CAN_ID_MASK | address
        return can_id, data[:7] + bytes((check_of(can_id, data),))


def _spread(into: list[int | None], every: object, single: dict[int, float | str] | object | None, counts: int) -> None:
    def count(value: object) -> int | None:
        return None if value == "missing" else round(float(value) * counts)  # type: ignore[arg-type]  # the model checked it

    if isinstance(every, list):
        into[:] = [count(value) for value in every]
    elif every is not None:
        into[:] = [count(every)] * len(into)
    for number, value in (single or {}).items():  # type: ignore[attr-defined]  # a mapping or None
        into[number - 1] = count(value)
