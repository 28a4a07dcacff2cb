"""Which sense wires of a BQ76952 are open, from the cells alone.

Once every CHECK_S the chip draws charge from each input above VC0. An input whose wire is off sinks from check to
check: the cell below it falls, the one above rises by the same. A wire is found when its two cells are further apart
than two cells within the pack's limits can be and their mean is still that of the others; or when one is above every
plausible cell and the other below the pack's trip. At the ends there is one cell: its wire is found when that cell
alone is below every plausible one, which an end cell that is dead looks like too.
"""

from drivers.const import const

CHECK_S = 1  # 0 would switch the check off
_ENOUGH = const(3)  # conversions in a row that find a wire, or find it sound again


class OpenWires:
    """`count` wires are open; `mask` has the bit of each cell that touches one. Wire k lies below cell k, from 0."""

    def __init__(self, cells):
        self.count = 0
        self.mask = bytearray(16)
        self._cells = cells
        self._runs = bytearray(cells + 1)  # up to _ENOUGH: found so often; above, open: what is left until sound
        self._doubt = False
        self._low_mv = self._high_mv = self._under_mv = self._split_mv = 0

    def take(self, limits):
        """Before a start: the pack's bounds. Nothing is known of the wires then."""
        self._low_mv = limits.CELL_LOW_MV
        self._high_mv = limits.CELL_HIGH_MV
        self._under_mv = limits.TRIP[1]
        self._split_mv = limits.TRIP[0] - limits.TRIP[1]
        self._doubt = False
        for i in range(self._cells + 1):
            self._runs[i] = 0
        self._tell()

    def judge(self, cell_mv):
        """Takes the cells of a new conversion."""
        low = min(cell_mv)
        if not self._doubt and low >= self._low_mv and max(cell_mv) - low <= self._split_mv:
            return
        total = 0
        for i in range(self._cells):
            total += cell_mv[i]
        runs = self._runs
        self._doubt = False
        for wire in range(self._cells + 1):
            run = runs[wire]
            if self._found(wire, cell_mv, total):
                run = run + 1 if run < _ENOUGH - 1 else 2 * _ENOUGH
            else:
                run = run - 1 if run > _ENOUGH + 1 else 0
            runs[wire] = run
            self._doubt = self._doubt or run > 0
        self._tell()

    def _found(self, wire, cell_mv, total):
        if wire == 0:
            return cell_mv[0] < self._low_mv <= cell_mv[1] <= self._high_mv
        below = cell_mv[wire - 1]
        if wire == self._cells:
            return below < self._low_mv <= cell_mv[wire - 2] <= self._high_mv
        above = cell_mv[wire]
        lower = min(below, above)
        higher = max(below, above)
        if higher > self._high_mv and lower < self._under_mv:
            return True
        pair = below + above
        return (higher - lower > self._split_mv
                and abs(pair - 2 * (total - pair) // (self._cells - 2)) <= self._split_mv >> 1)

    def _tell(self):
        mask = self.mask
        for i in range(16):
            mask[i] = 0
        count = 0
        for wire in range(self._cells + 1):
            if self._runs[wire] > _ENOUGH:
                count += 1
                if wire:
                    mask[wire - 1 >> 3] |= 1 << (wire - 1 & 7)
                if wire < self._cells:
                    mask[wire >> 3] |= 1 << (wire & 7)
        self.count = count
