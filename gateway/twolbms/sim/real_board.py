"""A real board without a board: simulated chips, pins, bus, watchdog and time behind modules named as MicroPython's.

A `Hardware` is what stays through a reset: chips, wires, files, backup memory. A `Life` is from one reset to the next:
it runs the application's own modules, firmware/boards/<board>/ included. It knows no limit and no driver.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Protocol

from twolbms.files import data_path
from twolbms.sim.chips.adc_bank import ntc_ohm
from twolbms.sim.chips.bq76952 import CHG, DSG, Bq76952Chip
from twolbms.sim.chips.bq76952_bus import Bq76952Bus
from twolbms.sim.chips.can_wire import Bystander, CanWire
from twolbms.sim.chips.gpio import GpioPin
from twolbms.sim.chips.ina228 import AlertPin, I2cBus, Ina228Chip
from twolbms.sim.chips.ltc681x import Chain
from twolbms.sim.chips.machine_can import MachineCan
from twolbms.sim.chips.mcp2515 import Mcp2515

MONITOR, CURRENT = 0x08, 0x40  # addresses on I2C
CAUSES = {"PWRON_RESET": 1, "HARD_RESET": 2, "WDT_RESET": 3, "DEEPSLEEP_RESET": 4, "SOFT_RESET": 0}  # as on stm32
_LOOK_US = 10_000  # time that passes when somebody looks at the clock
_FRAMES_A_MS = 4  # at 500 kbit/s
_CODE = ("machine", "safe", "disk", "built", "board", "app", "slot_record")


class WatchdogReset(BaseException):
    """The watchdog was not fed in time: nothing of the node runs on."""


class Timed(Protocol):
    """A simulated chip that owns the time."""

    now_us: int

    def advance_us(self, us: int) -> None: ...


class SimulatedClock:
    """MicroPython's `time` over a chip's time; `followers` hear how many ms have passed."""

    def __init__(self, base: Timed) -> None:
        self.base = base
        self.followers: list[Callable[[float], None]] = []
        self._seen_us = base.now_us

    def ticks_ms(self) -> int:
        self.sleep_us(_LOOK_US)
        return self.base.now_us // 1000 & 0x3FFFFFFF

    def ticks_diff(self, later: int, earlier: int) -> int:
        return (later - earlier + 0x20000000 & 0x3FFFFFFF) - 0x20000000

    def ticks_add(self, ticks: int, ms: int) -> int:
        return ticks + ms & 0x3FFFFFFF

    def sleep_us(self, us: int) -> None:
        self.base.advance_us(us)
        passed_us, self._seen_us = self.base.now_us - self._seen_us, self.base.now_us
        for follow in self.followers:
            follow(passed_us / 1000)


class I2cWires:
    """`machine.SoftI2C` with both kinds of chips on it. While `hangs` a transfer never ends."""

    def __init__(self, clock: SimulatedClock, chips: dict[int, Any]) -> None:
        self.clock = clock
        self.chips = chips
        self.hangs = False

    def _chip(self, address: int) -> Any:
        while self.hangs:
            self.clock.sleep_us(10_000)
        if address not in self.chips:
            raise OSError(19)
        return self.chips[address]

    def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
        self._chip(address).readfrom_mem_into(address, register, buffer)

    def writeto(self, address: int, data: bytes) -> int:
        return int(self._chip(address).writeto(address, data))

    def writeto_mem(self, address: int, register: int, data: bytes) -> None:
        self._chip(address).writeto_mem(address, register, data)


class SharedSpi:
    """One SPI with an MCP2515 and an LTC6820: each driver has its own way to transfer."""

    def __init__(self, can: Mcp2515 | None, chain: Chain | None) -> None:
        if can is not None:
            self.write_readinto = can.spi.write_readinto
        if chain is not None:
            self.write, self.readinto = chain.spi.write, chain.spi.readinto


class Contact:
    """An auxiliary contact: closed while its contactor is, or for ever when it is welded."""

    def __init__(self, coil: GpioPin) -> None:
        self.coil = coil
        self.welded = False

    def value(self) -> int:
        return 1 if self.welded else self.coil.level


class PinMaker:
    """`machine.Pin`: the same name is the same pin in every life."""

    IN, OUT, OPEN_DRAIN, PULL_UP, PULL_DOWN = range(5)

    def __init__(self) -> None:
        self.made: dict[Any, Any] = {}
        self.log: list[tuple[str, int]] = []

    def __call__(self, name: Any, mode: int = -1, pull: int = -1, *, value: int | None = None) -> Any:
        pin = self.made.setdefault(name, GpioPin(str(name), log=self.log))
        if pull in (self.PULL_UP, self.PULL_DOWN) and isinstance(pin, GpioPin):
            pin.driven = 1 if pull == self.PULL_UP else 0
        if value is not None:
            pin.value(value)
        return pin


class Watchdog:
    """`machine.WDT`: once started only a feed keeps it from ending the life."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.timeout_ms = 0
        self.feeds = 0
        self._fed_us = 0

    def start(self, timeout: int) -> Watchdog:
        self.timeout_ms = timeout
        self.feed()
        return self

    def feed(self) -> None:
        self.feeds += 1
        self._fed_us = self.clock.base.now_us

    def watch(self, _: float) -> None:
        if self.timeout_ms and self.clock.base.now_us - self._fed_us > 1000 * self.timeout_ms:
            self.timeout_ms = 0
            raise WatchdogReset


