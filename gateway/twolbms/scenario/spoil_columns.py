"""Every number of a pack's limit columns, spoiled by one count up and down, or the reason why that means nothing.

Knows columns, not scenarios: which of them notice is found by playing them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from twolbms.build.columns import NEVER
from twolbms.diagnoses import BY_NUMBER, COUNT, DIAGNOSES
from twolbms.scenario.rewriting import Rewrite

BASE = ("TRIP", "CLEAR", "DELAY", "LIMIT", "WARN", "HOLD")
_TIERS = ("WARN", "LIMIT", "TRIP")
_FLAGS = ("LATCH", "REMOTE_CLEAR", "AFTER_REQUEST")
WIRE_MA = 250  # PackAllowance tells currents in steps of 0.25 A; less than one step cannot be seen from outside
WIRE_MV = 200  # and the voltage to charge to in steps of 0.2 V

# Scalars: the rule whose scenarios pin the number down, and the step that can be seen.
_SCALARS: dict[str, tuple[str, int]] = {
    "PACK_SUM_TOLERANCE_MV": ("plausibility", 1),
    "CELL_LOW_MV": ("plausibility", 1), "CELL_HIGH_MV": ("plausibility", 1),
    "TEMPERATURE_LOW_DC": ("plausibility", 1), "TEMPERATURE_HIGH_DC": ("plausibility", 1),
    "MAX_CHARGE_MA": ("rating", WIRE_MA), "MAX_DISCHARGE_MA": ("rating", WIRE_MA), "CHARGE_TO_MV": ("rating", WIRE_MV),
    "SILENT_CHARGE_MA": ("gateway_silent", WIRE_MA), "SILENT_DISCHARGE_MA": ("gateway_silent", WIRE_MA),
    "RISE_MA_PER_CYCLE": ("rise", 1),
    "PRECHARGE_CYCLES": ("precharge", 1), "PRECHARGE_DIFFERENCE_MV": ("precharge", 1),
    "PRECHARGE_CURRENT_MA": ("precharge", 1), "PRECHARGE_TRIES": ("precharge", 1),
    "PRECHARGE_COOL_CYCLES": ("precharge", 1), "WELD_WAIT_CYCLES": ("weld", 1),
    "BREAK_MAX_MA": ("break_hold", 1), "BREAK_HOLD_CYCLES": ("break_hold", 1),
    "HEATER_ON_BELOW_DC": ("heater", 1), "HEATER_OFF_ABOVE_DC": ("heater", 1), "HEATER_HOTTEST_DC": ("heater", 1),
    "HEATER_CELL_FLOOR_MV": ("heater", 1), "HEATER_MAX_ON_CYCLES": ("heater", 1), "HEATER_REST_CYCLES": ("heater", 1),
    "HEATER_CHECK_CYCLES": ("heater_watch", 1), "HEATER_RISE_DC": ("heater_watch", 1),
    "HEATER_STUCK_RISE_DC": ("heater_watch", 1), "HEATER_W": ("heater_budget", 1),
    "HEATER_BUDGET_J": ("heater_budget", 1), "HEATER_MA": ("contactor_welded", 1),
    "SLEEP_AFTER_CYCLES": ("sleep", 1), "WAKE_EVERY_CYCLES": ("sleep", 1), "BALANCE_BUDGET_CYCLES": ("balancing", 1),
    "BALANCE_START_MV": ("balancing", 1), "BALANCE_SPREAD_MV": ("balancing", 1), "BALANCE_HOTTEST_DC": ("balancing", 1),
}
_LINES = ("CHARGE_BY_TEMPERATURE", "DISCHARGE_BY_TEMPERATURE", "CHARGE_BY_CELL_VOLTAGE", "DISCHARGE_BY_CELL_VOLTAGE")
_SWITCHES = {"COMMON": "cell_over_voltage", "CLOSE_ALONE": "closing", "HEATER": "heater", "HEATER_FROM_LINK": "heater",
             "BALANCING": "balancing"}
_COUNTED_ELSEWHERE = {
    "BALANCE_BUDGET_CYCLES": "one cycle in four hours of bleeding: tests/firmware/test_balance.py counts it",
}
_ONE_EVENT = {"precharge_failed", "break_overload", "contactor_welded"}  # true only after the outputs have opened
_COLD, _SILENT = DIAGNOSES["charge_under_temperature"].number, DIAGNOSES["gateway_silent"].number
# The charge row that looks at the same sensors as a discharge row.
_CHARGE_TWIN = {DIAGNOSES["discharge_over_temperature"].number: DIAGNOSES["charge_over_temperature"].number,
                DIAGNOSES["discharge_under_temperature"].number: _COLD}
_FALLS_TO_ZERO = {
    "stale_reading": "the age falls to 0 with the first new conversion: no reading lies between clear and trip",
    "monitor_communication": "the age falls to 0 with the first answer: no reading lies between clear and trip",
    "gateway_silent": "the silence falls to 0 with the first heartbeat: no reading lies between clear and limit",
}

Columns = tuple[tuple[str, Any], ...]  # names and what stands there instead


@dataclass(frozen=True)
class Spoil:
    """One thing made wrong. `proved_by` is what scenarios must name in `proves`; `reason` says why it cannot matter."""

    pack: str
    proved_by: str
    what: str
    columns: Columns = ()
    rewrite: Rewrite | None = None
    reason: str | None = None


def column_spoils(limits: SimpleNamespace) -> Iterator[Spoil]:
    """All of them for one pack's columns."""
    for n in range(COUNT):
        for column in BASE:
            yield from _row_number(limits, n, column)
        for column in _FLAGS:
            yield _row_flag(limits, n, column)
        yield from _blocks(limits, n)
    for name, (rule, step) in _SCALARS.items():
        yield from _scalar(limits, name, rule, step)
    for name, rule in _SWITCHES.items():
        yield _switch(limits, name, rule)
    for line in _LINES:
        yield from _points(limits, f"{line}_X", 1)
        yield from _points(limits, f"{line}_MA", 2 * WIRE_MA)  # one step is rounded away where a line meets whole steps


