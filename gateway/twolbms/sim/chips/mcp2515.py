"""An MCP2515 by its registers, on SPI with the method names of MicroPython's `machine.SPI` and `machine.Pin`.

Written from the data sheet DS20001801 (sections 3 to 12); it knows no driver.
"""

from __future__ import annotations

from collections.abc import Callable

from twolbms.sim.chips.can_wire import BUS_OFF, CanWire, ErrorCounters, Station
from twolbms.sim.slcan import CanFrame

CANSTAT, CANCTRL, TEC, REC = 0x0E, 0x0F, 0x1C, 0x1D
CNF3, CNF2, CNF1, CANINTE, CANINTF, EFLG = 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D
TXB0CTRL, RXB0CTRL, RXB1CTRL = 0x30, 0x60, 0x70
NORMAL, SLEEP, LOOPBACK, LISTEN_ONLY, CONFIGURATION = (mode << 5 for mode in range(5))

_RXF = (0x00, 0x04, 0x08, 0x10, 0x14, 0x18)
_RXM = (0x20, 0x24)
_FILTERS = frozenset(at + i for at in (*_RXF, *_RXM) for i in range(4))
_CNF = frozenset((CNF1, CNF2, CNF3))
_TX_DATA = frozenset(TXB0CTRL + 16 * n + i for n in range(3) for i in range(1, 14))
_WRITABLE = {CANINTE: 0xFF, CANINTF: 0xFF, EFLG: 0xC0, CANCTRL: 0xFF, RXB0CTRL: 0x64, RXB1CTRL: 0x60,
             0x0C: 0x3F, 0x0D: 0x07, TXB0CTRL: 0x0B, TXB0CTRL + 16: 0x0B, TXB0CTRL + 32: 0x0B}
_MODIFIABLE = frozenset((*_WRITABLE, *_CNF))
_TXREQ, _TXERR, _ABTF = 0x08, 0x10, 0x40
_EXIDE, _SRR, _RTR = 0x08, 0x10, 0x40
_LOAD_TX = (0x31, 0x36, 0x41, 0x46, 0x51, 0x56)
_READ_RX = (0x61, 0x66, 0x71, 0x76)


