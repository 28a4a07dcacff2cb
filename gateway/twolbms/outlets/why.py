"""Who opened or limits what, as sentences from a snapshot: pack, cell, value, limit, age, and what a person can do now.

Pure. It judges nothing itself: it puts into words what node and gateway have said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any

from twolbms.diagnoses import BOTH, CHARGE, DIAGNOSES, DISCHARGE
from twolbms.outlets.heard import heard_s, silent
from twolbms.outlets.sentence import Sentence
from twolbms.outlets.why_device import why_device
from twolbms.outlets.words import (
    UNKNOWN,
    allowed,
    amount,
    capital,
    clock_time,
    limiter_words,
    listing,
    refusal_words,
    rule_words,
    snake,
    span,
    threshold,
)

Pack = Mapping[str, Any]
_VERBS = {"charge": "charging", "discharge": "discharging"}


def why(snapshot: Mapping[str, Any], pack: str | None = None, zone: tzinfo | None = None) -> list[Sentence]:
    """All sentences of a site, or of one pack or device; KeyError when there is none of this name."""
    packs, devices = snapshot.get("packs") or {}, snapshot.get("devices") or {}
    if pack in devices and pack not in packs:
        return why_device(str(pack), devices[pack], quiet=False)
    chosen = packs if pack is None else {pack: packs[pack]}
    found = [sentence for name, each in chosen.items() for sentence in why_pack(name, each, zone)]
    found += [sentence for name, each in devices.items() if pack in (None, each.get("pack"))
              for sentence in why_device(name, each, quiet=bool(packs))]
    if pack is None:
        found += [sentence for name, bank in (snapshot.get("banks") or {}).items() for sentence in _bank(name, bank)]
    return found


def why_pack(name: str, pack: Pack, zone: tzinfo | None = None) -> list[Sentence]:
    """The sentences of one pack; at least one."""
    if silent(pack):
        return [_silent(name, pack)]
    found = [*_different_limits(name, pack), *_faults(name, pack, zone)]
    told = {direction for each in found for direction in _directions(each.what)}
    for direction in ("charge", "discharge"):
        if direction not in told:
            found += _direction(name, pack, direction)
    return _joined(found) or [_healthy(name, pack)]


def _directions(what: str) -> tuple[str, ...]:
    return {"both": ("charge", "discharge"), "charge": ("charge",), "discharge": ("discharge",)}.get(what, ())


def _silent(name: str, pack: Pack) -> Sentence:
    age_s, node = heard_s(pack), pack.get("node")
    silence = "was never heard" if age_s is None else f"has been silent for {span(age_s)}"
    text = f"{capital(name)}: everything is unknown and nothing is allowed because node {node} {silence}."
    return Sentence(text, "check the node's supply and the bus; a node protects its cells alone meanwhile, and if "
                    "it was closed its bank stays at 0 A until it is heard or a person confirms it open",
                    name, by="silence", age_s=age_s, what="both")


def _different_limits(name: str, pack: Pack) -> Iterator[Sentence]:
    if pack.get("hash_ok") is False:
        yield Sentence(f"{capital(name)}: nothing is allowed and the gateway never asks for close because the node's "
                       f"limits differ from the gateway's file of {pack.get('type')}.",
                       "flash the node from the reviewed file, or give the gateway the file that the node has",
                       name, "both", "limit_hash")


# -- faults ------------------------------------------------------------------------------------------------------------

def _faults(name: str, pack: Pack, zone: tzinfo | None) -> Iterator[Sentence]:
    faults = [fault for fault in pack.get("faults") or [] if fault.get("limit")]
    for fault in sorted(faults, key=lambda each: not _opens(each)):
        if _opens(fault):
            yield _open_fault(name, pack, fault, zone)
        elif fault.get("tier") == "warn":
            yield _warning(name, pack, fault, zone)


def _opens(fault: Mapping[str, Any]) -> bool:
    return bool(fault.get("latched")) or fault.get("tier") == "trip"


def _open_fault(name: str, pack: Pack, fault: Mapping[str, Any], zone: tzinfo | None) -> Sentence:
    what = _blocked(pack, fault)
    verb = "charging and discharging are" if what == "both" else f"{_VERBS[what]} is"
    since = "" if fault.get("since_ns") is None else f" since {clock_time(fault['since_ns'], zone)}"
    text = f"{capital(name)}: {verb} blocked{since} because {_cause(fault, pack)}{_heard(pack)}."
    return _of_fault(text, _what_to_do(pack, fault), name, pack, fault, what)


def _warning(name: str, pack: Pack, fault: Mapping[str, Any], zone: tzinfo | None) -> Sentence:
    since = "" if fault.get("since_ns") is None else f" since {clock_time(fault['since_ns'], zone)}"
    text = f"{capital(name)}: a warning{since}, nothing is blocked: {_cause(fault, pack)}{_heard(pack)}."
    return _of_fault(text, _advice(fault), name, pack, fault, "pack")


def _of_fault(text: str, now: str, name: str, pack: Pack, fault: Mapping[str, Any], what: str) -> Sentence:
    return Sentence(text, now, name, what, snake(fault["limit"]), fault.get("cell"), fault.get("value"),
                    fault.get("threshold"), fault.get("unit"), heard_s(pack), fault.get("since_ns"))


def _blocked(pack: Pack, fault: Mapping[str, Any]) -> str:
    """What is open now; before it has opened, what the row of the limit table blocks."""
    paths = pack.get("paths") or {}
    is_open = [direction for direction in ("charge", "discharge") if paths.get(direction) == "open"]
    if is_open:
        return "both" if len(is_open) == 2 else is_open[0]
    row = DIAGNOSES.get(snake(fault["limit"]))
    return {CHARGE: "charge", DISCHARGE: "discharge"}.get(row.trip_blocks if row else BOTH, "both")


def _cause(fault: Mapping[str, Any], pack: Pack) -> str:
    """"cell 3 was 3.652 V, above the 3.65 V trip of cell over voltage", as far as it is known."""
    limit, value, edge = snake(fault["limit"]), fault.get("value"), fault.get("threshold")
    row, unit = DIAGNOSES.get(limit), fault.get("unit") or ""
    means = row.means if row else rule_words(limit)
    if value is None or edge is None or unit in ("", "1"):
        return f"{means} ({rule_words(limit)})"
    thing, tier = _thing(fault, limit, pack), fault.get("tier") or "trip"
    edge_text = f"the {amount(edge, unit) if unit == 'V' else threshold(edge, unit)} {tier} of {rule_words(limit)}"
    if row is not None and (value - edge) * row.beyond <= 0:
        return f"{thing} passed {edge_text}"
    now = _present(pack, fault, limit)
    then = "" if now is None or amount(now, unit) == amount(value, unit) else f", and is {amount(now, unit)} now"
    return f"{thing} was {amount(value, unit)}, {'below' if row and row.beyond < 0 else 'above'} {edge_text}{then}"


def _present(pack: Pack, fault: Mapping[str, Any], limit: str) -> float | None:
    """What is measured now where the fault's value, the worst since it began, was measured."""
    for key, number in (("cells_v", fault.get("cell")), ("temperatures_c", fault.get("sensor"))):
        places = pack.get(key) or []
        if number is not None and number <= len(places):
            value: float | None = places[number - 1].get("value")
            return value
    if fault.get("unit") == "A":
        current_a = _value(pack, "current_a")
        return current_a if current_a is None or "discharge" not in limit else -current_a
    return None


