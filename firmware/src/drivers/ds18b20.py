"""DS18B20 on one wire, externally powered: a slow temperature for the enclosure or the heater, never for a cutoff.

Why never: a conversion takes 750 ms, the answer is read with interrupts off for each bit, and a sensor that restarts
unnoticed says 85.0 degC. A cell's limits need two sensors and an answer every cycle. Time is an argument.

A conversion is proven by the sensor itself: it holds the wire low in read slots while it converts and lets go when
done. That needs its supply pin connected; a parasite-powered sensor is reported as not converting.
"""

from node.measure import NA

from drivers.const import const

OK = 0
ERROR_SILENT = 1  # no presence pulse
ERROR_CHECKSUM = 2
ERROR_CONFIGURATION = 3  # does not take twelve bits

CONVERSION_MS = 750  # at twelve bits, data sheet's maximum

_SKIP_ROM = const(0xCC)
_MATCH_ROM = const(0x55)
_CONVERT = const(0x44)
_WRITE_SCRATCHPAD = const(0x4E)
_READ_SCRATCHPAD = const(0xBE)
_TWELVE_BITS = const(0x7F)
_GIVEN_UP_MS = const(2000)  # a sensor that still converts then has died while converting
_POWER_ON = const(0x0550)  # 85.0 degC: what a sensor says that has not converted
_NEAR_DC = const(50)  # an 85.0 counts only after a reading this close to it
_COLDEST = const(-880)  # -55 degC in sixteenths
_HOTTEST = const(2000)  # 125 degC


def crc8(data, count):
    """Maxim's CRC-8 (polynomial 0x31 reflected, start 0) over the first `count` bytes."""
    crc = 0
    for i in range(count):
        crc ^= data[i]
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc


class Ds18b20:
    """`wire` has onewire's reset(), writebyte() and readinto(); `rom` of eight bytes picks one of several sensors.

    `temp_dc` is the last reading, or NA when the last try gave none. `refused` counts answers that were not believed.
    """

    def __init__(self, wire, rom=None):
        self.wire = wire
        self.rom = rom
        self.temp_dc = NA
        self.errors = 0
        self.refused = 0
        self._converting = False
        self._since_ms = 0
        self._pad = bytearray(9)
        self._slots = bytearray(1)

    def start(self):
        """Sets twelve bits and reads them back: 0 or an ERROR_ code. May block for about 20 ms."""
        self.temp_dc = NA
        self._converting = False
        try:
            if not self._select():
                return ERROR_SILENT
            self.wire.writebyte(_WRITE_SCRATCHPAD)
            self.wire.writebyte(0)  # its alarm bytes, which nobody asks for
            self.wire.writebyte(0)
            self.wire.writebyte(_TWELVE_BITS)
            if not self._read_pad():
                return ERROR_SILENT
        except OSError:
            self.errors += 1
            return ERROR_SILENT
        if crc8(self._pad, 8) != self._pad[8]:
            return ERROR_CHECKSUM
        return OK if self._pad[4] == _TWELVE_BITS else ERROR_CONFIGURATION

    def step(self, now_ms):
        """Starts a conversion or, 750 ms later, takes it: True when `temp_dc` is new. At most 12 ms on the wire."""
        try:
            if not self._converting:
                self._begin(now_ms)
                return False
            waited = now_ms - self._since_ms & 0x3FFFFFFF
            if waited < CONVERSION_MS:
                return False
            if not self._done():
                if waited >= _GIVEN_UP_MS:
                    self._fail()
                return False
            return self._take()
        except OSError:
            self._fail()
            return False

    def _begin(self, now_ms):
        if not self._select():
            self._fail()
            return
        self.wire.writebyte(_CONVERT)
        self.wire.readinto(self._slots)
        if self._slots[0]:  # the wire is not held low: the sensor has not heard it, or has no supply of its own
            self._fail()
            return
        self._since_ms = now_ms
        self._converting = True

    def _done(self):
        self.wire.readinto(self._slots)
        return self._slots[0] == 0xFF

    def _take(self):
        self._converting = False
        if not self._read_pad():
            self._fail()
            return False
        b = self._pad
        raw = b[0] | b[1] << 8
        raw = raw - 0x10000 if raw & 0x8000 else raw
        # all zeros, a wire held low, has a good checksum: the configuration byte tells it apart
        believed = crc8(b, 8) == b[8] and b[4] == _TWELVE_BITS and _COLDEST <= raw <= _HOTTEST
        if not believed or (raw == _POWER_ON and (self.temp_dc == NA or abs(self.temp_dc - 850) > _NEAR_DC)):
            self.refused += 1
            self.temp_dc = NA
            return False
        self.temp_dc = (raw * 5 + 4) >> 3
        return True

    def _read_pad(self):
        if not self._select():
            return False
        self.wire.writebyte(_READ_SCRATCHPAD)
        self.wire.readinto(self._pad)
        return True

    def _select(self):
        """Reset and address; False when no sensor answers."""
        if not self.wire.reset():
            return False
        if self.rom is None:
            self.wire.writebyte(_SKIP_ROM)
            return True
        self.wire.writebyte(_MATCH_ROM)
        for i in range(8):
            self.wire.writebyte(self.rom[i])
        return True

    def _fail(self):
        self.errors += 1
        self.temp_dc = NA
        self._converting = False
