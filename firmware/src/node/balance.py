"""Bleeds the higher cells, only while the gateway allows it and the pack is cool; never two neighbours at once.

Each cell has a budget: a cell that wants bleeding for hours every day is failing, not unbalanced.
"""

from array import array

from node.machine_code import micropython, ptr8, ptr32

UPDATE_CYCLES = 10
DAY_UPDATES = 86400


@micropython.viper
def account(used: ptr32, mask: ptr8, count: int, cycles: int, back: int):
    """Adds `cycles` to what each cell of `mask` has used, and takes `back` from every cell's, down to 0."""
    i = 0
    while i < count:
        spent = used[i] - back
        if mask[i >> 3] >> (i & 7) & 1:
            spent += cycles
        used[i] = spent if spent > 0 else 0
        i += 1


class Balance:
    """`mask` has one bit a cell, cell 0 first; `active` is 1 while any is set."""

    def __init__(self, limits):
        self.limits = limits
        self.mask = bytearray(16)
        self.active = 0
        self._used = array("i", [0] * limits.CELLS)  # cycles of bleeding a cell has had, less what the day gave back
        self._back = 0
        self._time = 0
        self._budget_time = 0
        self._turn = 0

    def step(self, m, allowed, periods):
        limits = self.limits
        if not limits.BALANCING:
            return
        self._budget_time += periods
        if self._budget_time >= UPDATE_CYCLES:
            self._account(self._budget_time)
            self._budget_time = 0
        if not (allowed and m.known and m.temp_max_dc <= limits.BALANCE_HOTTEST_DC
                and m.cell_max_mv > limits.BALANCE_START_MV):
            if self.active:
                self._clear()
            self._time = 0
            return
        self._time += periods
        if self._time >= UPDATE_CYCLES or not self.active:
            self._time = 0
            self._choose(m)

    def _account(self, cycles):
        """Charges each cell's account with what it was bled, and gives everybody back a day's share."""
        self._back += self.limits.BALANCE_BUDGET_CYCLES
        back = self._back // DAY_UPDATES
        self._back %= DAY_UPDATES
        account(self._used, self.mask, self.limits.CELLS, cycles, back)

    def _choose(self, m):
        self._clear()
        self._turn ^= 1
        for i in range(self._turn, self.limits.CELLS, 2):
            mv = m.cell_mv[i]
            if (mv > self.limits.BALANCE_START_MV and mv - m.cell_min_mv > self.limits.BALANCE_SPREAD_MV
                    and self._used[i] < self.limits.BALANCE_BUDGET_CYCLES):
                self.mask[i >> 3] |= 1 << (i & 7)
                self.active = 1

    def _clear(self):
        for i in range(16):
            self.mask[i] = 0
        self.active = 0
