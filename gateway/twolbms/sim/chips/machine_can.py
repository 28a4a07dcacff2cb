"""`machine.CAN` of MicroPython 1.28 and newer on a simulated wire, with its documented traps; stm32's numbers.

Followed: docs/library/machine.CAN.rst, and ports/stm32 for what it leaves open. `irq` is not offered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from twolbms.sim.chips.can_wire import CanWire, ErrorCounters, Station
from twolbms.sim.slcan import CanFrame

_EINVAL, _EIO = 22, 5


class MachineCan(Station):
    """As on an STM32G474: three transmit buffers, two receive FIFOs of three, 28 standard and 8 extended filters.

    `forgets` is how many sent frames the driver will not notice: their buffers stay taken although they are empty.
    `counters_missing` are the places of get_counters that the hardware does not have.
    """

    MODE_NORMAL, MODE_SLEEP, MODE_LOOPBACK, MODE_SILENT, MODE_SILENT_LOOPBACK = range(5)
    STATE_STOPPED, STATE_ACTIVE, STATE_WARNING, STATE_PASSIVE, STATE_BUS_OFF = range(5)
    FLAG_RTR, FLAG_EXT_ID, FLAG_UNORDERED = 1, 2, 16
    RECV_ERR_FULL, RECV_ERR_OVERRUN = 1, 2
    TX_QUEUE_LEN = 3
    FILTERS_MAX = 36

    def __init__(self, wire: CanWire, bitrate: int = 500_000, mode: int = 0, *, clock_hz: int = 170_000_000) -> None:
        super().__init__(wire)
        self.forgets = 0
        self.counters_missing: Sequence[int] = ()
        self._clock_hz = clock_hz
        self._ready = False
        self._mode = self.MODE_NORMAL
        self.init(bitrate, mode)

    def init(self, bitrate: int, mode: int = 0, sample_point: int = 75, sjw: int = 1) -> None:
        """Filters are closed afterwards; a running controller keeps its mode until deinit."""
        if mode not in (self.MODE_NORMAL, self.MODE_SILENT, self.MODE_SILENT_LOOPBACK):
            raise ValueError("mode")
        brp, tseg1, tseg2 = bit_timing(self._clock_hz, bitrate, sample_point)
        self.bitrate = self._clock_hz // brp // (1 + tseg1 + tseg2)
        self._timings = [self.bitrate, sjw, tseg1, tseg2]
        self._mode = self._mode if self._ready else mode
        self.silent = self._mode == self.MODE_SILENT
        self.online = self._mode != self.MODE_SILENT_LOOPBACK
        self._ready = True
        self._filters: list[tuple[int, int, int]] = []
        self._fifos: tuple[deque[CanFrame], deque[CanFrame]] = (deque(), deque())
        self._buffers: list[CanFrame | None] = [None] * self.TX_QUEUE_LEN
        self._marks: list[int | None] = [None] * self.TX_QUEUE_LEN
        self._told = 0
        self._watched = [False, False]  # FIFOs whose overruns make an interrupt
        self._overruns = 0
        self.line = ErrorCounters()

    def deinit(self) -> None:
        """Drops all that is pending."""
        self._ready = self.online = False

    def _check(self) -> None:
        if not self._ready:
            raise OSError(_EINVAL)

    def set_filters(self, filters: Iterable[Sequence[int]] | None) -> None:
        """None takes everything, an empty list nothing; a filter takes one kind of id only."""
        self._check()
        rows = [(0, 0, 0), (0, 0, self.FLAG_EXT_ID)] if filters is None else [(f[0], f[1], f[2]) for f in filters]
        for number, mask, flags in rows:
            top = 1 << (29 if flags & self.FLAG_EXT_ID else 11)
            if number >= top or mask >= top:
                raise ValueError("invalid id")
        if sum(flags == self.FLAG_EXT_ID for _, _, flags in rows) > 8 or len(rows) > self.FILTERS_MAX:
            raise ValueError("too many filters for this ID type")
        self._filters = rows

    def send(self, can_id: int, data: bytes | bytearray, flags: int = 0) -> int | None:
        """The buffer's index; None when all are taken, or one has this id."""
        self._check()
        if len(data) > 8:
            raise OverflowError("data too long")
        if can_id >= 1 << (29 if flags & self.FLAG_EXT_ID else 11):
            raise ValueError("invalid id")
        if self.line.bus_off:
            raise OSError(_EIO)
        if (can_id in self._marks and not flags & self.FLAG_UNORDERED) or None not in self._marks:
            return None
        index = self._marks.index(None)
        frame = CanFrame(can_id, bool(flags & self.FLAG_EXT_ID), bytes(data))
        if self._mode == self.MODE_SILENT_LOOPBACK:
            self.hear(frame)
            return index
        self._buffers[index], self._marks[index] = frame, can_id
        return index

    def cancel_send(self, index: int) -> bool:
        """True when a frame was pending there."""
        self._check()
        if not 0 <= index < self.TX_QUEUE_LEN:
            raise IndexError
        if self._buffers[index] is None:
            return False
        self._buffers[index] = self._marks[index] = None
        return True

    def recv(self, into: list[Any]) -> list[Any] | None:
        """Refills `into`; its memoryview gets the length of the frame."""
        self._check()
        for at, fifo in enumerate(self._fifos):
            if fifo:
                frame = fifo.popleft()
                view = memoryview(into[1].obj)
                view[: frame.length] = bytes(frame.length) if frame.remote else frame.data
                flags = self.FLAG_EXT_ID * frame.extended | self.FLAG_RTR * frame.remote
                into[:] = [frame.can_id, view[: frame.length], flags, self._told]
                self._told = 0
                self._watched[at] = True
                return into
        return None

    def state(self) -> int:
        return self.line.state if self._ready else self.STATE_STOPPED

    def get_counters(self, into: list[Any]) -> list[Any]:
        """TEC, REC, entries into warning, passive and bus-off, pending to send and received, overruns."""
        self._check()
        line = self.line
        into[:] = [line.tec, line.rec, line.warnings, line.passives, line.bus_offs,
                   len(self.held()), sum(map(len, self._fifos)), self._overruns]
        for place in self.counters_missing:
            into[place] = None
        return into

    def get_timings(self, into: list[Any]) -> list[Any]:
        """Bit rate, sjw, tseg1, tseg2, and two places for what this driver does not tell."""
        into[:4] = self._timings
        return into

    def restart(self) -> None:
        """The only way out of bus-off; drops what is pending, clears the counters."""
        self._check()
        self._buffers = [None] * self.TX_QUEUE_LEN
        self._marks = [None] * self.TX_QUEUE_LEN
        self._overruns = self.line.warnings = self.line.passives = self.line.bus_offs = 0
        self.line.begin_rejoining()

    def held(self) -> list[CanFrame]:
        return [frame for frame in self._buffers if frame is not None]

    def delivered(self, frame: CanFrame) -> None:
        index = self._buffers.index(frame)
        self._buffers[index] = None
        if self.forgets:
            self.forgets -= 1
        else:
            self._marks[index] = None

    def hear(self, frame: CanFrame) -> None:
        for at, (number, mask, flags) in enumerate(self._filters):
            if bool(flags & self.FLAG_EXT_ID) == frame.extended and not (frame.can_id ^ number) & mask:
                self._keep(at & 1, frame)
                return

    def _keep(self, at: int, frame: CanFrame) -> None:
        fifo = self._fifos[at]
        if len(fifo) < 3:
            fifo.append(frame)
            self._told |= self.RECV_ERR_FULL * (len(fifo) == 3 and self._watched[at])
        elif self._watched[at]:
            self._told |= self.RECV_ERR_OVERRUN
            self._overruns += 1


def bit_timing(clock_hz: int, bitrate: int, sample_point: int) -> tuple[int, int, int]:
    """Prescaler, tseg1 and tseg2 nearest to the bit rate, then to the sample point (percent)."""
    best = None
    for brp in range(1, 513):
        total = (clock_hz // brp + bitrate // 2) // bitrate
        if not 3 <= total <= 25:
            continue
        for tseg1 in range(max(1, total - 9), min(16, total - 2) + 1):
            off = abs(clock_hz // brp // total - bitrate), abs(100 * (1 + tseg1) - sample_point * total), brp
            if best is None or off < best[0]:
                best = off, (brp, tseg1, total - 1 - tseg1)
    if best is None:
        raise ValueError("unable to calculate BRP for baudrate")
    return best[1]
