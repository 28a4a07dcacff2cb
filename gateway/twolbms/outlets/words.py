"""The words people read: names of limits and rules, numbers with units, ages, times, and the sentence of an event.

Unknown is always said as such. It knows neither terminals nor sockets.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, tzinfo
from typing import Any

from twolbms.diagnoses import DIAGNOSES

UNKNOWN = "unknown"

# What a node or the gateway names beside the diagnoses (VAL_ ChargeLimitedBy of dbc/node.dbc), for people.
RULES = {
    "rating": "ratings",
    "pack_silent": "silent node",
    "hash_unknown": "the node has not yet told its limits",
    "hash_mismatch": "the node has other limits",
    "wrong_protocol": "the node speaks another protocol",
    "cells_unknown": "unknown cell voltage",
    "person_request": "a person's request",
    "derate_charge_temperature": "temperature",
    "derate_discharge_temperature": "temperature",
    "derate_charge_voltage": "full cell",
    "derate_discharge_voltage": "empty cell",
    "gateway_request": "gateway",
    "path_open": "outputs open",
    "unknown_reading": "unknown reading",
    "service_state": "service",
    "nothing": "nothing",
    "not_available": UNKNOWN,
}

# What a node does in a state that its name alone does not explain (VAL_ State of dbc/node.dbc).
DOINGS = {
    "asleep": "asleep to spare an empty bank: a charger, the key or its timer wakes it",
    "cooling": "the precharge resistor cools before the next try",
    "service": "in service: nothing closes",
    "precharge": "the link is charged through the resistor",
}
TRIALS = {
    "on_trial": "its firmware is on trial",
    "waits_for_arming": "a version with other limits waits for the arming input",
}

REFUSALS = {
    "cause_present": "the cause is still present",
    "hold_running": "the hold time is still running",
    "latched": "a fault is latched: clear it first",
    "local_clear_only": "this fault is cleared at the node only",
    "send_twice": "the request came only once",
    "wrong_state": "the node is in the wrong state for it",
    "unknown_reading": "a reading is unknown",
    "not_supported": "the node does not know the request",
    "open_requested": "an open request stands",
    "link_voltage": "the link voltage does not fit",
    "not_commissioned": "the node's wiring was never checked: 2lbms node check",
}

_UNITS = {"degC": "°C", "1": ""}
_DECIMALS = {"V": 3, "A": 1, "degC": 1, "°C": 1, "s": 1}


def snake(name: str) -> str:
    """`ChargeLimitedBy` as `charge_limited_by`; a name in that form already stays."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")


def rule_words(name: str | None) -> str:
    """A limit, a derating or a rule by its name, for people: `cell_over_voltage` as "cell over voltage"."""
    if name is None:
        return UNKNOWN
    plain = snake(name)
    return RULES.get(plain, plain.replace("_", " "))


def limiter_words(limited_by: str | None) -> str:
    """What limits a bank: a rule, or "pack: rule"."""
    pack, colon, rule = (limited_by or "nothing").rpartition(": ")
    return pack + colon + rule_words(rule)


def refusal_words(name: str | None) -> str | None:
    """Why a request was refused; None when it was not, or nothing is known."""
    plain = snake(name or "accepted")
    if plain in ("accepted", "not_available", "nothing"):
        return None
    return REFUSALS.get(plain, plain.replace("_", " "))


def is_diagnosis(name: str | None) -> bool:
    """Whether the name is a row of the limit table."""
    return name is not None and snake(name) in DIAGNOSES


def amount(value: float | None, unit: str, decimals: int | None = None) -> str:
    """A number with its unit, "unknown" for None."""
    if value is None:
        return UNKNOWN
    places = _DECIMALS.get(unit, 0 if float(value).is_integer() else 3) if decimals is None else decimals
    text = f"{value:.{places}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    unit = _UNITS.get(unit, unit)
    return f"{text} {unit}" if unit else text


def threshold(value: float, unit: str) -> str:
    """A configured number as it was written: "4.2 V", "-30 °C"."""
    unit = _UNITS.get(unit, unit)
    return f"{value:g} {unit}" if unit else f"{value:g}"


def allowed(value: float | None) -> str:
    """An allowance: "0 A", "33.3 A", "160 A"; rounded down, because what is allowed is never overstated."""
    if value is None:
        return UNKNOWN
    tenths = math.floor(value * 10 + 1e-6) / 10
    return f"{tenths:.0f} A" if tenths >= 100 or tenths.is_integer() else f"{tenths:.1f} A"


def percent(value: float | None, decimals: int = 1) -> str:
    """A fraction as percent, "unknown" for None."""
    return UNKNOWN if value is None else f"{value * 100:.{decimals}f} %"


def span(seconds: float | None) -> str:
    """A length of time: "0.2 s", "47 s", "12 min 03 s", "5 h 07 min", "3 d 4 h"."""
    if seconds is None:
        return UNKNOWN
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 172800:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def clock_time(time_ns: int | None, zone: tzinfo | None = None) -> str:
    """Hours, minutes, seconds of a wall time in nanoseconds; local time without `zone`."""
    return UNKNOWN if time_ns is None else _at(time_ns, zone).strftime("%H:%M:%S")


def date_time(time_ns: int | None, zone: tzinfo | None = None) -> str:
    """Date and time of a wall time in nanoseconds; local time without `zone`."""
    return "time not known" if time_ns is None else _at(time_ns, zone).strftime("%Y-%m-%d %H:%M:%S")


def _at(time_ns: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).astimezone(zone)


def listing(names: list[str]) -> str:
    """"a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def capital(text: str) -> str:
    """The text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def numbers(data: dict[str, Any]) -> str:
    """An event's data as "name value" pairs, for kinds this page does not know."""
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in data.items() if value is not None)
