"""How often each row of the limit table tripped, when first and last, and the worst value it saw."""

from array import array

from node.machine_code import const, micropython, ptr32
from node.measure import NA

NO_ROW = const(255)
COUNT, FIRST_BOOT, LAST_BOOT, FIRST_MINUTES, LAST_MINUTES, WORST = range(6)  # numbers of a row in `table`
NUMBERS = const(6)
_MOST = const(0x1FFFFFFF)


@micropython.viper
def noted_after(table: ptr32, rows: int, row: int) -> int:
    """The next row after `row` that has ever tripped, round the end of the table; NO_ROW when none has."""
    n = 1
    while n <= rows:
        at = (row + n) % rows
        if table[NUMBERS * at]:
            return at
        n += 1
    return NO_ROW


class Trips:
    """`sign` is the limits' column SIGN: how many rows there are, and which way each gets worse. Allocates nothing."""

    def __init__(self, sign):
        self.sign = sign
        self.rows = len(sign)
        self.table = array("i", [0] * (NUMBERS * self.rows))

    def get(self, row, what):
        """One number of a row that was noted: COUNT (held at 255), ..., WORST; minutes and worst may be NA."""
        return self.table[NUMBERS * row + what]

    def note(self, row, value, minutes, boot):
        """Counts a trip: its value (NA when unknown), the wall time in minutes (or NA) and the number of the boot."""
        table = self.table
        at = NUMBERS * row
        if table[at] == 0:
            table[at + 1] = boot
            table[at + 3] = minutes
            table[at + 5] = NA
        if table[at] < 255:
            table[at] += 1
        table[at + 2] = boot
        table[at + 4] = minutes
        self.worse(row, value)

    def worse(self, row, value):
        """Keeps `value` when it is the worst yet of a row that was noted; True when it is."""
        at = NUMBERS * row + 5
        before = self.table[at]
        if value == NA or (before != NA and (value <= before if self.sign[row] > 0 else value >= before)):
            return False
        self.table[at] = min(_MOST, max(-_MOST, value))
        return True

    def next(self, row):
        """The next row after `row` that has ever tripped, round the end of the table; NO_ROW when none has."""
        return noted_after(self.table, self.rows, row)
