"""The outputs as one: the board's pins, the cell monitor's FETs where it drives some, and its balancing.

Each of them alone keeps a path open. With FETs the pins charge and discharge are the gates' permission: the monitor's
drivers reach the gates only while they are high.
"""

from drivers.pins_gpio import GpioPins

_PATHS = 3


class NodePins(GpioPins):
    """`fets`: the monitor drives the paths and tells what it does; else contactors with auxiliary contacts do.

    What the monitor told last holds for `hold_cycles` without a word from it: by then its own row has opened the node.
    With both gates' pins low the paths are open, whatever the monitor says.
    """

    def __init__(self, monitor, fets, hold_cycles, **named):
        GpioPins.__init__(self, **named)
        self.monitor = monitor
        self.fets = fets
        self.hold_cycles = hold_cycles
        self._told = 0

    def read(self):
        """Takes every input once, and what the monitor says of its FETs in this cycle."""
        GpioPins.read(self)
        if not self.fets:
            return
        monitor = self.monitor
        if monitor.fets_known:
            self._told = monitor.fets & _PATHS
        gates = self._gate(0) | self._gate(1) << 1
        known = monitor.fets_known or gates == 0 or monitor.comms_age <= self.hold_cycles
        self.feedback = self.feedback & 4 | self._told & gates
        self.feedback_known = known and not self._read_failed

    def _gate(self, output):
        """1 when the pin is high, or cannot be read."""
        level = self._level(output)
        if level < 0:
            self._read_failed = True
            return 1
        return level

    def write(self, paths, precharge, heater, mask):
        """The pins first, so that what opens is open whatever the monitor's bus does."""
        GpioPins.write(self, paths, precharge, heater, mask)
        if self.fets:
            self.monitor.allow(paths, 0)
        self.monitor.balance(mask)

    def measured_open(self):
        """True when nothing is switched on and nothing is seen closed."""
        return self.feedback_known and not self.feedback & 7 and not self.outputs & 7
