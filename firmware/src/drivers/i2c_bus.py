"""Frees an I2C bus whose SDA a chip holds low: up to nine clocks, which end any byte, and a stop.

It works on ready-made pins. Pins that belong to a hardware I2C are no outputs: `take` makes them open-drain outputs
and `give` gives them back (bound once, by the board: `scl.init(Pin.OPEN_DRAIN, value=1)` …
`scl.init(Pin.ALT_OPEN_DRAIN, alt=…)`). A bit-banged I2C needs neither. A line SCL that is held low cannot be helped
from here. Takes 0.2 ms and no memory.
"""

import time

from drivers.const import const

_HALF_US = const(5)  # half a clock at 100 kHz, which every chip follows
_CLOCKS = const(9)


class BusRecovery:
    """`attempts` counts the calls, `freed` those after which SDA was high."""

    def __init__(self, scl, sda, take=None, give=None, clock=time):
        self.scl = scl
        self.sda = sda
        self.clock = clock
        self.attempts = 0
        self.freed = 0
        self._take = take
        self._give = give

    def recover(self):
        """True when both lines are high afterwards. Raises nothing; the pins are given back whatever happens."""
        self.attempts += 1
        free = False
        try:
            if self._take is not None:
                self._take()
            free = self._clock_out()
        except OSError:
            free = False
        try:
            if self._give is not None:
                self._give()
        except OSError:
            free = False
        if free:
            self.freed += 1
        return free

    def _clock_out(self):
        self.sda.value(1)
        self.scl.value(1)
        self._wait()
        if not self.scl.value():
            return False
        for _ in range(_CLOCKS):
            if self.sda.value():
                break
            self.scl.value(0)
            self._wait()
            self.scl.value(1)
            self._wait()
        return self._stop()

    def _stop(self):
        """SDA rises while SCL is high."""
        self.scl.value(0)
        self._wait()
        self.sda.value(0)
        self._wait()
        self.scl.value(1)
        self._wait()
        self.sda.value(1)
        self._wait()
        return self.sda.value() == 1 and self.scl.value() == 1

    def _wait(self):
        self.clock.sleep_us(_HALF_US)
