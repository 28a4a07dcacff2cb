"""All of a node's sensors as one front-end: the cell monitor, the current, a second current, what the board measures.

They are read in one order, then corrected by this node's calibration. It judges nothing.
"""

from drivers.const import const

CURRENT_ERROR = 100  # start(): errors of the current sensor count from here, of the second one from 200
SECOND_ERROR = 200
_OLDEST = const(1 << 20)


class Sensing:
    """What node.cycle takes for its front-end. `monitor` is the cell monitor's driver.

    `current` measures the current where the monitor does not, `second` is the independent one (drivers.ina228, both or
    None). `analog` has an AnalogInput or None for the coils' supply, humidity, insulation and the pack's voltage.
    Without `config` readings are as they come.
    """

    def __init__(self, monitor, current, second, analog, config=None):
        self.monitor = monitor
        self.current = current
        self.second = second
        self.supply, self.humidity, self.insulation, self.pack = analog
        self.config = config
        self.comms_age = _OLDEST
        self.open_wires = 0
        self.open_wire_mask = monitor.open_wire_mask
        self.hard_trip = 0
        self.config_ok = False
        self._give_calibration()

    def _give_calibration(self):
        """A driver that scales the current by itself gets its calibration before it starts."""
        if self.config is not None:
            self.config.give_current(self.monitor if self.current is None else self.current)

    def start(self, limits):
        """0, or the error of the first that does not start. Blocks for up to 1.5 s; outputs are open."""
        code = self.monitor.start(limits)
        if not code and self.current is not None:
            code = self.current.start(limits)
            code += CURRENT_ERROR if code else 0
        if not code and self.second is not None:
            code = self.second.start(limits)
            code += SECOND_ERROR if code else 0
        self._show()
        return code

    def read_into(self, m):
        """Fills all that is measured; True when new cell voltages are proven."""
        fresh = self.monitor.read_into(m)
        if self.current is not None:
            self.current.read_into(m)
        if self.second is not None:
            m.second_ma = self.second.read_current()
        if self.supply is not None:
            m.supply_mv = self.supply.read()
        if self.humidity is not None:
            m.humidity_percent = self.humidity.read()
        if self.insulation is not None:
            m.insulation_kohm = self.insulation.read()
        if self.pack is not None:
            m.pack_mv = self.pack.read()
        if self.config is not None:
            self.config.correct(m)
        self._show()
        return fresh

    def _show(self):
        monitor = self.monitor
        current = self.current
        second = self.second
        self.open_wires = monitor.open_wires
        self.comms_age = monitor.comms_age
        self.hard_trip = monitor.hard_trip
        self.config_ok = monitor.config_ok and (second is None or second.config_ok)
        if current is not None:
            self.comms_age = max(self.comms_age, current.comms_age)
            self.hard_trip |= current.hard_trip
            self.config_ok = self.config_ok and current.config_ok

    def sleep(self):
        """The monitor's ship mode, where it has one: only a charger wakes it."""
        if hasattr(self.monitor, "sleep"):
            self.monitor.sleep()
        self._show()
