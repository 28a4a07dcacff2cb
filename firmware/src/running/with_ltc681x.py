"""A pack behind a chain of LTC6811: the current and the link's voltage come from an INA228, the pack's from a divider.

The monitors cut nothing off: the fuse cuts a short, contactors cut the rest. Every number here is how the wires of this
project's drawings lie (docs/wiring.md).
"""

from drivers.ina228 import LINK, Ina228
from drivers.ltc681x import Ltc681x
from generated.codec import REASON_CURRENT_DISAGREEMENT
from node.measure import NEVER

INPUTS = 12  # of an LTC6811; 18 of an LTC6813 or ADBMS1818
CELLS_OF_A_CHIP = 7  # at most; more chips when there are more cells
SHUNT_MICRO_OHM = 250
CURRENT_ADDRESS = 0x40
SECOND_ADDRESS = 0x41
FULL_SCALE_MA = 400000
# 10 kohm thermistor, beta 3435, below 10 kohm to VREF2: parts in 10,000 of VREF2, and 0.1 degC
NTC = ((582, 720, 898, 1128, 1425, 1808, 2296, 2586, 2908, 3265, 3654, 4076, 4526, 5000, 5490, 5986, 6480, 6960, 7416,
        7840, 8223, 8563, 8857, 9312, 9613),
       (1200, 1100, 1000, 900, 800, 700, 600, 550, 500, 450, 400, 350, 300, 250, 200, 150, 100, 50, 0,
        -50, -100, -150, -200, -300, -400))


def spread(count, chips):
    """(chip, place) of each cell or thermistor: as many on each chip, the last one may have fewer."""
    each = (count + chips - 1) // chips
    return tuple([(n // each, n % each + 1) for n in range(count)])


def make(limits, board, clock):
    """The monitors, the current sensor, and the second one where the pack needs it."""
    spi, cs = board.chain()
    chips = (limits.CELLS + CELLS_OF_A_CHIP - 1) // CELLS_OF_A_CHIP
    monitor = Ltc681x(spi, cs, chips, INPUTS, spread(limits.CELLS, chips), spread(limits.SENSORS, chips), NTC,
                      clock=clock)
    i2c = board.i2c()
    current = Ina228(i2c, CURRENT_ADDRESS, SHUNT_MICRO_OHM, FULL_SCALE_MA, bus=LINK, alert=board.alert())
    second = None
    if limits.TRIP[REASON_CURRENT_DISAGREEMENT] != NEVER:
        second = Ina228(i2c, SECOND_ADDRESS, SHUNT_MICRO_OHM, FULL_SCALE_MA)
    return monitor, current, second
