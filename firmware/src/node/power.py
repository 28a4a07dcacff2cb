"""The node's own draw when nobody charges: an empty pack in winter is killed by its electronics as surely as by a load.

The heater goes first (its cell floor and its budget), then the outputs with their coils (under-voltage), then the node
itself: asleep nothing is measured. A charger, the key or the timer wakes it, and it begins as after a boot: open.
"""

from generated.codec import REASON_CELL_UNDER_VOLTAGE as UNDER_VOLTAGE
from generated.codec import REASON_DEEP_DISCHARGE as DEEP_DISCHARGE

from node.contactor import STILL_MA

LOOK_CYCLES = 600  # after the timer has woken it the node looks for a charger this long


class Power:
    """`asleep` is 0 or 1."""

    def __init__(self, limits, woken_by_timer=False):
        self.limits = limits
        self.asleep = 0
        self._patience = LOOK_CYCLES if woken_by_timer else limits.SLEEP_AFTER_CYCLES
        self._time = 0

    def step(self, m, protect, contactor, charger, key, periods):
        """Awake: goes to sleep when an empty pack has waited long enough for a charger."""
        empty = protect.state[UNDER_VOLTAGE] or protect.state[DEEP_DISCHARGE]
        fed = charger or key or (m.known and m.current_ma >= STILL_MA)  # less may be the sensor's own offset
        if not empty or fed or contactor.paths & 2:
            self._time = 0
            if not empty:
                self._patience = self.limits.SLEEP_AFTER_CYCLES
            return
        self._time += periods
        if self._time >= self._patience:
            self._time = 0
            self.asleep = 1
            contactor.sleep()

    def doze(self, contactor, charger, key, periods):
        """Asleep: wakes by a charger, the key or the timer."""
        self._time += periods
        late = self._time >= self.limits.WAKE_EVERY_CYCLES
        if charger or key or late:
            self._time = 0
            self._patience = LOOK_CYCLES if late and not charger and not key else self.limits.SLEEP_AFTER_CYCLES
            self.asleep = 0
            contactor.boot()
