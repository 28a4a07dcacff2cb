"""Sentences for what happens to a pack, with the numbers beside them. Knows words, not rules.

Cells and sensors count from 1 here, for people; values keep the limit's unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from twolbms.battery.faults import Fault, Reading, Tier
from twolbms.battery.requests import Answer, Ticket
from twolbms.diagnoses import DIAGNOSES

Told = tuple[str, dict[str, Any]]

_DECIMALS = {"V": 3, "A": 1, "degC": 1, "s": 1, "1": 0}
_UNITS = {"degC": "°C", "1": ""}

REFUSALS: Mapping[str, str] = {
    "cause_present": "the cause is still present",
    "hold_running": "the hold time is still running",
    "latched": "a limit blocks closing: wait until its cause is gone, clear it if it is latched",
    "local_clear_only": "this limit can be cleared at the node only",
    "send_twice": "it must be sent twice",
    "wrong_state": "not in this state",
    "unknown_reading": "a reading is unknown",
    "not_supported": "the node does not know this request",
    "open_requested": "an open is requested and holds",
    "link_voltage": "the voltage outside the outputs does not fit",
}

REASONS: Mapping[str, str] = {
    "gateway_request": "asked by the gateway",
    "unknown_reading": "a reading is unknown",
    "service_state": "the node is in service",
    "path_open": "the path is open",
    "rating": "rating of the parts in the current's path",
    "derate_charge_temperature": "temperature derates charging",
    "derate_discharge_temperature": "temperature derates discharging",
    "derate_charge_voltage": "the highest cell nears its top",
    "derate_discharge_voltage": "the lowest cell nears its bottom",
    "pack_silent": "the node is silent",
    "hash_unknown": "the node has not yet told which limits it holds",
    "hash_mismatch": "the node holds other limits than the gateway's pack file",
    "wrong_protocol": "the node speaks another protocol version",
    "cells_unknown": "a cell voltage is unknown",
    "person_request": "narrowed by request",
    "nothing": "the node gives no reason",
}


def number(value: float, unit: str) -> str:
    """A value with its unit, as people write it."""
    return f"{value:.{_DECIMALS.get(unit, 2)}f} {_UNITS.get(unit, unit)}".rstrip()


def threshold_text(value: float, unit: str) -> str:
    """A threshold without needless zeros."""
    return f"{value:g} {_UNITS.get(unit, unit)}".rstrip()


def place(reading: Reading, sensors: Sequence[str]) -> str:
    """cell 5, or sensor 2 with its place; empty when the limit has neither."""
    if reading.cell is not None:
        return f"cell {reading.cell + 1}"
    if reading.sensor is None:
        return ""
    where = f" ({sensors[reading.sensor]})" if reading.sensor < len(sensors) else ""
    return f"sensor {reading.sensor + 1}{where}"


def evidence(limit: str, tier: Tier, reading: Reading, threshold: float | None, sensors: Sequence[str]) -> Told:
    """Why a limit speaks: `cell 5 at 3.652 V, above the trip value 3.65 V`, and the numbers."""
    row = DIAGNOSES[limit]
    data: dict[str, Any] = {
        "limit": limit, "tier": tier, "cell": None if reading.cell is None else reading.cell + 1,
        "sensor": None if reading.sensor is None else reading.sensor + 1,
        "value": reading.value, "threshold": threshold, "unit": row.unit}
    if reading.value is None or threshold is None:
        return row.means, data
    beyond = (reading.value - threshold) * row.beyond > 0
    side = f", {'above' if row.beyond > 0 else 'below'} the {tier} value " if beyond else f"; the {tier} value is "
    what = f"{place(reading, sensors)} at {number(reading.value, row.unit)}".strip()
    return f"{what.removeprefix('at ')}{side}{threshold_text(threshold, row.unit)}", data


def fault_told(fault: Fault, what: Tier | Literal["latched"], appeared: bool, threshold: float | None,
               sensors: Sequence[str], now_ns: int) -> Told:
    """A tier or a latch that appeared or went away."""
    tier: Tier = "trip" if what == "latched" else what
    text, data = evidence(fault.diagnosis.name, tier, fault.worst, threshold, sensors)
    name = fault.diagnosis.name.replace("_", " ")
    if what == "latched":
        verb = "is latched until it is cleared" if appeared else "is cleared"
        return f"{name} {verb}", data
    if appeared:
        return f"{name} ({tier}): {text}", data
    data["lasted_s"] = round((now_ns - fault.since_ns) / 1e9, 1)
    return f"{name} ({tier}) is over", data


def reason_text(reason: str | None) -> str:
    """A reason that is no limit, in words."""
    if reason is None:
        return REASONS["nothing"]
    if reason in DIAGNOSES:
        return DIAGNOSES[reason].means
    return REASONS.get(reason, reason.replace("_", " "))


def refusal_text(answer: Answer) -> str:
    """Why the node refused, in words."""
    text = REFUSALS.get(answer.answer, answer.answer.replace("_", " "))
    if answer.limit in DIAGNOSES:
        text += f" ({answer.limit.replace('_', ' ')}: {DIAGNOSES[answer.limit].means})"
    if answer.hold_s:
        text += f", {answer.hold_s:.0f} s to go"
    return text


def outcome(ticket: Ticket) -> str:
    """What became of a request, in words."""
    if ticket.accepted:
        return "open" if ticket.what == "open" else "accepted"
    if ticket.answer is not None:
        return f"refused: {refusal_text(ticket.answer)}"
    return ticket.note or "no answer"


def answer_told(ticket: Ticket) -> Told:
    """A request that ended: who asked what, and the answer."""
    answer = ticket.answer
    data = {"what": ticket.what, "by": ticket.by, "accepted": ticket.accepted,
            "answer": answer.answer if answer else None, "limit": answer.limit if answer else None,
            "hold_s": answer.hold_s if answer else None}
    return f"{ticket.what} asked by {ticket.by}: {outcome(ticket)}", data