class Mcp2515(Station):
    """The chip. `spi` and `cs` are its wires, `interrupt` its INT pin."""

    rejoins = True

    def __init__(self, wire: CanWire, crystal_hz: int = 16_000_000) -> None:
        super().__init__(wire)
        self.crystal_hz = crystal_hz
        self.registers = bytearray(128)
        self.spi = Spi(self)
        self.cs = ChipSelect(self.spi)
        self.interrupt = InterruptPin(self)
        self.reset()

    def reset(self) -> None:
        """The instruction, and what a brown-out does."""
        self.registers[:] = bytes(128)
        self.registers[CANCTRL] = 0x87
        self.line = ErrorCounters()
        self._set_mode(CONFIGURATION)

    @property
    def mode(self) -> int:
        return self.registers[CANSTAT] & 0xE0

    def _set_mode(self, mode: int) -> None:
        self.registers[CANSTAT] = self.registers[CANSTAT] & 0x1F | mode
        self.online, self.silent = mode in (NORMAL, LISTEN_ONLY), mode == LISTEN_ONLY
        quanta = 3 + (self.registers[CNF2] & 7) + (self.registers[CNF2] >> 3 & 7) + 1 + (self.registers[CNF3] & 7)
        self.bitrate = self.crystal_hz // (2 * ((self.registers[CNF1] & 0x3F) + 1)) // quanta
        if mode == LOOPBACK:
            self._loop()

    def read(self, at: int) -> int:
        """One register; filters and masks read 0 outside configuration mode."""
        at &= 0x7F
        if at & 0x0F in (0x0E, 0x0F):
            return self.registers[at & 0x0F]
        if at in _FILTERS and self.mode != CONFIGURATION:
            return 0
        if at in (TEC, REC):
            return self.line.tec if at == TEC else self.line.rec
        return self._error_flags() if at == EFLG else self.registers[at]

    def write(self, at: int, value: int) -> None:
        """One register, as far as it can be written now."""
        at &= 0x7F
        if at & 0x0F == 0x0F:
            at = CANCTRL
        if at in _FILTERS or at in _CNF:
            if self.mode == CONFIGURATION:
                self.registers[at] = value & self._implemented(at)
            return
        if at in _TX_DATA:
            if not self.registers[at & 0xF0] & _TXREQ:
                self.registers[at] = value
            return
        bits = _WRITABLE.get(at, 0)
        before = self.registers[at]
        self.registers[at] = before & ~bits | value & bits
        if at == CANCTRL:
            self._set_mode(value & 0xE0)
        elif at in (TXB0CTRL, TXB0CTRL + 16, TXB0CTRL + 32):
            if before & _TXREQ and not value & _TXREQ:
                self.registers[at] |= _ABTF
            elif value & _TXREQ:
                self.request(1 << (at - TXB0CTRL >> 4))

    @staticmethod
    def _implemented(at: int) -> int:
        if at in _CNF:
            return 0xC7 if at == CNF3 else 0xFF
        if at & 3 != 1:
            return 0xFF
        return 0xEB if at < _RXM[0] else 0xE3

    def modify(self, at: int, mask: int, value: int) -> None:
        """BIT MODIFY; a register that does not know it gets all of `value`."""
        at = CANCTRL if at & 0x0F == 0x0F else at & 0x7F
        if at in _MODIFIABLE:
            value = self.read(at) & ~mask | value & mask
        self.write(at, value)

    def request(self, buffers: int) -> None:
        """Requests to send, one bit a buffer."""
        for n in range(3):
            if buffers >> n & 1:
                at = TXB0CTRL + 16 * n
                self.registers[at] = self.registers[at] & ~(_ABTF | _TXERR) | _TXREQ
        if self.mode == LOOPBACK:
            self._loop()

    def status(self) -> int:
        """The byte of READ STATUS."""
        flags = self.registers[CANINTF]
        status = flags & 3
        for n in range(3):
            status |= bool(self.registers[TXB0CTRL + 16 * n] & _TXREQ) << 2 + 2 * n | (flags >> 2 + n & 1) << 3 + 2 * n
        return status

    def rx_status(self) -> int:
        """The byte of RX STATUS, without the number of the filter."""
        return (self.registers[CANINTF] & 3) << 6

    def _error_flags(self) -> int:
        line = self.line
        flags = self.registers[EFLG] & 0xC0
        flags |= (line.state == BUS_OFF) << 5 | (line.tec >= 128) << 4 | (line.rec >= 128) << 3
        flags |= (line.tec >= 96) << 2 | (line.rec >= 96) << 1
        return flags | (line.tec >= 96 or line.rec >= 96)

    def _next_buffer(self) -> int | None:
        """The requested buffer of the highest TXP, of equal ones the highest number."""
        asked = [n for n in range(3) if self.registers[TXB0CTRL + 16 * n] & _TXREQ]
        return max(asked, key=lambda n: (self.registers[TXB0CTRL + 16 * n] & 3, n), default=None)

    def _frame_in(self, n: int) -> CanFrame:
        at = TXB0CTRL + 16 * n + 1
        return unpack(bytes(self.registers[at:at + 13]))

    def held(self) -> list[CanFrame]:
        return [self._frame_in(n) for n in range(3) if self.registers[TXB0CTRL + 16 * n] & _TXREQ]

    def offered(self) -> CanFrame | None:
        n = self._next_buffer()
        return None if n is None else self._frame_in(n)

    def delivered(self, frame: CanFrame) -> None:
        n = self._next_buffer()
        assert n is not None
        self.registers[TXB0CTRL + 16 * n] &= ~_TXREQ
        self.registers[CANINTF] |= 4 << n

    def _loop(self) -> None:
        while (frame := self.offered()) is not None:
            self.delivered(frame)
            self.hear(frame)

    def _matches(self, frame: CanFrame, mask: int, filters: tuple[int, ...]) -> bool:
        header = pack(frame)
        for at in filters:
            wanted = self.registers[at:at + 4]
            bits = self.registers[mask:mask + 4]
            if bool(wanted[1] & _EXIDE) != frame.extended:
                continue
            count = 4 if frame.extended else 2
            if not any((header[i] ^ wanted[i]) & bits[i] & (0xE3 if i == 1 else 0xFF) for i in range(count)):
                return True
        return False

    def hear(self, frame: CanFrame) -> None:
        """Acceptance, the two buffers and the roll-over between them."""
        first = self.registers[RXB0CTRL]
        if first & 0x60 == 0x60 or self._matches(frame, _RXM[0], _RXF[:2]):
            if not self.registers[CANINTF] & 1:
                self._store(0, frame)
            elif first & 4:
                self._second(frame)
            else:
                self.registers[EFLG] |= 0x40
        elif self.registers[RXB1CTRL] & 0x60 == 0x60 or self._matches(frame, _RXM[1], _RXF[2:]):
            self._second(frame)

    def _second(self, frame: CanFrame) -> None:
        if self.registers[CANINTF] & 2:
            self.registers[EFLG] |= 0x80
        else:
            self._store(1, frame)

    def _store(self, n: int, frame: CanFrame) -> None:
        at = RXB0CTRL + 16 * n + 1
        self.registers[at:at + 13] = pack(frame)
        self.registers[CANINTF] |= 1 << n