def _spoil(limits: SimpleNamespace, rule: str, what: str, columns: Columns, reason: str | None = None) -> Spoil:
    return Spoil(limits.PACK, rule, what, () if reason else columns, None, reason)


def _replaced(limits: SimpleNamespace, column: str, n: int, value: int) -> Columns:
    old = getattr(limits, column)
    return ((column, (*old[:n], value, *old[n + 1:])),)


def _row_number(limits: SimpleNamespace, n: int, column: str) -> Iterator[Spoil]:
    name, value = BY_NUMBER[n].name, getattr(limits, column)[n]
    for step in (1, -1):
        numbers = f" {value} -> {value + step}" if abs(value) < NEVER else ""
        yield _spoil(limits, name, f"{name} {column.lower()}{numbers}", _replaced(limits, column, n, value + step),
                     _why_not(limits, n, column, step))


def _why_not(limits: SimpleNamespace, n: int, column: str, step: int) -> str | None:
    """Why one count more or less of this number can be seen by nobody."""
    name, sign = BY_NUMBER[n].name, limits.SIGN[n]
    trip, clear = limits.TRIP[n], limits.CLEAR[n]
    if column in _TIERS and abs(getattr(limits, column)[n]) == NEVER:
        return f"the pack has no {column.lower()} tier here"
    if all(abs(getattr(limits, tier)[n]) == NEVER for tier in _TIERS):
        return "the row is not fitted in this pack"
    if column == "DELAY" and name == "cycle_overrun" and step < 0:
        return "a late cycle counts as two at least: its time is 1, then 3"
    if column == "HOLD" and abs(trip) == NEVER:
        return "no trip, so nothing is held"
    if column == "CLEAR":
        if name in _FALLS_TO_ZERO and not (name == "monitor_communication" and step < 0):
            return _FALLS_TO_ZERO[name]
        if clear == trip and step * sign > 0:
            return "clear equals trip: a count beyond it has tripped and cannot clear"
    return None


def _row_flag(limits: SimpleNamespace, n: int, column: str) -> Spoil:
    name, value = BY_NUMBER[n].name, getattr(limits, column)[n]
    reason = None
    if abs(limits.TRIP[n]) == NEVER:
        reason = "the row has no trip"
    elif column == "REMOTE_CLEAR" and not limits.LATCH[n]:
        reason = "the row does not latch, so there is nothing to clear"
    elif column == "AFTER_REQUEST" and name in _ONE_EVENT:
        reason = "the outputs have opened before the row trips"
    elif column == "AFTER_REQUEST" and name == "deep_discharge" and limits.COMMON:
        reason = "cell_under_voltage has opened everything before"
    elif column == "AFTER_REQUEST" and not limits.TRIP_BLOCKS[n]:
        reason = "the row's trip opens nothing"
    return _spoil(limits, name, f"{name} {column.lower()} {value} -> {1 - value}",
                  _replaced(limits, column, n, 1 - value), reason)


