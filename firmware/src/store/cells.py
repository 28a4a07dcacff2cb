"""The calibration of many cells."""

from node.machine_code import const, micropython, ptr32

_MOST_MV = const(16382)  # what the bus can tell; times 50,000 ppm it stays below 2^30. NA is beyond it


@micropython.viper
def correct_cells(cell_mv: ptr32, gain_ppm: ptr32, offset_mv: ptr32, count: int):
    """Corrects the first `count` cells in place, rounded to the nearest mV."""
    for i in range(count):
        mv = cell_mv[i]
        if mv >= -_MOST_MV and mv <= _MOST_MV:
            cell_mv[i] = mv + (mv * gain_ppm[i] + 500000) // 1000000 + offset_mv[i]