_THINGS = {"V": "the cell voltage", "A": "the current", "degC": "the temperature", "s": "the age"}


def _thing(fault: Mapping[str, Any], limit: str, pack: Pack) -> str:
    if fault.get("cell") is not None:
        return f"cell {fault['cell']}"
    if fault.get("sensor") is not None:
        sensors = pack.get("temperatures_c") or []
        place = sensors[fault["sensor"] - 1].get("place") if fault["sensor"] <= len(sensors) else None
        return f"sensor {fault['sensor']} ({place})" if place else f"sensor {fault['sensor']}"
    if fault.get("unit") == "degC":
        return "the hottest sensor" if "over" in limit else "the coldest sensor"
    return _THINGS.get(str(fault.get("unit")), "the value")


def _heard(pack: Pack) -> str:
    return f" (heard {span(heard_s(pack))} ago)"


def _advice(fault: Mapping[str, Any]) -> str:
    row = DIAGNOSES.get(snake(fault["limit"]))
    return row.advice if row else "look at the node"


def _what_to_do(pack: Pack, fault: Mapping[str, Any]) -> str:
    steps = [_advice(fault)]
    row = (pack.get("limits") or {}).get(snake(fault["limit"])) or {}
    if not fault.get("latched"):
        steps.append(_after_the_cause(row, fault))
    elif row.get("remote_clear") is False or snake(pack.get("last_refusal") or "") == "local_clear_only":
        steps.append("then clear it at the node: this fault is not cleared remotely")
    else:
        hold_s = pack.get("hold_remaining_s")
        steps.append(f"wait {span(hold_s)} (hold time), then ask for clear and close" if hold_s else
                     "ask for clear, then for close")
    refusal = refusal_words(pack.get("last_refusal"))
    if refusal:
        steps.append(f"the last request was refused: {refusal}")
    return "; ".join(steps)


