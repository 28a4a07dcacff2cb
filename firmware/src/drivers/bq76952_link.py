"""The wire to a BQ76952: checked reads and writes of registers, and the window through which subcommands go.

With CRC each byte is checked. Without it every block is read twice and must agree, and a damaged command shows only
in what it does. Transfers use `writeto`, whose result is how many bytes were acknowledged: a refused byte raises
nothing, and `writeto_mem` would hide it (and takes memory on the RP2). Registers and bits that more than one file
needs stand here; what follows from them does not.
"""

from drivers.const import const
from drivers.crc8 import TABLE, unpack

WINDOW = const(0x3E)  # code, 32 bytes, checksum, length
WINDOW_BYTES = const(36)
_TRANSFER = const(0x60)
_SIZES = (2, 6, 24, WINDOW_BYTES, 42)  # of reads
_WRITES = (2, 3, 4)  # of writes in a cycle

BATTERY = const(0x12)  # battery status, and the first byte of the big block
BIG = const(42)  # up to and with the current
STATUS_CONFIG = const(0x01)
STATUS_POR = const(0x08)
STATUS_WATCHDOG = const(0x10)
ALARM = const(0x62)  # status, raw status, mask
ALARM_BYTES = const(6)
ALARMS = const(0xC082)  # the mask: trips A, trips B and C, full scan, voltage scan
SCANS = const(0x82)
ALL_OFF = const(0x0095)
MANUFACTURING = const(0x0057)
FET_EN = const(0x10)
SHORTS = const(0x80)  # SCD in trips A
SHORTS_LATCHED = const(0x40)  # SCDL in trips C

NOT_READY = -1  # the window shows another code, or FF while the chip is busy
DAMAGED = -2


class Link:
    """`data` holds what was read last, `out` what a write sends from its first byte on.

    From `begin(spare)` on at most `spare` transfers are tried again; when one fails in spite of that, `failed` is set
    and nothing more goes out until the next `begin`. `errors` counts transfers that failed, `transfers` all. `asked` is
    the code whose answer the window will show, -1 once anything else has been sent through it.
    """

    def __init__(self, i2c, address, crc):
        self.i2c = i2c
        self.address = address
        self.crc = crc
        self.data = bytearray(42)
        self.out = bytearray(34)
        self.failed = False
        self.spare = 0
        self.errors = 0
        self.transfers = 0
        self.asked = -1
        self._write = address << 1
        self._raw = bytearray(84) if crc else self.data
        width = 2 if crc else 1
        self._views = {n: memoryview(self._raw)[: n * width] for n in _SIZES}
        twin = memoryview(bytearray(42))
        self._twins = {n: twin[:n] for n in _SIZES}
        self._frame = bytearray(1 + 34 * width)
        self._frames = {}
        for count in _WRITES:
            self._frame_of(count)

    def begin(self, spare):
        """A new round of transfers."""
        self.failed = False
        self.spare = spare

    def read(self, register, count):
        """`count` bytes (one of _SIZES) from `register` on into `data`; False when that failed."""
        while not self.failed:
            if self._read_once(register, count):
                return True
            self._again()
        return False

    def write(self, register, count):
        """out[:count] to `register` and the following; False when the chip did not take all of it."""
        while not self.failed:
            if self._write_once(register, count):
                return True
            self._again()
        return False

    def _again(self):
        self.errors += 1
        if self.spare > 0:
            self.spare -= 1
        else:
            self.failed = True

    def _read_once(self, register, count):
        self.transfers += 1
        view = self._views[count]
        try:
            self.i2c.readfrom_mem_into(self.address, register, view)
            if not self.crc:
                self.transfers += 1
                self.i2c.readfrom_mem_into(self.address, register, self._twins[count])
        except OSError:
            return False
        if not self.crc:
            return view == self._twins[count]
        rest = TABLE[TABLE[TABLE[self._write] ^ register] ^ self._write ^ 1]
        return unpack(self._raw, count, rest, self.data) == 1

    def _write_once(self, register, count):
        self.transfers += 1
        frame = self._frame
        frame[0] = register
        if self.crc:
            rest = TABLE[TABLE[self._write] ^ register]
            for i in range(count):
                frame[1 + 2 * i] = value = self.out[i]
                frame[2 + 2 * i] = TABLE[rest ^ value]
                rest = 0
        else:
            for i in range(count):
                frame[1 + i] = self.out[i]
        view = self._frame_of(count)
        try:
            return self.i2c.writeto(self.address, view) == len(view)
        except OSError:
            return False

    def _frame_of(self, count):
        """The part of the frame that carries `count` bytes; made once."""
        if count not in self._frames:
            self._frames[count] = memoryview(self._frame)[: 1 + count * (2 if self.crc else 1)]
        return self._frames[count]

    def ask(self, code):
        """Asks for the answer of a subcommand, or for 32 bytes of data memory."""
        if not self.command(code):
            return False
        self.asked = code
        return True

    def command(self, code):
        """Sends a subcommand that needs no data."""
        self.asked = -1
        self.out[0] = code & 0xFF
        self.out[1] = code >> 8
        return self.write(WINDOW, 2)

    def command_data(self, code, count):
        """Sends a subcommand, or writes data memory, with out[2:2 + count] as its data."""
        self.asked = -1
        out = self.out
        out[0] = code & 0xFF
        out[1] = code >> 8
        total = 0
        for i in range(2 + count):
            total += out[i]
        if not self.write(WINDOW, 2 + count):
            return False
        out[0] = ~total & 0xFF
        out[1] = count + 4
        return self.write(_TRANSFER, 2)

    def window(self, code):
        """How many bytes the chip has answered to `code`, from data[2] on; NOT_READY, or DAMAGED."""
        if not self.read(WINDOW, WINDOW_BYTES):
            return DAMAGED
        data = self.data
        if data[0] != code & 0xFF or data[1] != code >> 8:
            return NOT_READY
        count = data[35] - 4
        if not 0 <= count <= 32:
            return DAMAGED
        total = data[34]
        for i in range(2 + count):
            total += data[i]
        return count if total & 0xFF == 0xFF else DAMAGED
