"""One life of the node, from boot to reset: its number, how the lives before it ended, and whether it came to anything.

A life is proved by 60 s of health in a row. Those that end sooner are counted: a node that restarts again and again
must not go on switching its contactor.
"""

from array import array

from drivers.const import const

CAUSES = 6  # of a reset, as NodeInfo tells them: unknown, power-on, pin, watchdog, software, deep sleep
MOST_RESTARTS = 15
_HEALTHY_CYCLES = const(600)


class Life:
    """`restarts` is how many lives ended unproved since one was proved, held at 15."""

    def __init__(self):
        self.boot = 0  # number of this life, 16 bits, wrapping
        self.restarts = 0
        self.causes = array("H", [0] * CAUSES)  # how often each, held at 65535
        self.strained = False  # outputs were closed before it was proved
        self.proved = False
        self.doubt = True  # the memory is not known to be whole: until a person confirms it, the node stays open
        self.healthy_cycles = 0  # in a row

    def tick(self, healthy, closed, periods):
        """Once a cycle; True when something changed that must outlive a reset. Allocates nothing."""
        if self.proved:
            return False
        self.healthy_cycles = min(_HEALTHY_CYCLES, self.healthy_cycles + periods) if healthy else 0
        if self.healthy_cycles == _HEALTHY_CYCLES:
            self.proved = True
            self.strained = False
            self.restarts = 0
            return True
        if closed and not self.strained:
            self.strained = True
            return True
        return False
