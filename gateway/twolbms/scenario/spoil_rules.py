"""The node's rules, each with the words of the firmware that carry it: a rewrite takes the rule away.

Knows firmware text, no scenarios and no numbers of packs. A text that is no longer there is an error, so that a rule
cannot slip out of this table unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from twolbms.scenario.nodes import firmware


class Rewrite(NamedTuple):
    """In `module` the text `old`, which stands there once, becomes `new`. `packs`: whose outputs can show it."""

    rule: str
    means: str
    module: str
    old: str
    new: str
    packs: str = ""  # "": all; else a key of _SHOWN_BY in spoil.py: "common", "fets", "close_alone", "heater" ...


class RuleMoved(Exception):
    """The firmware no longer holds a rule's text: the table has to follow it."""


REQUESTS, CONTACTOR, ALLOWANCE = "node.requests", "node.contactor", "node.allowance"
MEASURE, PROTECT, HEAT, BALANCE, CYCLE = "node.measure", "node.protect", "node.heat", "node.balance", "node.cycle"
POWER, WELD, PANEL, FRAMES = "node.power", "node.weld", "node.panel", "node.frames"

RULES: tuple[Rewrite, ...] = (
    # silence
    Rewrite("silence_balancing", "balancing goes on in silence", REQUESTS,
            " and self.silent <= self.limits.WARN[SILENT]", ""),
    Rewrite("silence_allowance", "silence never caps the allowance", REQUESTS,
            "if self.silent > self.limits.LIMIT[SILENT]:", "if False:"),
    Rewrite("silence_allowance", "a heartbeat raises the allowance again", REQUESTS,
            "self.silent = 0\n                self.balancing",
            "self.silent = 0; self.silent_cap = False\n                self.balancing"),
    Rewrite("silence_frozen", "a repeated heartbeat is a sign of life", REQUESTS,
            "if counter == 15 or counter == last:", "if counter == 15:"),
    Rewrite("silence_frozen", "a heartbeat out of order is a sign of life", REQUESTS,
            "(counter - last) % 15 <= 3", "True"),
    Rewrite("damaged", "heartbeat counter 15 counts", REQUESTS,
            "if counter == 15 or counter == last:", "if counter == last:"),
    Rewrite("requested_open", "silence forgets a requested open", CYCLE,
            "self.requests.step(periods)\n",
            "self.requests.step(periods)\n"
            "        if self.requests.silent_cap:\n"
            "            contactor.open_requested = False\n"
            "", "close_alone"),
    Rewrite("requested_open", "a bank that closes alone forgets a requested open", CONTACTOR,
            "and not self.open_requested and not protect.latched", "and not protect.latched", "close_alone"),
    Rewrite("requested_open", "an open request does nothing", CONTACTOR,
            "self.open_requested = True\n", "pass\n"),
    Rewrite("requested_open", "an open request waits for the current to go", CONTACTOR,
            "at_once = self.open_requested or drop", "at_once = drop"),
    Rewrite("silence_allowance", "the gateway's smaller allowance is not heard, charge", REQUESTS,
            "UNLIMITED_MA if v[2] == NA else v[2]", "UNLIMITED_MA"),
    Rewrite("silence_allowance", "the gateway's smaller allowance is not heard, discharge", REQUESTS,
            "UNLIMITED_MA if v[3] == NA else v[3]", "UNLIMITED_MA"),
    # pairs and damaged frames
    Rewrite("pair", "one frame is enough for close and clear", REQUESTS,
            "return ANSWER_ACCEPTED if second else ANSWER_SEND_TWICE", "return ANSWER_ACCEPTED"),
    Rewrite("pair", "counters of a pair need not be consecutive", REQUESTS,
            "\n                  and (counter - self._first_counter) % 15 == 1)", ")"),
    Rewrite("pair", "the second frame may come at any time", REQUESTS, " and self._first_age <= _SECOND_CYCLES", ""),
    Rewrite("pair", "the second frame may come 0.1 s later", REQUESTS, "_SECOND_CYCLES = 20", "_SECOND_CYCLES = 21"),
    Rewrite("pair", "the second frame must come 0.1 s sooner", REQUESTS,
            "_SECOND_CYCLES = 20", "_SECOND_CYCLES = 19"),
    Rewrite("pair", "a pair may be of two kinds", REQUESTS, "self._first == what and ", ""),
    Rewrite("pair", "a pair may be for two limits", REQUESTS, "self._first_limit == limit and ", ""),
    Rewrite("pair", "another request between the two of a pair is no matter", REQUESTS,
            "self._first = 0  # a pair", "pass  # a pair"),
    Rewrite("pair", "a repeated frame counts again", REQUESTS,
            "(opens or counter != self._request_counter)", "True"),
    Rewrite("pair", "request counter 15 counts", REQUESTS, "counter < 15 and (opens", "(opens"),
    Rewrite("damaged", "frames with a wrong CRC count", FRAMES, "if check ^ 0xFF != d[7]:", "if False:"),
    Rewrite("damaged", "the node number is not part of the CRC", FRAMES,
            "check = crc[check ^ node]", "check = crc[check ^ 0]"),
    # closing
    Rewrite("closing", "boot ends a cycle late", CONTACTOR, "BOOT_CYCLES = 10", "BOOT_CYCLES = 11"),
    Rewrite("closing", "boot ends a cycle early", CONTACTOR, "BOOT_CYCLES = 10", "BOOT_CYCLES = 9"),
    Rewrite("closing", "a monitor that never converted may close", CONTACTOR, " and m.measured:", ":"),
    Rewrite("closing", "closes in boot", CONTACTOR, "if self.state == STATE_BOOT or not m.known", "if not m.known"),
    Rewrite("closing", "closes with unknown readings", CONTACTOR,
            "if self.state == STATE_BOOT or not m.known or", "if self.state == STATE_BOOT or"),
    Rewrite("closing", "closes with an unknown link", CONTACTOR,
            "or not m.known or m.link_mv == NA or m.pack_mv", "or not m.known or m.pack_mv"),
    Rewrite("closing", "closes while a limit blocks both paths", CONTACTOR,
            "if self.blocked(protect) == BOTH:\n            return ANSWER_LATCHED",
            "if False:\n            return ANSWER_LATCHED"),
    Rewrite("beyond_does_not_close", "a value beyond trip closes before its delay has run", CONTACTOR,
            "self.blocked(protect) | protect.beyond", "self.blocked(protect)"),
    Rewrite("beyond_does_not_close", "a close is accepted although nothing may close", CONTACTOR,
            "if self._may_close(protect) == 0:\n            return ANSWER_CAUSE_PRESENT",
            "if False:\n            return ANSWER_CAUSE_PRESENT"),
    Rewrite("charge_over_temperature", "closes alone after a trip that latches", CONTACTOR,
            "and not self.open_requested and not protect.latched", "and not self.open_requested", "close_alone"),
    Rewrite("closing", "names a limit tier as what holds it open", REQUESTS,
            "protect.first_tripped(3)", "protect.first_blocking(3)"),
    Rewrite("precharge", "closes without precharge", CONTACTOR,
            "elif not self._differs(m):\n            self._close_paths(protect, BOTH)\n        elif self._cool",
            "elif True:\n            self._close_paths(protect, BOTH)\n        elif self._cool"),
    Rewrite("precharge", "closes under any precharge current", CONTACTOR,
            " and self._calm(m)", ""),
    Rewrite("precharge", "closes under discharge through the precharge path", CONTACTOR,
            "if self.paths else abs(m.current_ma))", "if self.paths else m.current_ma)"),
    Rewrite("precharge", "the heater's own current keeps a cold bank open", CONTACTOR,
            "PRECHARGE_CURRENT_MA + self.own_ma", "PRECHARGE_CURRENT_MA", "heater_from_pack"),
    Rewrite("precharge", "closes onto a link that is too high", CONTACTOR,
            "or abs(m.pack_mv - m.link_mv) >", "or m.pack_mv - m.link_mv >"),
    Rewrite("precharge", "a trip does not end precharge", CONTACTOR,
            "elif self._may_close(protect) & ~self.paths == 0 or", "elif"),
    Rewrite("precharge", "an open request does not end precharge", CONTACTOR,
            "~self.paths == 0 or self.open_requested or not", "~self.paths == 0 or not"),
    Rewrite("precharge", "unknown readings do not end precharge", CONTACTOR,
            "self.open_requested or not m.known or m.link_mv == NA:", "self.open_requested or m.link_mv == NA:"),
    Rewrite("precharge", "an unknown link does not end precharge", CONTACTOR,
            "self.open_requested or not m.known or m.link_mv == NA:", "self.open_requested or not m.known:"),
    Rewrite("precharge", "precharge never fails", CONTACTOR,
            "elif self._time >= limits.PRECHARGE_CYCLES:", "elif False:"),
    # opening
    Rewrite("grace", "the grace of 5 s is a cycle longer", CONTACTOR, "GRACE_CYCLES = 50", "GRACE_CYCLES = 51"),
    Rewrite("grace", "the grace of 5 s is a cycle shorter", CONTACTOR, "GRACE_CYCLES = 50", "GRACE_CYCLES = 49"),
    Rewrite("grace", "the grace never ends", CONTACTOR, "or self._grace > GRACE_CYCLES)", "or False)"),
    Rewrite("cell_over_voltage", "the grace does not end when the current has gone", CONTACTOR,
            "or self._still(m, drop) or", "or"),
    Rewrite("grace", "1.000 A counts as no current", CONTACTOR, "STILL_MA = 1000", "STILL_MA = 1001"),
    Rewrite("cell_over_voltage", "0.999 A counts as current", CONTACTOR, "STILL_MA = 1000", "STILL_MA = 999"),
    Rewrite("grace", "an unknown current counts as none", CONTACTOR,
            "if m.current_ma == NA:\n            return False",
            "if m.current_ma == NA:\n            return True", "fets"),
    Rewrite("grace", "current in the other direction holds a path", CONTACTOR,
            "return (m.current_ma if drop == CHARGE else -m.current_ma) < STILL_MA",
            "return abs(m.current_ma) < STILL_MA", "fets"),
    Rewrite("grace", "only charge current holds the contactors", CONTACTOR,
            "return abs(m.current_ma) < STILL_MA\n        return (",
            "return m.current_ma < STILL_MA\n        return (", "common"),
    Rewrite("break_hold", "outputs open above what they can break", CONTACTOR,
            "abs(m.current_ma) <= self.limits.BREAK_MAX_MA", "True"),
    Rewrite("break_hold", "only charge current holds the outputs", CONTACTOR,
            "or abs(m.current_ma) <= self.limits.BREAK_MAX_MA", "or m.current_ma <= self.limits.BREAK_MAX_MA"),
    Rewrite("break_hold", "outputs are held without end", CONTACTOR,
            "if self._break > self.limits.BREAK_HOLD_CYCLES:", "if False:"),
    Rewrite("break_hold", "no lock-out when the current falls in time", CONTACTOR,
            "if self._break:\n                self.overload = 1",
            "if self._break:\n                self.overload = 0"),
    Rewrite("break_hold", "no lock-out after opening regardless", CONTACTOR,
            "self.overload = 1\n            return True\n        return False",
            "self.overload = 0\n            return True\n        return False"),
    Rewrite("break_hold", "an unknown current holds the outputs", CONTACTOR,
            "if m.current_ma == NA or abs(m.current_ma) <= self.limits.BREAK_MAX_MA:",
            "if m.current_ma != NA and abs(m.current_ma) <= self.limits.BREAK_MAX_MA:"),
    Rewrite("path_feedback", "unknown feedback is trusted", CONTACTOR,
            "if feedback_known and feedback == commanded", "if feedback == commanded"),
    Rewrite("path_feedback", "feedback is not compared", CONTACTOR,
            "if feedback_known and feedback == commanded", "if feedback_known"),
    # readings
    Rewrite("stale_reading", "old readings stay known", MEASURE, "and self.stale <= self.limits.LIMIT[STALE]", ""),
    Rewrite("stale_reading", "every reading is a new conversion", "drivers.afe_sim", "scan != self._scan", "True"),
    Rewrite("plausibility", "implausible readings stay known", MEASURE, "self.implausible == 0 and ", ""),
    Rewrite("plausibility", "a missing sensor is no matter", MEASURE,
            "if number < lowest or number > highest:\n"
            "            bad += 1",
            "if number < lowest or number > highest:\n"
            "            bad += 1 if number != NA else 0"),
    Rewrite("plausibility", "a missing current trips nothing", MEASURE,
            "if self.current_ma == NA:\n            self.implausible += 1",
            "if False:\n            self.implausible += 1"),
    Rewrite("plausibility", "a missing pack voltage is no matter", MEASURE,
            "if self.pack_mv == NA or (bad == 0", "if self.pack_mv != NA and (bad == 0"),
    Rewrite("plausibility", "a pack voltage above the sum is no matter", MEASURE,
            "abs(found[_TOTAL] - self.pack_mv)", "(found[_TOTAL] - self.pack_mv)"),
    Rewrite("plausibility", "a pack voltage below the sum is no matter", MEASURE,
            "abs(found[_TOTAL] - self.pack_mv)", "(self.pack_mv - found[_TOTAL])"),
    Rewrite("closing", "limits judge what was never measured", PROTECT,
            "sure[n] = 1 if", "known[n] = known[n] or 2\n        sure[n] = 1 if"),
    # what cannot be believed clears nothing
    Rewrite("hold_again", "a cause that comes back in the hold is no cause", PROTECT,
            "elif state != OK and not inside:", "elif False:"),
    Rewrite("doubtful", "a doubtful reading ends a trip", PROTECT, "elif state == TRIPPED and sure:",
            "elif state == TRIPPED:"),
    Rewrite("doubtful", "a doubtful reading lets the hold run", PROTECT,
            "elif state != TRIPPED and state != OK and sure:", "elif state != TRIPPED and state != OK:"),
    Rewrite("doubtful", "a doubtful reading ends a limit", PROTECT, "elif inside and sure:", "elif inside:"),
    Rewrite("doubtful", "a doubtful reading ends a delay", PROTECT, "if not sure:", "if False:"),
    Rewrite("doubtful", "a clear is accepted on a doubtful reading", PROTECT,
            "return ANSWER_ACCEPTED if self.sure[n] else ANSWER_UNKNOWN_READING", "return ANSWER_ACCEPTED"),
    Rewrite("doubtful", "flickering readings start the delay anew", PROTECT,
            "if n == IMPLAUSIBLE else 0", "if False else 0"),
    Rewrite("doubtful", "the cells that are left speak for the missing one", MEASURE,
            "sure if cells[_BAD] == 0 else _DOUBTFUL", "sure"),
    Rewrite("doubtful", "an old conversion is as good as a new one", MEASURE,
            "self.fresh = self.stale <= FRESH_CYCLES", "self.fresh = True"),
    Rewrite("cold_boot", "a value beyond trip lets a path close until the delay has run", PROTECT,
            "self.beyond |= self._beyond(n)", "pass"),
    # heater
    Rewrite("heater", "heats with unknown readings", HEAT, "forbidden or not m.known or ", "forbidden or ", "heater"),
    Rewrite("heater", "heats however hot a sensor is", HEAT,
            "m.temp_max_dc > limits.HEATER_HOTTEST_DC or ", "", "heater"),
    Rewrite("heater", "heats from an empty cell", HEAT,
            "if m.known and m.cell_min_mv < limits.HEATER_CELL_FLOOR_MV:", "if False:", "heater"),
    Rewrite("heater", "heats again at once when an empty cell recovers", HEAT,
            "self._rest = limits.HEATER_REST_CYCLES  # a cell", "pass  # a cell", "heater"),
    Rewrite("heater", "heats without end", HEAT,
            "elif self._time >= limits.HEATER_MAX_ON_CYCLES:", "elif False:", "heater"),
    Rewrite("heater", "heats again without rest", HEAT, "elif self._rest == 0 and ", "elif ", "heater"),
    Rewrite("heater", "heats from a link that is down", HEAT, " or m.link_mv < m.pack_mv // 2", "", "heater_from_link"),
    Rewrite("heater_watch", "a heater that does not warm goes on", CYCLE,
            "state[HEATER_NO_RISE] or state[SMOKE]", "state[SMOKE]", "heater"),
    Rewrite("heater_watch", "the heater's own current is a discharge that nobody allowed", "node.rows",
            "discharging - own if forbidden & 2", "discharging if forbidden & 2", "heater"),
    Rewrite("heater_watch", "a heater behind the outputs is looked for with the outputs open", HEAT,
            " and not limits.HEATER_FROM_LINK and not paths", " and not paths", "heater_from_link"),
    Rewrite("heater_faults", "heats in smoke", CYCLE, "state[SMOKE] or ", "", "heater_from_pack"),
    Rewrite("heater_faults", "heats in water", CYCLE, "state[LEAK] or ", "", "heater_from_pack"),
    Rewrite("heater_faults", "heats with the emergency stop pressed", CYCLE,
            "state[EMERGENCY_STOP] or ", "", "heater_from_pack"),
    Rewrite("heater_faults", "heats with the interlock open", CYCLE,
            "state[INTERLOCK]\n                or ", "False\n                or ", "heater_from_pack"),
    Rewrite("heater_faults", "heats with a memory that is not sound", CYCLE,
            "state[NODE_MEMORY] or ", "", "heater_from_pack"),
    Rewrite("heater_faults", "heats while it restarts again and again", CYCLE,
            " or state[RESTART_LOOP]", "", "heater_from_pack"),
    Rewrite("service", "the end of service closes", CONTACTOR,
            "self.open_requested = True  # its end", "pass  # its end", "close_alone"),
    Rewrite("requested_open", "a repeated open is not obeyed", REQUESTS,
            "(opens or counter != self._request_counter)", "counter != self._request_counter"),
    Rewrite("heater_watch", "nobody looks whether it warms", HEAT,
            "self.no_rise = 1 if rise < self.limits.HEATER_RISE_DC else 0", "pass", "heater"),
    Rewrite("heater_watch", "a pack that warms by itself is not seen", HEAT,
            "if measured_on or draws or self._warms_alone:", "if measured_on or draws:", "heater"),
    Rewrite("heater_watch", "the current of a stuck heater is not seen", HEAT,
            "if measured_on or draws or self._warms_alone:", "if measured_on or self._warms_alone:",
            "heater_from_pack"),
    Rewrite("heater_stuck", "closed contacts of a switched-off heater are not seen", HEAT,
            "if measured_on or draws or self._warms_alone:", "if draws or self._warms_alone:", "heater"),
    Rewrite("heater_budget", "heat has no budget", HEAT, "or self._broke\n", "\n", "heater"),
    Rewrite("heater_budget", "the budget comes back with the first coulomb", HEAT,
            "elif self._spent // 10 < budget - budget // 8:", "else:", "heater"),
    # winter
    Rewrite("sleep", "an empty bank never sleeps", POWER,
            "if self._time >= self._patience:", "if False:", "close_alone"),
    Rewrite("sleep", "sleeps with a charger there", POWER, "fed = charger or key or", "fed = key or", "close_alone"),
    Rewrite("sleep", "a charger does not wake", POWER,
            "if charger or key or late:", "if key or late:", "close_alone"),
    Rewrite("sleep", "the key does not wake", POWER,
            "if charger or key or late:", "if charger or late:", "close_alone"),
    Rewrite("sleep", "the timer does not wake", POWER,
            "if charger or key or late:", "if charger or key:", "close_alone"),
    Rewrite("sleep", "after the timer it waits as long as after a charger", POWER,
            "self._patience = LOOK_CYCLES if late and not charger and not key else", "self._patience =", "close_alone"),
    # welds
    Rewrite("weld", "a closed contact is not seen", WELD, "(feedback_known and feedback)", "False"),
    Rewrite("contactor_welded", "current through open contacts is not seen", WELD, "if flows or", "if"),
    Rewrite("weld", "nothing is settled before it is judged", WELD, "SETTLE_CYCLES = 5", "SETTLE_CYCLES = 0"),
    Rewrite("weld", "a link that holds its voltage proves contacts open", WELD,
            "NOT_DETERMINABLE if self._time > limits.WELD_WAIT_CYCLES else PENDING", "OK"),
    Rewrite("weld", "a falling link proves a charge port open", WELD,
            "and (feedback_known or not limits.PORTS)", "", "ports"),
    Rewrite("weld", "a heater behind the outputs may draw through open ones", WELD,
            "own_ma = 0 if limits.HEATER_FROM_LINK else limits.HEATER_MA", "own_ma = limits.HEATER_MA",
            "heater_from_link"),
    Rewrite("weld", "a proof of open contacts is forgotten", WELD, "elif self.result != OK:", "else:"),
    # service
    Rewrite("service", "service is entered while closed", CONTACTOR,
            "if state != STATE_OPEN and state != STATE_LATCHED and state != STATE_SERVICE:", "if False:"),
    Rewrite("service", "closes in service", CONTACTOR,
            "if self.state == STATE_SERVICE or self.state == STATE_ASLEEP:", "if self.state == STATE_ASLEEP:"),
    Rewrite("service", "heats in service", CYCLE, "contactor.state == STATE_SERVICE", "False", "heater"),
    Rewrite("service", "bleeds in service", CYCLE,
            "self.requests.balancing() and not idle", "self.requests.balancing()"),
    Rewrite("sleep", "an offset of the current sensor keeps it awake", POWER,
            "m.current_ma >= STILL_MA", "m.current_ma > 0", "close_alone"),
    Rewrite("service", "service never ends", CONTACTOR, "if self._time > SERVICE_CYCLES:", "if False:"),
    Rewrite("service", "service needs no second request", REQUESTS,
            "answer = self._pair(what, v[4], counter)\n",
            "answer = self._pair(what, v[4], counter)\n"
            "            answer = ANSWER_ACCEPTED if what == REQUEST_SERVICE else answer\n"),
    # closing step by step
    Rewrite("discharge_follows", "discharge follows into an empty link", CONTACTOR,
            "if more & DISCHARGE and self._differs(m):", "if False:", "fets"),
    Rewrite("sleep", "a charger on the link is precharged against", CONTACTOR,
            "if self._charger_waits(m, protect) or", "if", "one_link"),
    Rewrite("closing", "an empty bank precharges its loads before it may be charged", CONTACTOR,
            " or self._only_charge(protect)", "", "fets"),
    Rewrite("discharge_follows", "a charger's current keeps discharge from following", CONTACTOR,
            "(-m.current_ma if self.paths else abs(m.current_ma))", "abs(m.current_ma)", "fets"),
    Rewrite("discharge_follows", "a failed try takes the chargers off", CONTACTOR,
            "if self.paths:\n            self.state = STATE_CLOSED  # the charge path",
            "if False:\n            self.state = STATE_CLOSED  # the charge path", "fets"),
    Rewrite("discharge_follows", "a path that follows has tries without end", CONTACTOR,
            "if m.known and self._cool == 0:\n",
            "if m.known and self._cool == 0:\n                self.tries = 0\n", "fets"),
    Rewrite("precharge", "the next try comes while the resistor is hot", CONTACTOR,
            "elif self._cool > 0:", "elif False:"),
    Rewrite("precharge", "there is only one try", CONTACTOR,
            "if self.tries >= self.limits.PRECHARGE_TRIES:", "if True:"),
    Rewrite("precharge", "an open request does not end the wait between tries", CONTACTOR,
            "if self._may_close(protect) == 0 or self.open_requested or not m.known:",
            "if self._may_close(protect) == 0 or not m.known:"),
    # the person at the node
    Rewrite("smoke", "the clear button clears at once", PANEL, "PRESS_CYCLES = 30", "PRESS_CYCLES = 1"),
    Rewrite("smoke", "the clear button needs a cycle less", PANEL, "PRESS_CYCLES = 30", "PRESS_CYCLES = 29"),
    Rewrite("smoke", "the clear button clears a cause whose hold time runs", PROTECT,
            "if self.state[n] == WAITING and self.sure[n]:", "if self.state[n] != TRIPPED and self.sure[n]:"),
    Rewrite("smoke", "nobody answers the clear button", PANEL, "self._done = protect.clear_here()", "pass"),
    # allowance
    Rewrite("rise", "an allowance rises at once", ALLOWANCE,
            "self.ma = min(ma, most_ma)", "self.ma = ma"),
    Rewrite("rise", "an allowance falls slowly", ALLOWANCE,
            "self.ma = min(ma, most_ma)", "self.ma = max(min(ma, most_ma), self.ma - (most_ma - self.ma))"),
    Rewrite("closing", "an open path is allowed current", ALLOWANCE,
            " | BOTH & ~contactor.paths", ""),
    Rewrite("plausibility", "unknown readings allow current", ALLOWANCE, " if m.known else BOTH", ""),
    Rewrite("cell_over_voltage", "the limit tier allows current", ALLOWANCE,
            " | protect.limited\n", "\n"),
    Rewrite("cell_over_voltage", "a trip that waits allows current", ALLOWANCE,
            "protect.blocks_now | protect.blocks_after | protect.limited",
            "protect.blocks_now | protect.limited", "common"),
    Rewrite("charge_over_current", "a trip that opens now is not told", ALLOWANCE,
            "protect.blocks_now | protect.blocks_after | protect.limited", "protect.blocks_after | protect.limited"),
    Rewrite("charge_while_blocked", "a gateway's 0 A forbids charge", ALLOWANCE,
            "by != REASON_GATEWAY_REQUEST and ", ""),
    Rewrite("silence_allowance", "the silent row's 0 A forbids charge", ALLOWANCE,
            " and by != REASON_GATEWAY_SILENT", "", "common"),
    Rewrite("derating", "a hot sensor does not lower the current", ALLOWANCE,
            "xs[1] = m.temp_max_dc", "xs[1] = m.temp_min_dc"),
    Rewrite("derating", "a cold sensor does not lower the current", ALLOWANCE,
            "xs[0] = m.temp_min_dc", "xs[0] = m.temp_max_dc"),
    # balancing
    Rewrite("balancing", "neighbours are bled together", BALANCE,
            "range(self._turn, self.limits.CELLS, 2)", "range(0, self.limits.CELLS)"),
    Rewrite("balancing", "bleeds when not allowed", BALANCE, "if not (allowed and m.known", "if not (m.known"),
    Rewrite("balancing", "bleeds with unknown readings", BALANCE, " and m.known", ""),
    Rewrite("balancing", "the other half waits a cycle longer", BALANCE, "UPDATE_CYCLES = 10", "UPDATE_CYCLES = 11"),
    Rewrite("balancing", "a request to stop is not heard", REQUESTS, " and self._balancing_asked", ""),
    # time
    Rewrite("pause", "a late cycle counts as one", CYCLE, "periods = min(max(1, ", "periods = min(1, max(1, "),
    Rewrite("clock", "the wrap of the clock is not seen", CYCLE, "(now_ms - last) & 0x3FFFFFFF", "(now_ms - last)"),
)