def _blocks(limits: SimpleNamespace, n: int) -> Iterator[Spoil]:
    """What the trip and limit tiers block, one direction more or less."""
    name = BY_NUMBER[n].name
    for tier, verbs in (("TRIP", ("frees", "blocks")), ("LIMIT", ("allows", "forbids"))):
        for bit, direction in ((1, "charge"), (2, "discharge")):
            mask = getattr(limits, f"{tier}_BLOCKS")[n]
            yield _spoil(limits, name, f"{name} {tier.lower()} {verbs[0 if mask & bit else 1]} {direction}",
                         _replaced(limits, f"{tier}_BLOCKS", n, mask ^ bit), _why_no_block(limits, n, tier, bit))


def _why_no_block(limits: SimpleNamespace, n: int, tier: str, bit: int) -> str | None:
    """Why one direction more or less in a tier of row `n` changes nothing."""
    twin, limit, trip = _CHARGE_TWIN.get(n), limits.LIMIT[n], limits.TRIP[n]
    if abs(limit if tier == "LIMIT" else trip) == NEVER:
        return f"the pack has no {tier.lower()} tier here"
    if tier == "TRIP":
        if limits.COMMON:
            return "common outputs: a block of one direction is a block of both"
        if twin == _COLD and bit == 1 and _covers(limits, twin, n, "TRIP"):
            return f"{BY_NUMBER[twin].name} has tripped whenever this row has"
        return None
    if limit == trip and limits.TRIP_BLOCKS[n] & bit:
        return "limit equals trip: the trip blocks it too"
    if n == _SILENT and limits.SILENT_CHARGE_MA == 0 and bit == 1:
        return "the row allows 0 A anyway"
    if twin is not None and bit == 1 and _covers(limits, twin, n, "LIMIT"):
        return f"{BY_NUMBER[twin].name} limits charge whenever this row limits"
    if twin is not None and limits.COMMON and (limits.TRIP[twin] - limit) * limits.SIGN[n] <= 0:
        return f"{BY_NUMBER[twin].name} has tripped and opened both directions whenever this row limits"
    return None


def _covers(limits: SimpleNamespace, twin: int, n: int, tier: str) -> bool:
    """Whether row `twin` is there before row `n` and goes no sooner."""
    sooner = all((column[twin] - column[n]) * limits.SIGN[n] <= 0 for column in (getattr(limits, tier), limits.CLEAR))
    held = tier == "LIMIT" or limits.HOLD[twin] >= limits.HOLD[n]
    return sooner and held and limits.DELAY[twin] <= limits.DELAY[n]


def _scalar(limits: SimpleNamespace, name: str, rule: str, step: int) -> Iterator[Spoil]:
    value = getattr(limits, name)
    part = name.partition("_")[0]
    if name == "HEATER_BUDGET_J":
        step = max(1, limits.HEATER_W // 10)  # the heat of one cycle: less cannot be seen
    elif name == "HEATER_MA" and limits.HEATER_FROM_LINK:
        rule = "heater_watch"  # open outputs carry none of it, and its own current is what it is for
    reason = None
    if part in ("HEATER", "BALANCE") and not getattr(limits, "HEATER" if part == "HEATER" else "BALANCING"):
        reason = f"the pack has no {'heater' if part == 'HEATER' else 'balancing'}"
    reason = reason or _COUNTED_ELSEWHERE.get(name)
    if name == "HEATER_MA" and value == 0:
        reason = "no heater draws through the shunt of this pack"
    for change in (step, -step):
        below = "a current below 0 A is told as 0 A" if value + change < 0 and name.startswith("SILENT") else None
        yield _spoil(limits, rule, f"{name.lower()} {value} -> {value + change}", ((name, value + change),),
                     reason or below)


def _switch(limits: SimpleNamespace, name: str, rule: str) -> Spoil:
    value = getattr(limits, name)
    reason = "trip_blocks of every row say both already" if name == "COMMON" and value else None
    if name in ("HEATER", "HEATER_FROM_LINK") and not limits.HEATER:
        reason = "without a heater its budget is 0 J: nothing is ever heated"
    return _spoil(limits, rule, f"{name.lower()} {value} -> {1 - value}", ((name, 1 - value),), reason)


def _points(limits: SimpleNamespace, column: str, step: int) -> Iterator[Spoil]:
    for i, value in enumerate(getattr(limits, column)):
        for change in (step, -step):
            yield _spoil(limits, "derating", f"{column.lower()} point {i + 1} {value} -> {value + change}",
                         _replaced(limits, column, i, value + change))
