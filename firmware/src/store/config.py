"""What makes a node this node: its number, its serial, and the calibration of its sensors, which it applies.

How it is stored and what is out of bounds is config_form's, which a running node does not keep in memory.
"""

from array import array

from drivers.const import const
from node.measure import NA

_MOST_MA = const(2000000)  # as node.measure caps it


class Config:
    """`sound` is False where the node has to stay open, and `reason` then says why in words."""

    def __init__(self, limits):
        self.limits = limits
        self.number = 0
        self.serial = ""
        self.commissioned = b""  # id of the record of `2lbms node check` that it passed under these limits
        self.hash_low = self.hash_high = 0  # of the limits it was made for
        self.sound = False
        self.reason = "no configuration is stored"
        self.reset()

    def reset(self):
        """No calibration."""
        self.cell_gain_ppm = array("i", [0] * self.limits.CELLS)
        self.cell_offset_mv = array("i", [0] * self.limits.CELLS)
        self.temp_offset_dc = array("i", [0] * self.limits.SENSORS)
        self.current_gain_ppm = self.current_offset_ma = 0
        self.arm()

    def arm(self):
        """Notes what there is to correct, so that a cycle without calibration costs nothing."""
        self._cells = None
        if any(self.cell_gain_ppm) or any(self.cell_offset_mv):
            from store.cells import correct_cells  # few nodes need it

            self._cells = correct_cells
        self._temps = any(self.temp_offset_dc)
        self._current = self.current_gain_ppm != 0 or self.current_offset_ma != 0

    def give_cells(self, bank):
        """Hands the cells' calibration to a driver that applies it before it takes differences (drivers.adc_bank)."""
        for i in range(self.limits.CELLS):
            bank.gain_ppm[i] = self.cell_gain_ppm[i]
            bank.offset_mv[i] = self.cell_offset_mv[i]
        self._cells = None

    def give_current(self, sensor):
        """Hands the current's calibration to a driver that applies it itself (drivers.ina228)."""
        sensor.gain_ppm = self.current_gain_ppm
        sensor.offset_ma = self.current_offset_ma
        self._current = False

    def correct(self, m):
        """Corrects the readings of `m` in place, allocating nothing: once a cycle, when the drivers have filled all."""
        if self._cells is not None:
            self._cells(m.cell_mv, self.cell_gain_ppm, self.cell_offset_mv, len(self.cell_gain_ppm))
        if self._current and m.current_ma != NA:
            m.current_ma = self._corrected(min(_MOST_MA, max(-_MOST_MA, m.current_ma)))
        if self._temps:
            offset = self.temp_offset_dc
            for i in range(len(offset)):
                if m.temp_dc[i] != NA:
                    m.temp_dc[i] += offset[i]

    def _corrected(self, ma):
        """Two products below 2^30: whole amperes, and what is left of them."""
        amperes = ma // 1000
        gain = self.current_gain_ppm
        return ma + (amperes * gain + (ma - 1000 * amperes) * gain // 1000 + 500) // 1000 + self.current_offset_ma
