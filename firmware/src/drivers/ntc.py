"""A thermistor to ground below a pull-up of its own 25 degC value, read as a ratio: the supply cancels out.

Counts of 16 bits become 0.1 degC by a table with straight lines between its points, without floats. Open, shorted
and leaping readings are NA. It knows no pack limit; the type of thermistor is the board's.
"""

from node.measure import NA

from drivers.const import const

# 65535 * R / (R + R25) with R = R25 * exp(beta * (1/T - 1/298.15)), each 5 K from -40 to 120 degC.
BETA_3435 = (
    62998, 62126, 61029, 59678, 58047, 56120, 53893, 51377, 48603, 45614, 42468, 39232, 35977, 32768, 29664, 26712,
    23949, 21394, 19060, 16947, 15049, 13355, 11850, 10518, 9342, 8306, 7394, 6593, 5887, 5267, 4721, 4239, 3814)
BETA_3950 = (
    63944, 63287, 62417, 61288, 59855, 58079, 55932, 53405, 50511, 47293, 43816, 40170, 36454, 32768, 29202, 25830,
    22706, 19860, 17306, 15040, 13049, 11313, 9807, 8507, 7387, 6423, 5596, 4885, 4273, 3747, 3293, 2902, 2563)

_FIRST_DC = const(-400)
_STEP_DC = const(50)
_OPEN = const(64224)  # 0.98 of 65535
_SHORT = const(1311)  # 0.02
_LEAP_DC = const(5)  # 5 K/s at ten readings a second; no cell does that
_STEADY = const(20)  # steady readings after which a leap is the truth: later than implausible_reading's delay


def to_dc(table, count):
    """0.1 degC of a 16-bit ratio, or NA for an open or shorted thermistor. Beyond the table its end is given."""
    if count > _OPEN or count < _SHORT:
        return NA
    last = len(table) - 1
    if count >= table[0]:
        return _FIRST_DC
    if count <= table[last]:
        return _FIRST_DC + last * _STEP_DC
    low = 0
    while last - low > 1:
        middle = (low + last) >> 1
        if table[middle] >= count:
            low = middle
        else:
            last = middle
    span = table[low] - table[last]
    return _FIRST_DC + low * _STEP_DC + ((table[low] - count) * _STEP_DC + (span >> 1)) // span


class Ntc:
    """One thermistor on `adc`. `read` is called once a cycle of 100 ms."""

    def __init__(self, adc, table):
        self.adc = adc
        self.table = table
        self._believed_dc = NA
        self._last_dc = NA
        self._steady = 0  # readings that followed each other since a leap

    def read(self, count):
        """0.1 degC of this cycle's ratio, or NA: open, shorted, or leapt away from what was believed."""
        dc = to_dc(self.table, count)
        follows = dc != NA and self._last_dc != NA and abs(dc - self._last_dc) <= _LEAP_DC
        self._last_dc = dc
        self._steady = self._steady + 1 if follows else 0
        if dc == NA:
            return NA
        if self._believed_dc != NA and abs(dc - self._believed_dc) > _LEAP_DC and self._steady < _STEADY:
            return NA
        self._believed_dc = dc
        return dc
