"""Looks after every opening whether the outputs have really opened: ok, welded, or not determinable.

Contacts are welded when current flows or an auxiliary contact is closed although everything is open. They are proved
open by a link that leaves the pack's voltage; inverter capacitors and packs in parallel may hold it where it is.
"""

from node.contactor import STILL_MA
from node.measure import NA

OK = 0
WELDED = 1
NOT_DETERMINABLE = 2
PENDING = 3
SETTLE_CYCLES = 5  # contacts and current need this long to follow the command


class Weld:
    """`result` is one of the four above, as PackState.WeldCheck says it."""

    def __init__(self, limits):
        self.limits = limits
        self.result = PENDING
        self._time = 0

    def step(self, m, commanded, feedback, feedback_known, periods):
        """One cycle; `commanded` and `feedback` have the bits of the paths and 4 for precharge."""
        if commanded:
            self.result = PENDING
            self._time = 0
            return
        limits = self.limits
        if self._time <= limits.WELD_WAIT_CYCLES:
            self._time += periods
        if self._time <= SETTLE_CYCLES:
            return
        own_ma = 0 if limits.HEATER_FROM_LINK else limits.HEATER_MA  # what the heater draws although everything is open
        flows = m.current_ma != NA and abs(m.current_ma) >= STILL_MA + own_ma
        if flows or (feedback_known and feedback):
            self.result = WELDED
        elif (m.known and m.link_mv != NA and abs(m.pack_mv - m.link_mv) > limits.PRECHARGE_DIFFERENCE_MV
                and (feedback_known or not limits.PORTS)):  # a charge port of its own is not on the link
            self.result = OK
        elif self.result != OK:
            self.result = NOT_DETERMINABLE if self._time > limits.WELD_WAIT_CYCLES else PENDING
