"""Bleeds the higher cells, only while the gateway allows it and the pack is cool; never two neighbours at once."""

UPDATE_CYCLES = 10


class Balance:
    """`mask` has one bit a cell, cell 0 first; `active` is 1 while any is set."""

    def __init__(self, limits):
        self.limits = limits
        self.mask = bytearray(16)
        self.active = 0
        self._time = 0
        self._turn = 0

    def step(self, m, allowed, periods):
        limits = self.limits
        if not (allowed and limits.BALANCING and m.known and m.temp_max_dc <= limits.BALANCE_HOTTEST_DC
                and m.cell_max_mv > limits.BALANCE_START_MV):
            if self.active:
                self._clear()
            self._time = 0
            return
        self._time += periods
        if self._time >= UPDATE_CYCLES or not self.active:
            self._time = 0
            self._choose(m)

    def _choose(self, m):
        self._clear()
        self._turn ^= 1
        for i in range(self._turn, self.limits.CELLS, 2):
            mv = m.cell_mv[i]
            if mv > self.limits.BALANCE_START_MV and mv - m.cell_min_mv > self.limits.BALANCE_SPREAD_MV:
                self.mask[i >> 3] |= 1 << (i & 7)
                self.active = 1

    def _clear(self):
        for i in range(16):
            self.mask[i] = 0
        self.active = 0
