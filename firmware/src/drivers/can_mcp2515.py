"""The port of an MCP2515 on SPI: two receive buffers with roll-over, three transmit buffers, six filters.

What to know of it: filters and bit timing are written in configuration mode only; filters read back there only; after
bus-off it comes back by itself after 128 times 11 recessive bits; at 250 kbit/s its two buffers are full after 1 ms, so
`service` must be called often. SPI has no check: the settings are read back at the start and once a cycle,
so a chip that reset itself, lost its supply or hangs on a dead wire counts as stopped; the frames have their own CRC.
Registers and instructions: data sheet DS20001801, sections 3 to 12.
"""

from array import array

from drivers.can_controller import ACTIVE, BUS_OFF, FRAME, NOTHING, OTHER, PASSIVE, STOPPED, WARNING
from drivers.const import const

_RESET = const(0xC0)
_READ = const(0x03)
_WRITE = const(0x02)
_READ_RX = const(0x90)  # | 0x04 for the second buffer; clears its flag when CS rises
_RTS = const(0x80)  # | one bit a transmit buffer
_READ_STATUS = const(0xA0)
_BIT_MODIFY = const(0x05)

_RXF0 = const(0x00)
_RXF3 = const(0x10)
_RXM0 = const(0x20)
_CANSTAT = const(0x0E)
_CANCTRL = const(0x0F)
_TEC = const(0x1C)
_CNF3 = const(0x28)  # then CNF2, CNF1, CANINTE, CANINTF, EFLG
_EFLG = const(0x2D)
_TXB0CTRL = const(0x30)  # and 0x40, 0x50
_RXB0CTRL = const(0x60)
_RXB1CTRL = const(0x70)

_MODE = const(0xE0)  # of CANSTAT and CANCTRL
_NORMAL = const(0x00)
_LOOPBACK = const(0x40)
_CONFIGURATION = const(0x80)
_BUKT = const(0x04)
_TXREQ = const(0x08)
_RX_INTERRUPTS = const(0x03)
_EXIDE = const(0x08)
_RTR = const(0x40)
_EWARN = const(0x01)
_EP = const(0x18)  # TXEP and RXEP
_TXBO = const(0x20)
_OVERRUNS = const(0xC0)
_RX0_STATUS = const(0x01)
_RX1_STATUS = const(0x02)

_FILTERS = const(6)
_NOBODY = const(0x1FFFFFFF)
_MODE_READS = const(50)

# (crystal in MHz, kbit/s): CNF1, CNF2, CNF3 for a sample point of 75 % and a jump width of 1
TIMINGS = {
    (8, 125): (0x01, 0xAC, 0x03), (8, 250): (0x00, 0xAC, 0x03), (8, 500): (0x00, 0x91, 0x01),
    (16, 125): (0x03, 0xAC, 0x03), (16, 250): (0x01, 0xAC, 0x03), (16, 500): (0x00, 0xAC, 0x03),
}