class TypedConsole:
    """The console: what is typed there, and what was said."""

    def __init__(self) -> None:
        self.typed: deque[int] = deque()
        self.said: list[str] = []

    def type(self, text: bytes) -> None:
        self.typed.extend(text)

    def byte(self) -> int:
        return self.typed.popleft() if self.typed else -1

    def say(self, text: str) -> None:
        self.said.append(text)


class Hardware:
    """`board` with the cell monitor of `cells` cells: a BQ76952, or LTC6811s when `chain`; an INA228 beside it.

    The paths are the BQ76952's FETs, or contactors with auxiliary contacts without `fets`: one a path, both in series
    when `chain`.

    All is well at first: cells at 3.3 V (3.7 V in a chain), 25 degC, loops closed, nobody at the buttons, no charger.
    """

    def __init__(self, board: str, folder: Path, cells: int, chain: bool = False, fets: bool = True) -> None:
        self.board = board
        self.folder = folder
        self.cells = cells
        self.fets = fets and not chain
        self.chip = Bq76952Chip(shunt_ohm=0.00025)
        self.chain = Chain((cells + 6) // 7, 12) if chain else None
        self.current = Ina228Chip(shunt_ohm=0.00025)
        self.current.noise = (0, 1, -1)
        self.clock = SimulatedClock(self.chain or self.chip)
        self.wire = CanWire()
        self.gateway = Bystander(self.wire)
        self.pin = PinMaker()
        self.counts: dict[Any, int] = {}  # of the converter's inputs
        self.backup: Any = None
        self.watchdog = Watchdog(self.clock)
        self.console = TypedConsole()
        self.link_mv = 0.0  # what holds the link up while everything is open
        self.monitor_bus = Bq76952Bus(self.chip)
        self.i2c = I2cWires(self.clock, {CURRENT: I2cBus({CURRENT: self.current})})
        if not chain:
            self.i2c.chips[MONITOR] = self.monitor_bus
        self.mcp = Mcp2515(self.wire) if board == "pico_mcp2515" else None
        self.spi = SharedSpi(self.mcp, self.chain)
        for n in range(cells):
            self.set_cell(n, 3700 if chain else 3300)
        self.set_temperatures(25.0)
        self.clock.followers += [self._settle, self.current.advance, self._talk, self.watchdog.watch]

    # The pack

    def set_cell(self, cell: int, mv: float) -> None:
        """The voltage at a cell's wires."""
        if self.chain is not None:
            self.chain.chips[cell // 7].cells_mv[cell % 7] = mv
        else:
            self.chip.cells_mv[15 if cell == self.cells - 1 else cell] = mv

    def set_temperatures(self, celsius: float) -> None:
        for name in self.chip.thermistors_c:
            self.chip.thermistors_c[name] = celsius
        for chip in self.chain.chips if self.chain is not None else ():
            ohm = ntc_ohm(celsius, 3435.0)
            chip.gpio_mv = [chip.reference_mv * ohm / (ohm + 10_000.0)] * len(chip.gpio_mv)

    def set_current(self, ampere: float) -> None:
        """Through both shunts; positive charges."""
        self.chip.current_ma = ampere * 1000
        self.current.current_a = ampere

    @property
    def pack_mv(self) -> float:
        if self.chain is not None:
            return sum(self.chain.chips[n // 7].cells_mv[n % 7] for n in range(self.cells))
        return sum(self.chip.cells_mv[15 if n == self.cells - 1 else n] for n in range(self.cells))

    @property
    def closed(self) -> bool:
        """Whether current could flow between pack and link, precharge apart."""
        gates = self._high("CHARGE"), self._high("DISCHARGE")
        if not self.fets:
            return all(gates) if self.chain is not None else any(gates)
        return bool((self.chip.fets & CHG and gates[0]) or (self.chip.fets & DSG and gates[1]))

    def _high(self, role: str) -> bool:
        return bool(self.pin.made[getattr(self.pins, role)].level) if hasattr(self, "pins") else False

    def _settle(self, _: float) -> None:
        ports = not self.fets and self.chain is None  # the link is the discharge port
        joined = self._high("DISCHARGE") if ports else self.closed
        link = self.pack_mv if joined or self._high("PRECHARGE") else self.link_mv
        self.chip.link_mv = self.chip.load_mv = link
        self.current.bus_v = link / 1000
        if hasattr(self, "pins"):
            self.counts[self.pins.PACK_ADC] = round(self.pack_mv / 66_330 * 65_535)

    def _talk(self, ms: float) -> None:
        talks = any(station.online and station.held() for station in self.wire.stations)
        self.wire.run(round(ms * _FRAMES_A_MS) if talks else 1)

    # A life

    @contextmanager
    def life(self, pack: str, cause: str = "PWRON_RESET", slot: tuple[int, int, int] = (0, 0, 0)) -> Iterator[Life]:
        """From a reset by `cause` to the next: what the boot files do up to the application, then that of `pack`."""
        before = {name: sys.modules.get(name) for name in _CODE}
        found = sys.path[:]
        sys.path[:0] = [str(data_path("firmware", part)) for part in ("src", "boot")]
        try:
            yield Life(self, pack, cause, slot)
        finally:
            self.watchdog.timeout_ms = 0
            sys.modules["safe"].drop()
            sys.path[:] = found
            for name, module in before.items():
                sys.modules.pop(name, None)
                if module is not None:
                    sys.modules[name] = module

    def machine(self, cause: str) -> ModuleType:
        """The module `machine` after a reset by `cause`."""
        made = ModuleType("machine")
        names = {
            **CAUSES, "Pin": self.pin, "ADC": self._adc, "SPI": lambda *_, **__: self.spi,
            "SoftI2C": lambda **_: self.i2c, "CAN": self._can,
            "WDT": self.watchdog.start, "reset_cause": lambda: CAUSES[cause], "reset": lambda: None,
            "mem_backup": lambda: self.backup, "idle": lambda: None}
        for name, value in names.items():
            setattr(made, name, value)
        return made

    def _can(self, _: int, bitrate: int) -> MachineCan:
        """The controller on the chip: a reset has left nothing of the one before."""
        self.wire.stations[:] = [one for one in self.wire.stations if not isinstance(one, MachineCan)]
        return MachineCan(self.wire, bitrate)

    def _adc(self, pin: GpioPin) -> Any:
        key = next(name for name, made in self.pin.made.items() if made is pin)
        return SimpleNamespace(read_u16=lambda: self.counts.get(key, 0))


class Life:
    """`loop` is the application's own; `ends` when it wants the node to be reset."""

    def __init__(self, hardware: Hardware, pack: str, cause: str, slot: tuple[int, int, int]) -> None:
        self.hardware = hardware
        folder = data_path("firmware", "boards", hardware.board)
        sys.modules["machine"] = hardware.machine(cause)
        sys.modules["built"] = _module("built", BOARD=hardware.board, PACK=pack)
        sys.modules["disk"] = _module("disk", FOLDER=f"{hardware.folder}/")
        safe = _load("safe", folder / "safe.py")
        safe.drop()
        safe.slot_state = slot  # type: ignore[attr-defined]
        sys.modules.pop("slot_record", None)
        self.board = _load("board", folder / "board.py")
        hardware.pins = self.board  # type: ignore[attr-defined]
        self.board.ConsolePort = lambda: hardware.console  # type: ignore[attr-defined]
        self.board.Board.FOLDER = f"{hardware.folder}/"
        self._make_well()
        self.loop: Any = import_module("running.begin").make(self.board.Board(), hardware.clock)

    def _make_well(self) -> None:
        hardware, board = self.hardware, self.board
        pin = hardware.pin
        for role in ("INTERLOCK", "EMERGENCY_STOP", "SMOKE", "LEAK"):
            self._input(role, 1)
        for role in ("CHARGER", "CLEAR", "KEY", "ARMING", "SERVICE"):
            self._input(role, 1)
        if not hardware.fets:
            for aux, coil in ((board.CHARGE_AUX, board.CHARGE), (board.DISCHARGE_AUX, board.DISCHARGE)):
                pin.made.setdefault(aux, Contact(pin(coil)))
        if hardware.chain is not None:
            pin.made[board.CHAIN_CS] = hardware.chain.cs
            pin.made[getattr(board, "ALERT", "alert")] = AlertPin(hardware.current)
        if hardware.mcp is not None:
            pin.made[board.CAN_CS] = hardware.mcp.cs
        for channel, count in ((board.SUPPLY_ADC, 43_000), (board.HUMIDITY_ADC, 28_686)):
            hardware.counts.setdefault(channel, count)  # 12.0 V, 45 %; an insulation monitor there says 480 kohm
        hardware.counts.setdefault(board.INSULATION_ADC, 40_000)

    def _input(self, role: str, level: int) -> None:
        pin = self.hardware.pin(getattr(self.board, role))
        if isinstance(pin, GpioPin) and pin.held is None:
            pin.held = level

    def set_input(self, role: str, level: int) -> None:
        """Holds the input of that name in board.py high or low."""
        self.hardware.pin(getattr(self.board, role)).held = level

    @property
    def node(self) -> Any:
        return self.loop.node

    @property
    def ends(self) -> bool:
        return bool(self.loop.reset_due)

    def cycles(self, count: int = 1) -> None:
        """So many cycles, with the time between them."""
        for _ in range(count):
            self.loop.step()


def _module(name: str, **values: object) -> ModuleType:
    made = ModuleType(name)
    for key, value in values.items():
        setattr(made, key, value)
    return made


def _load(name: str, path: Path) -> ModuleType:
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
