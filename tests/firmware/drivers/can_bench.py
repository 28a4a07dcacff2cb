"""A bench for every CAN back end: it and another station on one bus, cycle by cycle, with frames that say their age."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from drivers.can_controller import ControllerCan
from drivers.can_machine import MachinePort
from drivers.can_mcp2515 import Mcp2515Port
from drivers.can_pyb import PybPort
from drivers.can_slcan import SlcanCan

from twolbms.sim.bus import Bus
from twolbms.sim.bus_port import SlcanPort
from twolbms.sim.chips.can_mailbox import MailboxPort
from twolbms.sim.chips.can_wire import Bystander, CanWire, Station
from twolbms.sim.chips.machine_can import MachineCan
from twolbms.sim.chips.mcp2515 import Mcp2515
from twolbms.sim.chips.pyb_can import BxPybCan, FdPybCan
from twolbms.sim.slcan import CanFrame, FrameReader, encode

HEARTBEAT, REQUEST = 0x0CFF8080, 0x08FF8101
VALUES, ALLOWANCE, STATE, FAULTS, EXTREMES = 0x0CFF1001, 0x0CFF1101, 0x0CFF1201, 0x0CFF1301, 0x0CFF1401
CELLS, INFO, ANSWER = 0x18FF2001, 0x1CFF4001, 0x0CFF4101
CONTROLLERS = ("mailbox", "machine", "pyb_bxcan", "pyb_fdcan", "mcp2515")
BACK_ENDS = (*CONTROLLERS, "slcan")
CYCLE_NS = 100_000_000


class Sent(NamedTuple):
    """What a frame of `Bench.tell` says about itself: its id, the cycle that made it, its number among all."""

    can_id: int
    cycle: int
    number: int


def port_of(kind: str, wire: CanWire) -> tuple[Any, Station]:
    """The back end's port and the chip below it."""
    if kind == "mailbox":
        port = MailboxPort(wire)
        return port, port
    if kind == "machine":
        can = MachineCan(wire)
        return MachinePort(can), can
    if kind == "mcp2515":
        chip = Mcp2515(wire)
        return Mcp2515Port(chip.spi, chip.cs, 16), chip
    pyb = BxPybCan(wire) if kind == "pyb_bxcan" else FdPybCan(wire)
    return PybPort(pyb), pyb


class Bench(ABC):
    """`can` is the back end under test, `say` sends from the far side, `heard` is what the far side got."""

    can: Any

    def __init__(self) -> None:
        self.now = 0  # cycles that have begun
        self.told = 0
        self.marks: list[int] = []  # for each frame heard, the cycle in which it was

    @abstractmethod
    def idle(self) -> None:
        """The bus's time until the next cycle, with all the service a waiting node gives."""

    @abstractmethod
    def say(self, can_id: int, data: bytes, extended: bool = True, remote: bool = False) -> None:
        """A frame of the far side."""

    @abstractmethod
    def heard(self) -> list[tuple[int, bytes]]:
        """All the far side has heard, in order."""

    def begin(self) -> list[tuple[int, bytes]]:
        """A cycle's begin; what it receives."""
        self.now += 1
        self.can.pump_in()
        got = []
        while self.can.receive():
            got.append((self.can.rx_id, bytes(self.can.rx_data)))
        return got

    def cycle(self) -> list[tuple[int, bytes]]:
        """A whole cycle that sends what was queued."""
        got = self.begin()
        self.can.pump_out()
        self.idle()
        return got

    def tell(self, can_id: int, latest: bool = False) -> Sent:
        """Queues a frame that carries its cycle and its number."""
        self.told += 1
        data = self.now.to_bytes(4, "big") + self.told.to_bytes(4, "big")
        self.can.send(can_id, data, latest)
        return Sent(can_id, self.now, self.told)

    def tell_all(self) -> None:
        """What a node may say in a cycle: four of which only the latest counts, and pages and groups that all count."""
        for can_id in (VALUES, EXTREMES, ALLOWANCE, STATE):
            self.tell(can_id, latest=True)
        for can_id in (FAULTS, CELLS, CELLS, INFO):
            self.tell(can_id)

    def full_cycle(self) -> None:
        """A cycle that says all."""
        self.begin()
        self.tell_all()
        self.can.pump_out()
        self.idle()

    def listened(self) -> list[Sent]:
        """What the far side heard, read back."""
        return [Sent(can_id, int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big"))
                for can_id, data in self.heard()]


class WireBench(Bench):
    """A controller on the wire in this process."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.wire = CanWire()
        self.port, self.chip = port_of(kind, self.wire)
        self.far = Bystander(self.wire)
        self.can = ControllerCan(self.port)

    def idle(self) -> None:
        for _ in range(75):  # 150 tries of 0.3 ms
            self.run(2)
            self.can.service()

    def run(self, steps: int) -> None:
        """The wire alone."""
        self.wire.run(steps)
        self.marks += [self.now] * (len(self.far.heard) - len(self.marks))

    def say(self, can_id: int, data: bytes, extended: bool = True, remote: bool = False) -> None:
        self.far.outbox.append(CanFrame(can_id, extended, b"" if remote else data, remote, len(data)))

    def heard(self) -> list[tuple[int, bytes]]:
        return [(frame.can_id, frame.data) for frame in self.far.heard]

    def held_ages(self) -> list[int]:
        """How many cycles ago the frames in the controller were made."""
        return [self.now - int.from_bytes(frame.data[:4], "big") for frame in self.chip.held()]


class SlcanBench(Bench):
    """The slcan back end at an adapter on the simulated bus; another adapter is the far side."""

    def __init__(self) -> None:
        super().__init__()
        self.bus = Bus()
        self.adapter = SlcanPort(self.bus, self.bus.attach("node"), letter_answers=True)
        self.far = SlcanPort(self.bus, self.bus.attach("far"))
        self.far.feed(b"S6\rO\r", 0)
        self.incoming = bytearray()
        self.reader = FrameReader()
        self._heard: list[tuple[int, bytes]] = []
        self._time_ns = 0
        self.can = SlcanCan(self)

    def readinto(self, buffer: bytearray) -> int:
        count = min(len(buffer), len(self.incoming))
        buffer[:count] = self.incoming[:count]
        del self.incoming[:count]
        return count

    def write(self, data: bytes) -> int:
        self.adapter.feed(bytes(data), self._time_ns)
        return len(data)

    def idle(self) -> None:
        self._time_ns += CYCLE_NS
        self.bus.advance(self._time_ns)
        self.incoming += self.adapter.take()
        self._heard += [(frame.can_id, frame.data) for frame in self.reader.feed(self.far.take())]
        self.can.service()

    def say(self, can_id: int, data: bytes, extended: bool = True, remote: bool = False) -> None:
        self.far.feed(encode(CanFrame(can_id, extended, b"" if remote else data, remote, len(data))),
                      self._time_ns)

    def heard(self) -> list[tuple[int, bytes]]:
        return self._heard


def make_bench(kind: str, opened: bool = True) -> Any:
    """A bench by the name of its back end, filters set for what a node receives."""
    bench = SlcanBench() if kind == "slcan" else WireBench(kind)
    bench.can.filters((HEARTBEAT, REQUEST))
    if opened:
        assert bench.can.open()
    return bench
