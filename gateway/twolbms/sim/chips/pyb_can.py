"""`pyb.CAN` of MicroPython on a simulated wire, with its documented traps: bxCAN parts and FDCAN parts.

Followed: docs/library/pyb.CAN.rst, and ports/stm32 for what it leaves open.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from twolbms.sim.chips.can_wire import CanWire, ErrorCounters, Station
from twolbms.sim.chips.machine_can import bit_timing
from twolbms.sim.slcan import CanFrame

_EBUSY, _ETIMEDOUT = 16, 110
_LOST = 2
RxCallback = Callable[[Any, int], None]


class PybCan(Station):
    """What both kinds have in common: three mailboxes, two receive FIFOs of three, callbacks."""

    NORMAL, LOOPBACK, SILENT, SILENT_LOOPBACK = range(4)
    STOPPED, ERROR_ACTIVE, ERROR_WARNING, ERROR_PASSIVE, BUS_OFF = range(5)
    full_errno = _EBUSY

    def __init__(self, wire: CanWire, *, clock_hz: int = 48_000_000) -> None:
        super().__init__(wire)
        self.inits = 0
        self._clock_hz = clock_hz
        self._enabled = False
        self._callbacks: list[RxCallback | None] = [None, None]
        self._watched = [False, False]
        self.init(self.NORMAL, baudrate=wire.bitrate)

    def init(self, mode: int, *, baudrate: int, auto_restart: bool = False, sample_point: int = 75) -> None:
        """ValueError when the bit rate cannot be had within 0.1 %. Filters are closed afterwards."""
        brp, tseg1, tseg2 = bit_timing(self._clock_hz, baudrate, sample_point)
        self.bitrate = self._clock_hz // brp // (1 + tseg1 + tseg2)
        if 1000 * abs(self.bitrate - baudrate) > baudrate:
            raise ValueError(f"couldn't match baudrate {baudrate}")
        self.inits += 1
        self._mode, self._enabled = mode, True
        self.silent, self.online = mode == self.SILENT, mode in (self.NORMAL, self.SILENT)
        self.rejoins = auto_restart
        self.mailboxes: list[CanFrame | None] = [None] * 3
        self._fifos: tuple[deque[CanFrame], deque[CanFrame]] = (deque(), deque())
        self._told = [False, False]
        self.line = ErrorCounters()

    def deinit(self) -> None:
        """Everything is off, interrupts of callbacks too; the callbacks stay noted."""
        self._enabled = self.online = False
        self._watched = [False, False]

    @abstractmethod
    def _accepts(self, frame: CanFrame) -> int | None:
        """The FIFO for a frame, None when no filter takes it."""

    def rxcallback(self, fifo: int, call: RxCallback | None) -> None:
        """The interrupt is enabled only when there was no callback before."""
        if call is None:
            self._watched[fifo] = False
        elif self._callbacks[fifo] is None:
            self._watched[fifo] = True
        self._callbacks[fifo] = call

    def state(self) -> int:
        return self.line.state if self._enabled else self.STOPPED

    def held(self) -> list[CanFrame]:
        return [frame for frame in self.mailboxes if frame is not None]

    def _pending(self) -> int:
        return len(self.held())

    def info(self, into: list[Any]) -> list[Any]:
        """TEC, REC, entries into warning, passive and bus-off, pending to send, received in each FIFO."""
        line = self.line
        into[:] = [line.tec, line.rec, line.warnings, line.passives, line.bus_offs, self._pending(),
                   len(self._fifos[0]), len(self._fifos[1])]
        return into

    def any(self, fifo: int) -> bool:
        return bool(self._fifos[fifo])

    def send(self, data: bytes | bytearray, can_id: int, *, timeout: int = 0, extframe: bool = False) -> None:
        """OSError when all mailboxes are full; only `timeout` 0 is simulated."""
        if len(data) > 8:
            raise ValueError("CAN data field too long")
        frame = CanFrame(can_id & (0x1FFFFFFF if extframe else 0x7FF), extframe, bytes(data))
        if self._mode == self.SILENT_LOOPBACK:
            self.hear(frame)
            return
        if None not in self.mailboxes:
            raise OSError(self.full_errno)
        self.mailboxes[self.mailboxes.index(None)] = frame

    def recv(self, fifo: int, into: list[Any], *, timeout: int = 5000) -> list[Any]:
        """Refills `into`, the memoryview in its last place too; OSError when nothing comes in time."""
        if not self._fifos[fifo]:
            raise OSError(_ETIMEDOUT)
        frame = self._fifos[fifo].popleft()
        self._told[fifo] = False
        view = memoryview(into[4].obj)
        view[: frame.length] = bytes(frame.length) if frame.remote else frame.data
        into[:] = [frame.can_id, frame.extended, frame.remote, 0, view[: frame.length]]
        return into

    def restart(self) -> None:
        """Begins to leave bus-off; the mailboxes stay as they are."""
        self.line.begin_rejoining()

    def delivered(self, frame: CanFrame) -> None:
        self.mailboxes[self.mailboxes.index(frame)] = None

    def hear(self, frame: CanFrame) -> None:
        at = self._accepts(frame)
        if at is None:
            return
        if len(self._fifos[at]) < 3:
            self._fifos[at].append(frame)
            return
        call = self._callbacks[at]
        if call is not None and self._watched[at] and not self._told[at]:
            self._told[at] = True  # its interrupt is off until the next recv
            call(self, _LOST)


class BxPybCan(PybCan):
    """F4, F7, L4: 14 filter banks of two 29-bit ids; mailboxes go by id, equal ids by mailbox number."""

    MASK16, LIST16, MASK32, LIST32 = range(4)

    def init(self, mode: int, *, baudrate: int, auto_restart: bool = False, sample_point: int = 75) -> None:
        super().init(mode, baudrate=baudrate, auto_restart=auto_restart, sample_point=sample_point)
        self._banks: dict[int, tuple[int, Sequence[int]]] = {}

    def setfilter(self, bank: int, mode: int, fifo: int, params: Sequence[int]) -> None:
        """Only LIST32 is simulated: two 29-bit ids of data frames."""
        if not 0 <= bank < 14 or mode != self.LIST32 or fifo not in (0, 1) or len(params) != 2:
            raise ValueError("CAN filter parameter error")
        self._banks[bank] = fifo, tuple(params)

    def _accepts(self, frame: CanFrame) -> int | None:
        if not frame.extended or frame.remote:
            return None
        return next((fifo for fifo, ids in self._banks.values() if frame.can_id in ids), None)


class FdPybCan(PybCan):
    """G4, H7: filters of an id and a mask, eight for 29-bit ids; mailboxes go in turn; `info` counts none waiting."""

    RANGE, DUAL, MASK = range(3)
    full_errno = _ETIMEDOUT

    def __init__(self, wire: CanWire, *, clock_hz: int = 170_000_000) -> None:
        super().__init__(wire, clock_hz=clock_hz)

    def init(self, mode: int, *, baudrate: int, auto_restart: bool = False, sample_point: int = 75) -> None:
        """This controller has no way to leave bus-off by itself."""
        super().init(mode, baudrate=baudrate, auto_restart=False, sample_point=sample_point)
        self._masks: dict[int, tuple[int, Sequence[int]]] = {}

    def setfilter(self, bank: int, mode: int, fifo: int, params: Sequence[int], *, extframe: bool = False) -> None:
        """Only MASK for 29-bit ids is simulated."""
        if not 0 <= bank < 8 or mode != self.MASK or fifo not in (0, 1) or len(params) != 2 or not extframe:
            raise ValueError("CAN filter parameter error")
        self._masks[bank] = fifo, tuple(params)

    def _accepts(self, frame: CanFrame) -> int | None:
        if not frame.extended:
            return None
        return next((fifo for fifo, (number, mask) in self._masks.values() if not (frame.can_id ^ number) & mask), None)

    def _pending(self) -> int:
        return 0  # the driver counts the event FIFO, which it does not use

    def restart(self) -> None:
        self.mailboxes = [None] * 3
        super().restart()

    def offered(self) -> CanFrame | None:
        return next((frame for frame in self.mailboxes if frame), None)

    def delivered(self, frame: CanFrame) -> None:
        waiting = self.held()[1:]
        self.mailboxes = waiting + [None] * (3 - len(waiting))