def _after_the_cause(row: Mapping[str, Any], fault: Mapping[str, Any]) -> str:
    clear, unit = row.get("clear"), str(row.get("unit") or fault.get("unit") or "")
    if clear is None or unit in ("", "1"):
        return "it is not latched and ends with its cause"
    return f"it is not latched and ends by itself when back at {threshold(clear, unit)}"


# -- allowances --------------------------------------------------------------------------------------------------------

_FREE = ("rating", "nothing")

_RULE_ADVICE = {
    "derate_charge_temperature": "nothing is wrong; more is allowed at a milder temperature",
    "derate_discharge_temperature": "nothing is wrong; more is allowed at a milder temperature",
    "derate_charge_voltage": "nothing is wrong; the pack is nearly full or one cell runs ahead",
    "derate_discharge_voltage": "charge the pack; its lowest cell is nearly empty",
    "gateway_request": "wait: an allowance rises slowly, and nothing else limits",
    "path_open": "ask for close",
    "unknown_reading": "check the sense wires and sensors; unknown allows no current",
    "service_state": "end the service state at the node",
    "hash_unknown": "wait: a node tells its limits within half a minute",
    "hash_mismatch": "flash the node from the reviewed file, or give the gateway the file that the node has",
    "wrong_protocol": "bring node and gateway to the same version of dbc/node.dbc",
    "cells_unknown": "check the sense wires; the cell page shows which voltages are missing or contradict the extremes",
    "person_request": "it ends by itself when it is not repeated",
    "pack_silent": "check the node's supply and the bus",
}


_RULE_CAUSES = {
    "gateway_request": "the gateway has asked for no more yet",
    "unknown_reading": "a reading is unknown",
    "service_state": "the node is in its service state",
    "hash_unknown": "the node has not yet told which limits it holds",
    "hash_mismatch": "the node holds other limits than the gateway's file",
    "wrong_protocol": "the node speaks another protocol version",
    "cells_unknown": "a cell voltage is unknown",
    "person_request": "a person asked for less",
}


def _direction(name: str, pack: Pack, direction: str) -> Iterator[Sentence]:
    allowance = pack.get("allowance") or {}
    value_a, by = allowance.get(f"{direction}_a"), snake(allowance.get(f"{direction}_limited_by") or "nothing")
    if value_a is None:
        yield Sentence(f"{capital(name)}: whether {_VERBS[direction]} is allowed is unknown{_heard(pack)}.",
                       "wait for the node's allowance; unknown counts as 0 A", name, direction, by,
                       age_s=heard_s(pack))
    elif by == "path_open":
        yield _path_open(name, pack, direction)
    elif value_a == 0 or by not in _FREE:
        yield _limited(name, pack, direction, value_a, by)


def _path_open(name: str, pack: Pack, direction: str) -> Sentence:
    reason = snake(pack.get("open_reason") or "nothing")
    opened = "" if reason in ("nothing", "not_available") else f"; opened last by {rule_words(reason)}"
    refusal = refusal_words(pack.get("last_refusal"))
    hold_s = pack.get("hold_remaining_s")
    requests = pack.get("requests") or {}
    now = f"wait {span(hold_s)} (hold time), then ask for close" if hold_s else "ask for close"
    if requests.get("held_open_by"):
        now = f"{requests['held_open_by']} asked for open, and only a person's close ends that"
    elif requests.get("close_refusal"):
        now += f"; at this moment it would not be passed on: {requests['close_refusal']}"
    if refusal:
        now += f"; the last request was refused: {refusal}"
    return Sentence(f"{capital(name)}: {_VERBS[direction]} is not possible because the {direction} path is open"
                    f"{opened}{_heard(pack)}.", now, name, direction, "path_open", age_s=heard_s(pack))