class Mcp2515Port:
    """`spi` (mode 0,0 or 1,1, at most 10 MHz) and `cs` are ready made; `interrupt`, if wired, is the chip's INT pin.

    Raises ValueError for a bit rate that its crystal does not give.
    """

    one_by_one = True
    slots = 3

    def __init__(self, spi, cs, crystal_mhz, bitrate=500000, interrupt=None):
        if (crystal_mhz, bitrate // 1000) not in TIMINGS:
            raise ValueError(f"MCP2515 with {crystal_mhz} MHz: {bitrate} bit/s; "
                             "expected 8 or 16 MHz and 125, 250 or 500 kbit/s")
        cnf1, cnf2, cnf3 = TIMINGS[(crystal_mhz, bitrate // 1000)]
        self._settings = bytes((cnf3, cnf2, cnf1, _RX_INTERRUPTS))
        self._spi = spi
        self._cs = cs
        self._interrupt = interrupt
        self.state = STOPPED
        self.tec = self.rec = 0
        self.rx_id = 0
        self.rx_data = bytearray(8)
        self.overruns = 0
        self.bad = 0
        self.errors = 0
        self._out = bytearray(16)
        self._in = bytearray(16)
        self._outs = [memoryview(self._out)[:n] for n in range(17)]
        self._ins = [memoryview(self._in)[:n] for n in range(17)]
        self._ids = ()
        self._rows = []
        self._held = array("i", [0] * 3)
        self._expected = _NORMAL
        self._second_first = False
        cs.value(1)

    def open(self, ids):
        return self._begin(_NORMAL, ids)

    def loopback(self, can_id):
        return self._begin(_LOOPBACK, (can_id,))

    def _begin(self, mode, ids):
        if ids != self._ids or not self._rows:
            self._ids = ids
            self._make_rows()
        self._expected = mode
        self._second_first = False
        self.state = STOPPED
        self._out[0] = _RESET
        good = len(ids) <= _FILTERS and self._transfer(1) and self._wait_for(_CONFIGURATION)
        if good and self._configure() and self._set_mode(mode):
            self.look()
        if self.state == STOPPED:
            self.errors += 1
            return False
        return True

    def _make_rows(self):
        """What to write in configuration mode: (first address, values, the bits that must read back)."""
        rows = [(_CNF3, self._settings, b"\xff\xff\xff\xff"), (_RXB0CTRL, bytes((_BUKT,)), b"\x64"),
                (_RXB1CTRL, b"\0", b"\x60")]
        for i in range(_FILTERS):  # what is not needed repeats the first id
            can_id = self._ids[i if i < len(self._ids) else 0] if self._ids else _NOBODY
            values = bytearray(4)
            self._pack(values, 0, can_id)
            values[1] |= _EXIDE
            rows.append((_RXF0 + 4 * i if i < 3 else _RXF3 + 4 * (i - 3), values, b"\xff\xeb\xff\xff"))
        for at in (_RXM0, _RXM0 + 4):
            rows.append((at, b"\xff\xe3\xff\xff", b"\xff\xe3\xff\xff"))
        self._rows = rows

    def _configure(self):
        """Writes timing, filters and buffers, then reads all of them back."""
        for row in self._rows:
            self._put(row[0], row[1])
        for row in self._rows:  # noqa: SIM110  # a generator allocates
            if not self._same(row[0], row[1], row[2]):
                return False
        return True

    def _pack(self, b, at, can_id):
        b[at] = can_id >> 21
        b[at + 1] = can_id >> 13 & 0xE0 | can_id >> 16 & 3
        b[at + 2] = can_id >> 8 & 0xFF
        b[at + 3] = can_id & 0xFF

    def _set_mode(self, mode):
        return self._modify(_CANCTRL, _MODE, mode) and self._wait_for(mode)

    def _wait_for(self, mode):
        for _ in range(_MODE_READS):  # noqa: SIM110  # a generator allocates
            if self._get(_CANSTAT, 1) and self._in[2] & _MODE == mode:
                return True
        return False

    def close(self):
        """Into configuration mode: it says nothing and hears nothing."""
        self.state = STOPPED
        self._out[0] = _RESET
        self._transfer(1)

    def restart(self):
        self._begin(_NORMAL, self._ids)

    def look(self):
        self.state = STOPPED
        if not self._get(_CANSTAT, 1) or self._in[2] & _MODE != self._expected or not self._get(_CNF3, 6):
            return
        for i in range(4):
            if self._in[2 + i] != self._settings[i]:
                return
        flags = self._in[7]
        if not self._get(_TEC, 2):
            return
        self.tec = self._in[2]
        self.rec = self._in[3]
        if flags & _OVERRUNS:
            self.overruns += (flags >> 6 & 1) + (flags >> 7)
            self._modify(_EFLG, _OVERRUNS, 0)
        if flags & _TXBO:
            self.state = BUS_OFF
        elif flags & _EP:
            self.state = PASSIVE
        else:
            self.state = WARNING if flags & _EWARN else ACTIVE

    def waiting(self):
        status = self._status()
        return -1 if status < 0 else (status >> 2 & 1) + (status >> 4 & 1) + (status >> 6 & 1)

    def load(self, can_id, frame):
        status = self._status()
        if status < 0:
            return -1
        slot = -1
        for n in range(3):
            if not status & 4 << 2 * n:
                slot = n  # the highest: of equal priority it is sent first
            elif self._held[n] == can_id:
                return -1  # two of one id might change places
        if slot < 0:
            return -1
        self._held[slot] = can_id
        out = self._out
        out[0] = _WRITE
        out[1] = _TXB0CTRL + 16 * slot
        out[2] = max(0, min(3, 6 - (can_id >> 26)))  # TXP, 3 is sent first: of the id's priority 3 (high) to 6
        self._pack(out, 3, can_id)
        out[4] |= _EXIDE
        out[7] = 8
        for i in range(8):
            out[8 + i] = frame[i]
        if not self._transfer(16):
            return -1
        out[0] = _RTS | 1 << slot
        return slot if self._transfer(1) else -1

    def abort(self, slot):
        status = self._status()
        if status < 0 or not status & 4 << 2 * slot:
            return 0
        return 1 if self._modify(_TXB0CTRL + 16 * slot, _TXREQ, 0) else 0

    def take(self):
        if self._interrupt is not None and self._interrupt.value():
            return NOTHING
        status = self._status()
        if status < 0 or not status & (_RX0_STATUS | _RX1_STATUS):
            return NOTHING
        # What rolled over while the first buffer was full is older than what came into the first one since.
        second = status & _RX1_STATUS and (self._second_first or not status & _RX0_STATUS)
        self._second_first = not second and status & _RX1_STATUS
        self._out[0] = _READ_RX | 4 if second else _READ_RX
        if not self._transfer(14):
            return NOTHING
        b = self._in
        if not b[2] & _EXIDE or b[5] & _RTR or b[5] & 0x0F != 8:
            self.bad += 1
            return OTHER
        self.rx_id = b[1] << 21 | (b[2] & 0xE0) << 13 | (b[2] & 3) << 16 | b[3] << 8 | b[4]
        for i in range(8):
            self.rx_data[i] = b[6 + i]
        return FRAME

    def _status(self):
        """Bits 0 and 1: received; 2, 4, 6: waiting to be sent; -1 when SPI failed."""
        self._out[0] = _READ_STATUS
        return self._in[1] if self._transfer(2) else -1

    def _get(self, at, count):
        """Reads registers into `_in[2:]`."""
        self._out[0] = _READ
        self._out[1] = at
        return self._transfer(2 + count)

    def _put(self, at, values):
        self._out[0] = _WRITE
        self._out[1] = at
        for i in range(len(values)):
            self._out[2 + i] = values[i]
        return self._transfer(2 + len(values))

    def _same(self, at, values, bits):
        """Whether registers read as written, in these bits."""
        if not self._get(at, len(values)):
            return False
        for i in range(len(values)):  # noqa: SIM110  # a generator allocates
            if self._in[2 + i] & bits[i] != values[i] & bits[i]:
                return False
        return True

    def _modify(self, at, mask, value):
        out = self._out
        out[0] = _BIT_MODIFY
        out[1] = at
        out[2] = mask
        out[3] = value
        return self._transfer(4)

    def _transfer(self, count):
        """Sends `_out[:count]` and gets `_in[:count]`; False when SPI failed, and `_in` is worth nothing then."""
        self._cs.value(0)
        try:
            self._spi.write_readinto(self._outs[count], self._ins[count])
            good = True
        except OSError:
            self.errors += 1
            good = False
        self._cs.value(1)
        return good