def check_rules() -> None:
    """Raises RuleMoved unless every rule's text stands in the firmware once."""
    for rewrite in RULES:
        _source(rewrite)


def _source(rewrite: Rewrite) -> tuple[ModuleType, str]:
    module = firmware(rewrite.module)
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    if (count := text.count(rewrite.old)) != 1:
        raise RuleMoved(f"{rewrite.module} holds {rewrite.old!r} {count} times; expected once ({rewrite.means})")
    return module, text


@contextmanager
def rewritten(rewrite: Rewrite | None) -> Iterator[None]:
    """The firmware in this process with `rewrite` in force. Raises RuleMoved when its text is not there once."""
    if rewrite is None:
        yield
        return
    module, text = _source(rewrite)
    fresh: dict[str, Any] = {"__name__": rewrite.module, "__file__": module.__file__}
    exec(compile(text.replace(rewrite.old, rewrite.new), str(module.__file__), "exec"), fresh)
    undo = list(_take_over(module, fresh))
    try:
        yield
    finally:
        for target, name, value in undo:
            setattr(target, name, value)


def _take_over(module: ModuleType, fresh: dict[str, Any]) -> Iterator[tuple[Any, str, Any]]:
    """Puts the code and the numbers of `fresh` into `module`; yields what brings the old ones back."""
    for name, old in list(vars(module).items()):
        new = fresh.get(name)
        if isinstance(old, FunctionType) and old.__module__ == module.__name__:
            yield from _swap(old, new)
        elif isinstance(old, type) and old.__module__ == module.__name__:
            for attribute, method in list(vars(old).items()):
                if isinstance(method, FunctionType):
                    yield from _swap(method, vars(new)[attribute])
                elif isinstance(method, property) and isinstance(method.fget, FunctionType):
                    yield from _swap(method.fget, vars(new)[attribute].fget)
        elif isinstance(old, int) and old != new:
            yield module, name, old
            setattr(module, name, new)


def _swap(old: FunctionType, new: Any) -> Iterator[tuple[Any, str, Any]]:
    yield old, "__code__", old.__code__
    old.__code__ = new.__code__
