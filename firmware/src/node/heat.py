"""The heating relay: warms cold cells so that they can be charged, and is off whenever that is not certain."""


class Heat:
    """`on` is what is commanded."""

    def __init__(self, limits):
        self.limits = limits
        self.on = 0
        self._time = 0
        self._rest = 0

    def step(self, m, periods):
        limits = self.limits
        if not limits.HEATER:
            return
        if self._rest > 0:
            self._rest = max(0, self._rest - periods)
        if not m.known or m.temp_max_dc > limits.HEATER_HOTTEST_DC or m.cell_min_mv < limits.HEATER_CELL_FLOOR_MV:
            self.on = 0  # the time goes on from where it was: a lost reading must not buy another four hours
        elif self.on:
            self._time += periods
            if m.temp_min_dc > limits.HEATER_OFF_ABOVE_DC:
                self._off()
            elif self._time >= limits.HEATER_MAX_ON_CYCLES:
                self._off()
                self._rest = limits.HEATER_REST_CYCLES
        elif self._rest == 0 and m.temp_min_dc < limits.HEATER_ON_BELOW_DC:
            self.on = 1

    def _off(self):
        self.on = 0
        self._time = 0
