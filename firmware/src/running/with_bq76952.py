"""A pack of 3 to 16 cells behind one BQ76952: it measures the current, and drives the FETs where there are any.

Where the pack compares two currents the second comes from an INA228 on a shunt of its own. Every number here is how the
wires of this project's drawings lie (docs/wiring.md).
"""

from drivers.bq76952 import Bq76952
from drivers.ina228 import Ina228
from generated.codec import REASON_CURRENT_DISAGREEMENT
from node.measure import NEVER

SHUNT_MICRO_OHM = 250  # 75 mV at 300 A
SECOND_SHUNT_MICRO_OHM = 250
SECOND_ADDRESS = 0x40
SECOND_FULL_SCALE_MA = 400000
THERMISTORS = (3, 5, 6, 7)  # TS1, TS3, HDQ, DCHG; not TS2, which keeps the chip out of ship mode
CRC = True  # a part whose bus has checks


def inputs(cells):
    """Cells lie on the lowest inputs, the top one on 16: unused inputs in between are bridged."""
    return tuple(list(range(1, cells)) + [16])


def make(limits, board, clock):
    """The monitor, no current sensor beside it, and the second current where the pack needs it."""
    i2c = board.i2c()
    monitor = Bq76952(i2c, inputs(limits.CELLS), THERMISTORS[:limits.SENSORS], SHUNT_MICRO_OHM, crc=CRC,
                      recovery=board.recovery(clock), clock=clock)
    second = None
    if limits.TRIP[REASON_CURRENT_DISAGREEMENT] != NEVER:
        second = Ina228(i2c, SECOND_ADDRESS, SECOND_SHUNT_MICRO_OHM, SECOND_FULL_SCALE_MA)
    return monitor, None, second
