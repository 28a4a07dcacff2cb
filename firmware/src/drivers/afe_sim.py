"""A simulated front-end chip: its registers are filled by the plant, its driver reads them as a real one would.

A conversion is new when the scan counter has moved; that the values changed proves nothing.
"""

from array import array

from node.machine_code import const, micropython, ptr8, ptr32
from node.measure import NA

from drivers.plant_link import READING_HEAD

_NA = const(-(1 << 28))
_ABSENT = const(0x8000)  # of 16 bits
_WIDE = const(4)  # numbers of 32 bits, signed, from byte 8 on: pack, link, current, second current
_FIRST = const(8)


@micropython.viper
def wide_numbers(raw: ptr8, into: ptr32):
    """The reading's 32-bit numbers; all below 2^30."""
    at = _FIRST
    n = 0
    while n < _WIDE:
        high = raw[at + 3]
        if high > 127:
            high = high - 256
        value = (high << 24) + (raw[at] | raw[at + 1] << 8 | raw[at + 2] << 16)
        into[n] = value if value > _NA else _NA
        at += 4
        n += 1


@micropython.viper
def short_numbers(raw: ptr8, at: int, into: ptr32, count: int):
    """Signed 16-bit numbers from byte `at` on; NA where one is absent."""
    n = 0
    while n < count:
        value = raw[at] | raw[at + 1] << 8
        if value == _ABSENT:
            value = _NA
        elif value > 0x7FFF:
            value = value - 0x10000
        into[n] = value
        at += 2
        n += 1


class SimulatedAfe:
    def __init__(self, link):
        self.link = link
        self._scan = -1
        self.comms_age = 0
        self.open_wires = 0
        self.hard_trip = 0
        self.config_ok = True
        self._wide = array("i", [0] * _WIDE)

    def read_into(self, m):
        """Fills the readings of `m` (mV, mA, 0.1 degC, NA where missing); True when a new conversion is proven."""
        b = self.link.reading
        wide = self._wide
        wide_numbers(b, wide)
        m.pack_mv = wide[0]
        m.link_mv = wide[1]
        m.current_ma = wide[2]
        m.second_ma = wide[3]
        value = b[24] | b[25] << 8
        m.supply_mv = NA if value == 0xFFFF else value
        value = b[26] | b[27] << 8
        m.insulation_kohm = NA if value == 0xFFFF else value
        value = b[28]
        m.humidity_percent = NA if value == 0xFF else value
        self.comms_age = b[29]
        self.open_wires = b[30]
        self.hard_trip = b[31]
        self.config_ok = b[7] & 0x20 != 0
        cells = len(m.cell_mv)
        short_numbers(b, READING_HEAD, m.cell_mv, cells)
        short_numbers(b, READING_HEAD + 2 * cells, m.temp_dc, len(m.temp_dc))
        scan = b[4] | b[5] << 8
        fresh = self._scan >= 0 and scan != self._scan
        self._scan = scan
        return fresh
