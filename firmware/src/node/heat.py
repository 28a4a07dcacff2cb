"""The heating relay: warms cold cells so that they can be charged, and is off whenever that is not certain."""

from node.contactor import STILL_MA
from node.measure import NA

WH = 36000  # watt cycles of 100 ms
SETTLE_CYCLES = 5  # the relay and the current need this long to follow the command
WARMING = 1
RESTING = 2


class Heat:
    """`on` is what is commanded, `stuck` and `no_rise` are what the limit table judges."""

    def __init__(self, limits):
        self.limits = limits
        self.on = 0
        self.stuck = 0
        self.no_rise = 0
        self.energy_wh = 0
        self._energy = 0  # watt cycles below one watt hour
        self._spent = 0  # watt cycles of heat since the pack was last charged
        self._broke = False  # the budget is used up, and an eighth of it has not been charged back yet
        self._time = 0
        self._rest = 0
        self._off_time = 0
        self._warms_alone = 0
        self._watch = 0  # WARMING, RESTING or nothing
        self._watched = 0
        self._watched_from_dc = NA

    @property
    def spent_j(self):
        """Heat since the pack was last charged, J."""
        return self._spent // 10

    def resume(self, energy_wh, spent_j):
        """Goes on from what an earlier life of the node had used."""
        self.energy_wh = energy_wh & 0xFFFFFF
        self._spent = spent_j * 10

    def step(self, m, measured_on, measured_known, paths, forbidden, periods):
        """One cycle; `measured_on` is the relay's feedback, `forbidden` is true where a rule or sleep forbids heat."""
        limits = self.limits
        if not limits.HEATER:
            return
        self._count(m, measured_on, periods)
        self._observe(m, measured_on, paths, periods)
        self._judge_stuck(m, measured_on and measured_known, paths, periods)
        if self._rest > 0:
            self._rest = max(0, self._rest - periods)
        if m.known and m.cell_min_mv < limits.HEATER_CELL_FLOOR_MV:
            self.on = 0
            self._rest = limits.HEATER_REST_CYCLES  # a cell that sags and recovers must not make the relay chatter
        elif (forbidden or not m.known or m.temp_max_dc > limits.HEATER_HOTTEST_DC or self._broke
                or (limits.HEATER_FROM_LINK and (m.link_mv == NA or m.link_mv < m.pack_mv // 2))):
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

    def _count(self, m, measured_on, periods):
        """Energy of the heater, and the budget that only charging gives back."""
        if measured_on:
            work = self.limits.HEATER_W * periods
            self._spent += work
            self._energy += work
            if self._energy >= WH:
                self.energy_wh = (self.energy_wh + self._energy // WH) & 0xFFFFFF
                self._energy %= WH
        budget = self.limits.HEATER_BUDGET_J
        if self._spent // 10 >= budget:
            self._broke = True
        elif self._spent // 10 < budget - budget // 8:
            self._broke = False
        if self._spent > 0 and m.known and m.current_ma > 0:
            watts = (m.pack_mv // 100) * (m.current_ma // 100) // 100
            self._spent = max(0, self._spent - watts * periods)

    def _observe(self, m, measured_on, paths, periods):
        """Looks at the mean temperature over windows in which nothing changes."""
        watch = 0
        if m.known:
            if self.on and measured_on:
                watch = WARMING
            elif not self.on and abs(m.current_ma) < STILL_MA + self.limits.HEATER_MA:
                watch = RESTING
        if watch != self._watch:
            self._watch = watch
            self._begin(m)
            if watch != WARMING:
                self.no_rise = 0
            return
        if watch == 0:
            return
        self._watched += periods
        if self._watched < self.limits.HEATER_CHECK_CYCLES:
            return
        rise = m.temp_mean_dc - self._watched_from_dc
        if watch == WARMING:
            self.no_rise = 1 if rise < self.limits.HEATER_RISE_DC else 0
        else:
            self._warms_alone = 1 if rise > self.limits.HEATER_STUCK_RISE_DC else 0
        self._begin(m)

    def _begin(self, m):
        self._watched = 0
        self._watched_from_dc = m.temp_mean_dc

    def _judge_stuck(self, m, measured_on, paths, periods):
        """Stuck: contacts closed, its current flows with everything open, or the pack warms, all while switched off."""
        self.stuck = 0
        if self.on:
            self._off_time = 0
            self._warms_alone = 0
            return
        if self._off_time <= SETTLE_CYCLES:
            self._off_time += periods
            return
        limits = self.limits
        draws = (limits.HEATER_MA and not limits.HEATER_FROM_LINK and not paths and m.current_ma != NA
                 and -m.current_ma > self.limits.HEATER_MA // 3)
        if measured_on or draws or self._warms_alone:
            self.stuck = 1
