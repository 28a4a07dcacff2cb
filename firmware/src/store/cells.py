"""The calibration of many cells. On a 32-bit MicroPython the loop is viper code, compiled where it runs; elsewhere the
plain one beside it gives the same numbers.
"""

import sys

from drivers.const import const

_MOST_MV = const(16382)  # what the bus can tell; times 50,000 ppm it stays below 2^30. NA is beyond it


def correct_plain(cell_mv, gain_ppm, offset_mv, count):
    """Corrects the first `count` cells in place, rounded to the nearest mV."""
    for i in range(count):
        mv = cell_mv[i]
        if -_MOST_MV <= mv <= _MOST_MV:
            cell_mv[i] = mv + (mv * gain_ppm[i] + 500000) // 1000000 + offset_mv[i]


_VIPER = """
@micropython.viper
def correct_cells(cell_mv: ptr32, gain_ppm: ptr32, offset_mv: ptr32, count: int):
    for i in range(count):
        mv = cell_mv[i]
        if mv >= -16382 and mv <= 16382:
            cell_mv[i] = mv + (mv * gain_ppm[i] + 500000) // 1000000 + offset_mv[i]
"""

correct_cells = correct_plain
if sys.implementation.name == "micropython" and sys.maxsize >> 32 == 0:  # on 64 bits viper reads no negative 32
    try:
        _names = {}
        exec(_VIPER, _names)
        correct_cells = _names["correct_cells"]
    except (NameError, SyntaxError):  # a build without native code
        pass
