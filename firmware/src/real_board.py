"""A real node's sensors, outputs and bus, composed for the pack of this version from what a board's board.py gives.

Which cell monitor: a pack with one pair of contactors for both paths is one of car modules, with an LTC681x chain; the
others have a BQ76952. Which way the paths switch: by the monitor's FETs where the pack has the row monitor_protection,
that is a monitor that opens them by itself; else by contactors.
"""

import time

from drivers.const import const
from generated.codec import (
    REASON_HUMIDITY,
    REASON_INSULATION,
    REASON_MONITOR_COMMUNICATION,
    REASON_MONITOR_PROTECTION,
    REASON_SUPPLY_VOLTAGE,
)
from node.measure import NEVER
from running.analog import AnalogInput
from running.bus import NodeCan
from running.forget import forget
from running.sensing import Sensing
from running.switching import NodePins

_CYCLE_MS = const(100)


def fitted(limits, row):
    """Whether the pack has the part that this row judges."""
    return abs(limits.TRIP[row]) != NEVER


def _monitor(limits, board, clock):
    """The pack's cell monitor, current sensor or None, second current sensor or None. Only its driver is imported."""
    if limits.COMMON:
        from running.with_ltc681x import make
    else:
        from running.with_bq76952 import make
    forget("running", "with_ltc681x", "with_bq76952")
    return make(limits, board, clock)


def _analog(limits, board, monitor_has_pack):
    """Supply, humidity, insulation, pack voltage: those that the pack needs."""
    wanted = (fitted(limits, REASON_SUPPLY_VOLTAGE), fitted(limits, REASON_HUMIDITY),
              fitted(limits, REASON_INSULATION), not monitor_has_pack)
    return [AnalogInput(*board.analog(n)) if wanted[n] else None for n in range(4)]


class RealBoard:
    """`afe`, `pins` and `can` as node.cycle takes them; wait() and finish() stand around a cycle.

    `board` is a board.py's Board, `clock` has MicroPython's ticks and sleep_us. Everything is off when this is made;
    nothing measures before afe.start(limits), nothing is on the bus before open_bus().
    """

    def __init__(self, limits, board, config=None, clock=time):
        self.board = board
        self.clock = clock
        fets = fitted(limits, REASON_MONITOR_PROTECTION)
        monitor, current, second = _monitor(limits, board, clock)
        self.pins = NodePins(monitor, fets, limits.TRIP[REASON_MONITOR_COMMUNICATION] + 1, **board.pins(fets))
        self.afe = Sensing(monitor, current, second, _analog(limits, board, current is None), config)
        self.outputs = ("precharge", "charge", "discharge", "heater", "light")
        self.can = NodeCan(board.can_port())
        self._due_ms = clock.ticks_ms()

    def open_bus(self, ids):
        """Tests the controller by itself, then goes on the bus for these ids, if any. False when it hears nothing."""
        heard = self.can.self_test()
        if ids:
            self.can.filters(ids)
            self.can.open()
        return heard

    def wait(self, meanwhile=None):
        """The bus is served until the next cycle is due, and `meanwhile` called; its time in ms, wrapping at 2^30."""
        clock = self.clock
        while clock.ticks_diff(self._due_ms, clock.ticks_ms()) > 0:
            self.can.service()
            if meanwhile is not None:
                meanwhile()
        now_ms = clock.ticks_ms()
        if clock.ticks_diff(now_ms, self._due_ms) >= _CYCLE_MS:
            self._due_ms = now_ms  # what was missed is not made up for
        self._due_ms = clock.ticks_add(self._due_ms, _CYCLE_MS)
        return now_ms

    def finish(self):
        """Lets the cycle's frames out."""
        self.can.pump_out()
