"""A simulated front-end chip: its registers are filled by the plant, its driver reads them as a real one would.

A conversion is new when the scan counter has moved; that the values changed proves nothing.
"""

from node.measure import NA

from drivers.plant_link import READING_HEAD, i32

_ABSENT = 0x8000


class SimulatedAfe:
    def __init__(self, link):
        self.link = link
        self._scan = -1
        self.comms_age = 0
        self.open_wires = 0
        self.hard_trip = 0
        self.config_ok = True

    def read_into(self, m):
        """Fills the readings of `m` (mV, mA, 0.1 degC, NA where missing); True when a new conversion is proven."""
        b = self.link.reading
        m.pack_mv = self._known(i32(b, 8))
        m.link_mv = self._known(i32(b, 12))
        m.current_ma = self._known(i32(b, 16))
        m.second_ma = self._known(i32(b, 20))
        m.supply_mv = self._word(b, 24)
        m.insulation_kohm = self._word(b, 26)
        m.humidity_percent = NA if b[28] == 0xFF else b[28]
        self.comms_age = b[29]
        self.open_wires = b[30]
        self.hard_trip = b[31]
        self.config_ok = b[7] & 0x20 != 0
        cells = len(m.cell_mv)
        for i in range(cells):
            m.cell_mv[i] = self._short(b, READING_HEAD + 2 * i)
        for i in range(len(m.temp_dc)):
            m.temp_dc[i] = self._short(b, READING_HEAD + 2 * (cells + i))
        scan = b[4] | b[5] << 8
        fresh = self._scan >= 0 and scan != self._scan
        self._scan = scan
        return fresh

    def _known(self, value):
        return NA if value <= NA else value

    def _word(self, b, at):
        value = b[at] | b[at + 1] << 8
        return NA if value == 0xFFFF else value

    def _short(self, b, at):
        value = b[at] | b[at + 1] << 8
        if value == _ABSENT:
            return NA
        return value - 0x10000 if value > 0x7FFF else value
