"""Mutants that nobody can tell from the node as it is, each with the reason. They are counted apart and printed.

A row that names no mutant any more is an error, so that this table cannot outlive the code it speaks of.
"""

from __future__ import annotations

from typing import NamedTuple

from twolbms.proof.mutants import Mutant


class Equivalent(NamedTuple):
    """In `function` of `module` the line `before` became one of `after`."""

    module: str
    function: str
    before: str
    after: tuple[str, ...]
    reason: str

    def names(self, mutant: Mutant) -> bool:
        """Whether this row speaks of `mutant`."""
        return ((mutant.module, mutant.function, mutant.before) == self[:3]
                and mutant.after in self.after)


def _starts(name: str, *values: str) -> tuple[str, ...]:
    """A first value left out (pass) or another one."""
    return tuple(value if value == "pass" else f"self.{name} = {value}" for value in values)


_PROTECT, _CONTACTOR, _HEAT = "node.protect", "node.contactor", "node.heat"
_FIRST_STEP = ("the first step sets it before anybody reads it; that it is there before the heap is locked is held by "
               "the scenarios on MicroPython")
_LABEL = "a label: any number that no other state has does as well"
_SIGN = "times and divided by are the same for +1 and -1"
_FILLED = "room: what is in it is written before it is read"
_ONLY = "the array has one number, which is its first and its last"
_SET_AGAIN = "set to 0 again in each cycle in which nothing is to open"