def pack(frame: CanFrame) -> bytes:
    """SIDH, SIDL, EID8, EID0, DLC and eight data bytes of a buffer."""
    if frame.extended:
        number = frame.can_id
        head = bytes((number >> 21, number >> 13 & 0xE0 | _EXIDE | number >> 16 & 3, number >> 8 & 0xFF, number & 0xFF,
                      frame.length | _RTR * frame.remote))
    else:
        head = bytes((frame.can_id >> 3, (frame.can_id & 7) << 5 | _SRR * frame.remote, 0, 0, frame.length))
    return head + frame.data.ljust(8, b"\0")


def unpack(buffer: bytes) -> CanFrame:
    """The frame of a transmit buffer."""
    sidh, sidl, eid8, eid0, dlc = buffer[:5]
    extended, remote, length = bool(sidl & _EXIDE), bool(dlc & _RTR), min(8, dlc & 15)
    number = sidh << 3 | sidl >> 5
    if extended:
        number = number << 18 | (sidl & 3) << 16 | eid8 << 8 | eid0
    return CanFrame(number, extended, b"" if remote else buffer[5:5 + length], remote, length if remote else None)


class Spi:
    """The chip's end of SPI: instructions as bytes come in.

    `mishap` sees each transfer's bytes before the chip does and may change them or raise OSError; `stuck` is the level
    of a dead MISO line.
    """

    def __init__(self, chip: Mcp2515) -> None:
        self.chip = chip
        self.mishap: Callable[[bytes], bytes] | None = None
        self.stuck: int | None = None
        self.transfers: list[bytes] = []
        self.selected = False
        self._sent = b""

    def select(self, selected: bool) -> None:
        """CS falls or rises."""
        if self.selected and not selected:
            self._finish()
        self.selected, self._sent = selected, b""

    def write_readinto(self, out: bytes | memoryview, into: bytearray | memoryview) -> None:
        """As many bytes out as in."""
        if len(out) != len(into):
            raise ValueError("buffers must be the same length")
        data = self.mishap(bytes(out)) if self.mishap else bytes(out)
        self.transfers.append(data)
        answers = bytes(map(self._byte, data)) if self.selected and self.stuck is None else b""
        into[:] = answers or bytes([self.stuck if self.stuck is not None else 0xFF]) * len(data)

    def _byte(self, value: int) -> int:
        sent, self._sent = self._sent, self._sent + bytes([value])
        chip, count = self.chip, len(sent)
        code = sent[0] if sent else value
        if code == 0xC0:
            chip.reset()
        if not sent:
            return 0
        if code == 0x03:
            return chip.read(sent[1] + count - 2) if count >= 2 else 0
        if code & 0xF9 == 0x90:
            return chip.registers[_READ_RX[code >> 1 & 3] + count - 1]
        if code in (0xA0, 0xB0):
            return chip.status() if code == 0xA0 else chip.rx_status()
        if code == 0x02 and count >= 2:
            chip.write(sent[1] + count - 2, value)
        elif code & 0xF8 == 0x40 and code & 7 < 6:
            chip.write(_LOAD_TX[code & 7] + count - 1, value)
        elif code == 0x05 and count == 3:
            chip.modify(sent[1], sent[2], value)
        return 0

    def _finish(self) -> None:
        """What happens when CS rises."""
        code = self._sent[0] if self._sent else 0
        if code & 0xF8 == 0x80:
            self.chip.request(code & 7)
        elif code & 0xF9 == 0x90:
            self.chip.registers[CANINTF] &= ~(1 << (code >> 2 & 1))


class ChipSelect:
    """The CS line as a `machine.Pin`; low selects."""

    def __init__(self, spi: Spi) -> None:
        self._spi = spi

    def value(self, level: int) -> None:
        self._spi.select(not level)


class InterruptPin:
    """The INT pin: low while an enabled flag stands."""

    def __init__(self, chip: Mcp2515) -> None:
        self._chip = chip

    def value(self) -> int:
        return int(not self._chip.registers[CANINTE] & self._chip.registers[CANINTF])
