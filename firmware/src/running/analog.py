"""A voltage at one of the microcontroller's own inputs as a number of some unit, by a table of two or more points.

For what no limit of a cell hangs on: the coils' supply, humidity, insulation, the pack's own divider.
"""

from drivers.const import const
from node.measure import NA

_SHIFT = const(3)  # 13 bits are kept: times 100,000 they stay below 2^30


class AnalogInput:
    """`counts` of 16 bits, rising, and the `values` there; straight between them, not available outside.

    `adc` has read_u16(). Each reading is the mean of four. `errors` counts those that raised.
    """

    def __init__(self, adc, counts, values):
        self.adc = adc
        self.counts = counts
        self.values = values
        self.errors = 0

    def read(self):
        """The value, or NA."""
        try:
            count = 0
            for _ in range(4):
                count += self.adc.read_u16()
        except OSError:
            self.errors += 1
            return NA
        count >>= 2
        counts = self.counts
        last = len(counts) - 1
        if count < counts[0] or count > counts[last]:
            return NA
        i = 1
        while i < last and counts[i] < count:
            i += 1
        low = counts[i - 1]
        span = counts[i] - low >> _SHIFT
        at = self.values[i - 1]
        return at + ((self.values[i] - at) * (count - low >> _SHIFT) + (span >> 1)) // span