EQUIVALENT: tuple[Equivalent, ...] = (
    Equivalent(_PROTECT, "", "DOUBTFUL = 2", ("DOUBTFUL = 3",), _LABEL),
    Equivalent(_PROTECT, "", "_TIMER_TOP = 1 << 20", ("_TIMER_TOP = 1 << 19",),
               "14 hours instead of 29: a delay is a minute at most"),
    Equivalent(_PROTECT, "Protect.__init__", "self.bits = bytearray(4 * PAGE_BYTES)",
               ("self.bits = bytearray(5 * PAGE_BYTES)", "self.bits = bytearray(4 * _TIMER_TOP)"),
               "room that nobody uses; that 20 KiB stay free is held by test_memory.py"),
    Equivalent(_PROTECT, "Protect.__init__", "self.changed = bytearray(4)", ("self.changed = bytearray(5)",),
               "room that nobody uses"),
    Equivalent(_PROTECT, "Protect.__init__", 'self.hold = array("i", [0] * self.rows)',
               ('self.hold = array("i", [-1] * self.rows)', 'self.hold = array("i", [1] * self.rows)'),
               "set when a hold begins, read only while one runs"),
    Equivalent(_PROTECT, "Protect.__init__", "self.blocks_now = self.blocks_after = self.limited = 0",
               _starts("blocks_now = self.blocks_after = self.limited", "pass", "-1", "1"), _FIRST_STEP),
    Equivalent(_PROTECT, "Protect.__init__", "self.beyond = 0", _starts("beyond", "pass", "-1", "1"), _FIRST_STEP),
    Equivalent(_PROTECT, "Protect.__init__", "self.latched = 0", _starts("latched", "pass", "-1", "1"), _FIRST_STEP),
    Equivalent(_PROTECT, "Protect.__init__", "self.opened_by = 255",
               _starts("opened_by", "pass", "254", "256"), _FIRST_STEP),
    Equivalent(_PROTECT, "Protect.__init__", "self.worst = OK", ("pass",), _FIRST_STEP),
    Equivalent(_PROTECT, "", "_FARTHEST = (1 << 29) - 1",
               ("_FARTHEST = (2 << 29) - 1", "_FARTHEST = (1 << 28) - 1", "_FARTHEST = (1 << 30) - 1",
                "_FARTHEST = (1 << 29) + 1", "_FARTHEST = (1 << 29) - 0", "_FARTHEST = (1 << 29) - 2"),
               "all are farther than any reading and fit the array"),
    Equivalent(_PROTECT, "Protect.__init__", 'self._inside = array("i", [0] * (2 * self.rows))',
               ('self._inside = array("i", [-1] * (2 * self.rows))', 'self._inside = array("i", [1] * (2 * self.rows))',
                'self._inside = array("i", [0] * (3 * self.rows))'), "every number of it is set in the lines below"),
    Equivalent(_PROTECT, "Protect.__init__", "if limits.SIGN[n] > 0:",
               ("if limits.SIGN[n] >= 0:", "if limits.SIGN[n] > -1:"), "a sign is +1 or -1"),
    Equivalent(_PROTECT, "Protect._gather", "if self.worst == OK or self.state[n] < self.worst:",
               ("if self.worst == OK or self.state[n] <= self.worst:",), "an equal state in its place is the same"),
    Equivalent(_PROTECT, "Protect._judge", "value = value * sign", ("value = value // sign",), _SIGN),
    Equivalent(_PROTECT, "Protect._judge", "inside = value <= limits.CLEAR[n] * sign",
               ("inside = value <= limits.CLEAR[n] // sign",), _SIGN),
    *(Equivalent(_PROTECT, "Protect._judge",
                 f"self._{tier}_time[n] = time = self._time(n, self._{tier}_time[n], "
                 f"value > limits.{tier.upper()}[n] * sign, periods, sure)",
                 (f"self._{tier}_time[n] = time = self._time(n, self._{tier}_time[n], "
                  f"value > limits.{tier.upper()}[n] // sign, periods, sure)",), _SIGN)
      for tier in ("warn", "limit", "trip")),
    Equivalent(_PROTECT, "Protect._judge", "self._rests[n] = 0 if waits or self.get(LIMIT_PAGE, n) else 1",
               ("self._rests[n] = 0 if waits or self.get(LIMIT_PAGE, n) else 2",), "only whether it is 0 is looked at"),
    Equivalent(_PROTECT, "Protect._time", "return time + periods if time < _TIMER_TOP else time",
               ("return time + periods if time <= _TIMER_TOP else time",), "one cycle in 29 hours"),
    Equivalent(_PROTECT, "Protect._put", "self.changed[page] = 1", ("self.changed[page] = 2",),
               "only whether it is 0 is looked at"),
    Equivalent(_PROTECT, "Protect.longest_hold", "if self.state[n] == HOLDING and self.hold[n] > longest:",
               ("if self.state[n] == HOLDING and self.hold[n] >= longest:",), "an equal hold is as long"),

    *(Equivalent(_CONTACTOR, "Contactor.__init__", f"self.{name} = 0", _starts(name, *values), _FIRST_STEP)
      for name, values in (("precharge_failed", ("-1",)), ("overload", ("-1",)), ("mismatch", ("-1", "1")),
                           ("charger", ("pass", "-1", "1")))),
    *(Equivalent(_CONTACTOR, "Contactor.__init__", f"self.{name} = 0", _starts(name, "pass", "-1", "1"),
                 "set to 0 whenever the paths close, and read only while they open; that it is there before the heap "
                 "is locked is held by the scenarios on MicroPython") for name in ("_grace", "_break")),
    Equivalent(_CONTACTOR, "Contactor.__init__", "self._cool = 0", ("self._cool = -1", "self._cool = 1"),
               "the ten cycles of boot bring it to 0 before anything may close"),
    Equivalent(_CONTACTOR, "Contactor.__init__", "self.commissioned = 1", ("self.commissioned = 2",),
               "only whether it is 0 is looked at"),
    Equivalent(_CONTACTOR, "Contactor.__init__", 'self._load = array("i", [0])',
               ('self._load = array("i", [-1])', 'self._load = array("i", [1])'), _FILLED),
    Equivalent(_CONTACTOR, "Contactor.__init__", 'self._wears = array("i", [0, 0])',
               tuple(f'self._wears = array("i", [{values}])' for values in ("-1, 0", "1, 0", "0, -1", "0, 1")),
               _FILLED),
    Equivalent(_CONTACTOR, "Contactor._wear", "load[0] = MOST_MA if m.current_ma == NA else abs(m.current_ma)",
               ("load[-1] = MOST_MA if m.current_ma == NA else abs(m.current_ma)",), _ONLY),
    Equivalent(_CONTACTOR, "Contactor._wear", "if load[0] >= STILL_MA:", ("if load[-1] >= STILL_MA:",), _ONLY),
    Equivalent(_CONTACTOR, "Contactor._differs", "return (m.link_mv == NA or m.pack_mv == NA",
               ("return ((m.link_mv == NA and m.pack_mv == NA)",),
               "NA is so far from any voltage that the difference alone says so"),
    Equivalent(_CONTACTOR, "Contactor._rest", "self._grace = self._break = 0",
               ("pass", "self._grace = self._break = -1", "self._grace = self._break = 1"),
               "with everything open neither is read, and closing sets both to 0"),
    Equivalent(_CONTACTOR, "Contactor._close_paths", "self._grace = self._break = 0", ("pass",),
               "they are 0 already: " + _SET_AGAIN),

    Equivalent(_HEAT, "", "RESTING = 2", ("RESTING = 3",), _LABEL),
    Equivalent(_HEAT, "Heat._observe", "watch = RESTING", ("watch = WH",), _LABEL),
    Equivalent(_HEAT, "Heat.__init__", "self._broke = False", _starts("_broke", "pass", "True"), _FIRST_STEP),
    Equivalent(_HEAT, "Heat.__init__", "self._rest = 0", ("self._rest = 1",), "the first step counts it down to 0"),
    *(Equivalent(_HEAT, "Heat.__init__", f"self.{name} = {value}", _starts(name, *values),
                 "set when a window begins, as soon as something is watched")
      for name, value, values in (("_watch", "0", ("-1", "1")), ("_watched", "0", ("pass", "-1", "1")),
                                  ("_watched_from_dc", "NA", ("pass",)))),
    Equivalent(_HEAT, "Heat.step", "if self._rest > 0:", ("if self._rest >= 0:", "if self._rest > -1:"),
               "a rest of 0 counted down stays 0"),
    Equivalent(_HEAT, "Heat._count", "if self._energy >= WH:", ("if self._energy >= SETTLE_CYCLES:",),
               "less than a watt hour adds 0 and takes nothing off"),
    Equivalent(_HEAT, "Heat._count", "if self._spent > 0 and m.known and m.current_ma > 0:",
               ("if self._spent >= 0 and m.known and m.current_ma > 0:",
                "if self._spent > -1 and m.known and m.current_ma > 0:",
                "if self._spent > 1 and m.known and m.current_ma > 0:"),
               "nothing spent stays nothing, and a tenth of a joule is told as none"),
    Equivalent(_HEAT, "Heat._count", "if self._spent > 0 and m.known and m.current_ma > 0:",
               ("if self._spent > 0 and m.known and m.current_ma >= 0:",
                "if self._spent > 0 and m.known and m.current_ma > -1:",
                "if self._spent > 0 and m.known and m.current_ma > 1:"), "below 0.1 A it pays 0 W"),
    Equivalent(_HEAT, "Heat._observe", "self._warms_alone = 1 if rise > self.limits.HEATER_STUCK_RISE_DC else 0",
               ("self._warms_alone = 2 if rise > self.limits.HEATER_STUCK_RISE_DC else 0",),
               "only whether it is 0 is looked at"),
)
