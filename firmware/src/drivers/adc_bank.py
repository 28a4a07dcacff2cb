"""Eight divider taps on the microcontroller's own converter, for a plain eight-cell pack: cells, pack, link, NTCs.

Tap k measures the sum of cells 1 to k; a cell is the difference of two neighbours, so its error is that of two taps.
`error_mv` says how much that is, and a bank does not start on an image whose limits do not allow for it. It cannot
balance, protects nothing by itself, and has no fast trip. Every converter reading is started by this driver and
counted: `samples` is the proof of a new conversion, a channel of known voltage the proof that the converter lives.
"""

from array import array

from node.measure import NA

from drivers.const import const

OK = 0
ERROR_SHAPE = 1  # taps or thermistors are not as many as the pack's cells or sensors
ERROR_CALIBRATION = 2  # beyond the pack's bounds
ERROR_BUDGET = 3  # the image's limits do not allow for this bank's error
ERROR_REFERENCE = 4  # the known voltage does not read as known

_NEAR_TOP = const(1043300)  # 0.995 of the 2^20 sums are scaled to: the lower resistor is off, or the tap too high
_OPEN_MV = const(250)  # a tap this low: its pull-down, the lower resistor, has it alone
_ORDER_MV = const(200)  # a tap may read this much below its neighbour; no cell is so far below zero
_MOST_SHIFT = const(10)


class AdcBank:
    """`taps` are ADCs, lowest first, `full_mv` the voltage each reads at full scale. `ntcs` are drivers.ntc.Ntc.

    `known` is an ADC on a voltage that must read from `known_low` to `known_high` of 65535. `pack` and `link`, when
    fitted, are own dividers with their full scales. Each reading is the mean of 2**shift conversions.
    """

    def __init__(self, taps, full_mv, ntcs, budget, known, known_low, known_high, pack=None, pack_full_mv=0, link=None,
                 link_full_mv=0, shift=4):
        self.cells = len(taps)
        self.budget = budget
        self.ntcs = ntcs
        self.known_low = known_low
        self.known_high = known_high
        self.shift = min(shift, _MOST_SHIFT)
        self.gain_ppm = array("i", [0] * self.cells)  # calibration, set before start()
        self.offset_mv = array("i", [0] * self.cells)
        self.samples = 0  # complete rounds of all channels, wrapping
        self.comms_age = 0
        self.open_wires = 0
        self.open_wire_mask = bytearray(16)  # bit n: the wire at the top of cell n
        self.hard_trip = 0
        self.config_ok = False
        self.errors = 0
        self._has_pack = pack is not None
        self._has_link = link is not None
        channels = list(taps) + [pack, link] + [ntc.adc for ntc in ntcs] + [known]
        self._channels = channels
        self._sums = array("i", [0] * len(channels))
        full = list(full_mv) + [pack_full_mv, link_full_mv]
        self._full = array("i", [(mv * 65536 + 32767) // 65535 for mv in full])  # what 2^20 of a scaled sum is
        self._tap_mv = array("i", [0] * self.cells)
        self._bad = bytearray(self.cells)

    def error_mv(self, cell):
        """The most the reading of `cell` (from 0) can be off, mV."""
        return self.budget.error_mv(cell)

    def worst_error_mv(self):
        """ADC_ERROR_MV: what the pack's limits must allow for."""
        return max([self.error_mv(cell) for cell in range(self.cells)])

    def start(self, limits):
        """Checks shape, calibration, budget and the known voltage: 0 or an ERROR_ code."""
        self.config_ok = False
        if self.cells != limits.CELLS or len(self.ntcs) != limits.SENSORS:
            return ERROR_SHAPE
        for k in range(self.cells):
            if abs(self.gain_ppm[k]) > limits.CAL_GAIN_PPM_MAX or abs(self.offset_mv[k]) > limits.CAL_OFFSET_MV_MAX:
                return ERROR_CALIBRATION
        if getattr(limits, "ADC_ERROR_MV", 0) < self.worst_error_mv():
            return ERROR_BUDGET
        if not self._sweep() or not self._known_good():
            return ERROR_REFERENCE
        self.config_ok = True
        return OK

    def read_into(self, m):
        """Fills cells and temperatures, and pack and link where they have dividers; True for a whole new round."""
        fresh = self.config_ok and self._sweep() and self._known_good()
        if fresh:
            self.comms_age = 0
            self._take_taps()
        else:
            self.comms_age += 1
        for n in range(self.cells):
            m.cell_mv[n] = self._cell(n) if fresh else NA
        for n in range(len(self.ntcs)):
            count = self._sums[self.cells + 2 + n] >> self.shift
            m.temp_dc[n] = self.ntcs[n].read(count) if fresh else NA
        if self._has_pack:
            m.pack_mv = self._voltage(self.cells) if fresh else NA
        if self._has_link:
            m.link_mv = self._voltage(self.cells + 1) if fresh else NA
        return fresh

    def balance(self, mask):
        """A divider bank has no switches."""

    def _sweep(self):
        """2**shift rounds over all channels, so that all are averaged over the same time; False when one failed."""
        sums = self._sums
        channels = self._channels
        for k in range(len(sums)):
            sums[k] = 0
        try:
            for _ in range(1 << self.shift):
                for k in range(len(sums)):
                    if channels[k] is not None:
                        sums[k] += channels[k].read_u16()
        except OSError:
            self.errors += 1
            return False
        self.samples = self.samples + 1 & 0xFFFF
        return True

    def _known_good(self):
        """A converter that repeats one channel, or has another reference, does not read the known voltage."""
        count = self._sums[len(self._sums) - 1] >> self.shift
        if self.known_low <= count <= self.known_high:
            return True
        self.errors += 1
        return False

    def _scaled(self, k):
        """A sum as 20 bits."""
        return self._sums[k] << 4 - self.shift if self.shift < 4 else self._sums[k] >> self.shift - 4

    def _voltage(self, k):
        """mV of a channel: sum * full scale / 2^20 in two products below 2^30; NA at full scale."""
        scaled = self._scaled(k)
        if scaled >= _NEAR_TOP:
            return NA
        full = self._full[k]
        return (scaled * (full >> 8) + (scaled * (full & 0xFF) >> 8) + 2048) >> 12

    def _take_taps(self):
        """Calibrated taps, and which of their wires are off: the divider pulls an open one to ground."""
        for k in range(self.cells):
            mv = self._voltage(k)
            if mv != NA:
                mv += (mv * self.gain_ppm[k] + 500000) // 1000000 + self.offset_mv[k]
            self._tap_mv[k] = mv
            self._bad[k] = mv < _OPEN_MV
        below = 0
        for k in range(self.cells):
            if self._bad[k]:
                continue
            if self._tap_mv[k] < self._tap_mv[below] - _ORDER_MV:
                self._bad[k] = self._bad[below] = 1  # one of the two is wrong, and nothing says which
            below = k
        self._count_open()

    def _count_open(self):
        mask = self.open_wire_mask
        mask[0] = mask[1] = 0
        self.open_wires = 0
        for k in range(self.cells):
            if self._bad[k]:
                self.open_wires += 1
                mask[k >> 3] |= 1 << (k & 7)

    def _cell(self, n):
        """The difference of two taps, NA when either is not to be believed."""
        if self._bad[n] or (n and self._bad[n - 1]):
            return NA
        return self._tap_mv[n] - (self._tap_mv[n - 1] if n else 0)