def _limited(name: str, pack: Pack, direction: str, value_a: float, by: str) -> Sentence:
    fault = next((each for each in pack.get("faults") or [] if snake(each.get("limit") or "") == by), None)
    if fault is not None:
        cause, now = _cause(fault, pack), _advice(fault)
    else:
        row = DIAGNOSES.get(by)
        cause = f"{row.means} ({rule_words(by)})" if row else _evidence(pack, by)
        now = row.advice if row else _RULE_ADVICE.get(by, f"look at {rule_words(by)}")
    verb = "is blocked" if value_a == 0 else f"is limited to {allowed(value_a)}"
    facts = {"cell": fault.get("cell"), "value": fault.get("value"), "limit": fault.get("threshold"),
             "unit": fault.get("unit"), "since_ns": fault.get("since_ns")} if fault else _facts(pack, by)
    return Sentence(f"{capital(name)}: {_VERBS[direction]} {verb} because {cause}{_heard(pack)}.", now,
                    name, direction, by, age_s=heard_s(pack), **facts)


def _evidence(pack: Pack, by: str) -> str:
    """What was measured that makes this rule hold."""
    if by in ("derate_charge_temperature", "derate_discharge_temperature"):
        return f"the temperature is {_range(pack)}"
    if by in ("derate_charge_voltage", "derate_discharge_voltage"):
        facts = _facts(pack, by)
        which = "highest" if by == "derate_charge_voltage" else "lowest"
        where = f"the {which} cell" if facts["cell"] is None else f"cell {facts['cell']}, the {which},"
        return f"{where} is at {amount(facts['value'], 'V')}"
    return _RULE_CAUSES.get(by, f"{rule_words(by)} sets this")


def _range(pack: Pack) -> str:
    low, high = (_value(pack, name) for name in ("temperature_min_c", "temperature_max_c"))
    if low is None or high is None:
        return UNKNOWN
    return amount(low, "degC") if round(low, 1) == round(high, 1) else f"{low:.1f} to {amount(high, 'degC')}"


def _facts(pack: Pack, by: str) -> dict[str, Any]:
    if by not in ("derate_charge_voltage", "derate_discharge_voltage"):
        return {"cell": None, "value": None}
    highest = by == "derate_charge_voltage"
    known = [(cell["value"], number) for number, cell in enumerate(pack.get("cells_v") or [], 1)
             if cell.get("value") is not None]
    value_v = _value(pack, "cell_max_v" if highest else "cell_min_v")
    if not known:
        return {"cell": None, "value": value_v, "unit": "V"}
    found_v, cell = max(known) if highest else min(known)
    return {"cell": cell, "value": found_v if value_v is None else value_v, "unit": "V"}


def _value(pack: Pack, quantity: str) -> float | None:
    value: float | None = ((pack.get("values") or {}).get(quantity) or {}).get("value")
    return value


# -- packs without trouble, banks --------------------------------------------------------------------------------------

def _healthy(name: str, pack: Pack) -> Sentence:
    allowance = pack.get("allowance") or {}
    charge, discharge = (allowed(allowance.get(f"{direction}_a")) for direction in ("charge", "discharge"))
    text = (f"{capital(name)}: nothing limits: charging up to {charge} and discharging up to {discharge}, "
            f"by the parts' ratings{_heard(pack)}.")
    return Sentence(text, "nothing to do", name, by="rating", age_s=heard_s(pack))


def _joined(found: list[Sentence]) -> list[Sentence]:
    """Two sentences that differ by nothing but charge and discharge become one."""
    joined: list[Sentence] = []
    for each in found:
        before = joined[-1] if joined else None
        if before and (before.what, each.what) == ("charge", "discharge") and before.text == _swapped(each.text):
            text = each.text.replace("discharging is", "charging and discharging are").replace(
                "the discharge path is", "its paths are")
            joined[-1] = Sentence(text, each.now, each.pack, "both", each.by, age_s=each.age_s)
        else:
            joined.append(each)
    return joined


def _swapped(text: str) -> str:
    return text.replace("discharging", "charging").replace("the discharge path", "the charge path")


def _bank(name: str, bank: Mapping[str, Any]) -> Iterator[Sentence]:
    """A bank that allows nothing in a direction; one of a single pack has been explained by its pack."""
    packs = bank.get("packs") or []
    if len(packs) == 1:
        return
    for direction in ("charge", "discharge"):
        value_a, by = bank.get(f"{direction}_a"), bank.get(f"{direction}_limited_by") or bank.get("limited_by")
        if value_a:
            continue
        because = f" because of {limiter_words(by)}" if by else ""
        how_much = "unknown" if value_a is None else "0 A"
        yield Sentence(f"Bank {name} ({listing(packs)}): {_VERBS[direction]} is {how_much}{because}.",
                       "see the sentences of its packs", None, "bank", by)
