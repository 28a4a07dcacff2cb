"""The picture of a moment as one JSON-able dict: what pages, `why` and outlets read. Reads facts, decides nothing.

Unknown is null. Cells and sensors count from 1; times are wall nanoseconds, null while the wall clock is not known.
"""

from __future__ import annotations

from typing import Any

from twolbms.battery.faults import Fault
from twolbms.battery.pack import Pack
from twolbms.battery.pack_state import OUTPUTS, QUANTITIES
from twolbms.battery.setup import PackSetup
from twolbms.battery.telling import evidence
from twolbms.site.banks import Bank

Json = dict[str, Any]
_DIGITS = 6


def pack_picture(pack: Pack, now_ns: int, wall_offset_ns: int | None) -> Json:
    """One pack of the snapshot."""
    heard, state = pack.heard, pack.heard.state
    soc = heard.soc
    charge, discharge = (pack.allowances[way].allowed for way in OUTPUTS)
    return {
        "type": pack.setup.type.pack, "node": pack.setup.node, "kind": pack.setup.type.kind, "bus": pack.setup.bus,
        "state": heard.word("State", now_ns), "last_state": heard.last_state(),
        "age_s": _round(state.messages["PackState"].age_s(now_ns)),
        "values": _values(pack, now_ns),
        "cells_v": [{"value": _round(heard.cell_v(cell, now_ns)), "age_s": _round(heard.cells.age_s(cell, now_ns))}
                    for cell in range(heard.cells.count)],
        "cells_whole": heard.cells.whole(now_ns),
        "temperatures_c": [
            {"value": _round(heard.temperature_c(sensor, now_ns)), "age_s": _round(heard.sensors.age_s(sensor, now_ns)),
             "place": place} for sensor, place in enumerate(pack.setup.type.sensors.temperatures)],
        "paths": {path: state.path(path, now_ns) for path in (*OUTPUTS, "precharge")},
        "last_paths": {path: state.last_path(path) for path in OUTPUTS},
        "heater": {} if pack.setup.type.heater is None else {
            "measured": state.switch("HeaterMeasured", now_ns), "commanded": state.switch("HeaterCommanded", now_ns)},
        "interlock": {"on": "closed", "off": "open"}.get(state.switch("Interlock", now_ns), "unknown"),
        "arming": state.switch("Arming", now_ns), "charger_present": state.switch("ChargerPresent", now_ns),
        "soc": {"value": _round(soc.soc), "sigma": _round(soc.sigma(now_ns)), "source": soc.source},
        "allowance": {
            "charge_a": _round(charge.current_a), "discharge_a": _round(discharge.current_a),
            "charge_v": _round(pack.charge_to_v(now_ns)),
            "charge_limited_by": charge.by, "discharge_limited_by": discharge.by},
        "faults": [_fault(fault, pack, wall_offset_ns) for fault in heard.faults.active.values()],
        "limits": _limits(pack.setup),
        "open_reason": heard.word("OpenReason", now_ns), "last_refusal": heard.word("LastRefusal", now_ns),
        "hold_remaining_s": _round(state.signal("PackState", "HoldRemaining", now_ns)),
        "hash_ok": {"ok": True, "mismatch": False}.get(heard.info.hash_state),
        "info": heard.info.shown(heard.words.info), "history": heard.history.shown(),
        "update": _update(pack, now_ns),
        "requests": _requests(pack, now_ns),
    }


def _values(pack: Pack, now_ns: int) -> Json:
    heard = pack.heard
    state = heard.state
    values: dict[str, tuple[float | None, float | None]] = {
        row.name: (heard.value(row.name, now_ns), state.messages[row.message].age_s(now_ns)) for row in QUANTITIES}
    low, high = values["cell_min_v"][0], values["cell_max_v"][0]
    values["cell_spread_v"] = (None if low is None or high is None else high - low, values["cell_min_v"][1])
    frames, pages = heard.charge_frames, heard.fault_pages
    for name, count_mah in (("charge_in_ah", heard.charge.in_mah), ("charge_out_ah", heard.charge.out_mah)):
        values[name] = (count_mah / 1000 if frames.known(now_ns) else None, frames.age_s(now_ns))
    for name, count in (("faults_active", heard.faults.count(1, 2)), ("faults_latched", heard.faults.count(3))):
        values[name] = (count if pages.known(now_ns) else None, pages.age_s(now_ns))
    age_s = state.age_s(now_ns)
    values |= {name: (value, 0.0 if name == "pack_age_s" else age_s)
               for name, value in pack.computed(now_ns).items()}
    for row in ("cell_over_voltage", "cell_under_voltage"):
        values[f"limit_{row}_trip_v"] = (heard.faults.threshold(row, "trip"), 0.0)
    return {name: {"value": _round(value), "age_s": _round(age)} for name, (value, age) in values.items()}


def _fault(fault: Fault, pack: Pack, wall_offset_ns: int | None) -> Json:
    name, tier, sensors = fault.diagnosis.name, fault.tier, pack.setup.type.sensors.temperatures
    text, data = evidence(name, tier, fault.worst, pack.heard.faults.threshold(name, tier), sensors)
    return {**data, "value": _round(data["value"]), "active": fault.active, "latched": fault.latched, "text": text,
            "since_ns": wall(fault.since_ns, wall_offset_ns)}


def _update(pack: Pack, now_ns: int) -> Json | None:
    """The update over CAN that the node tells of, None while it tells of none."""
    heard = pack.heard
    values = heard.update.values
    if not heard.update.fresh(now_ns) or not (state := heard.words.update_states.get(int(values["UpdateState"] or 0))):
        return None
    error = heard.words.update_errors.get(int(values["UpdateError"] or 0))
    return {"state": state, "error": None if error == "nothing" else error, "next_block": int(values["NextBlock"] or 0)}


def _limits(setup: PackSetup) -> Json:
    return {name: {"unit": row.unit, "warn": row.warn, "limit": row.limit, "trip": row.trip, "clear": row.clear,
                   "remote_clear": row.remote_clear} for name, row in setup.type.limits.items()}


def _requests(pack: Pack, now_ns: int) -> Json:
    requests = pack.requests
    narrowing, pending = requests.narrowing, requests.pending
    return {
        "held_open_by": requests.hold.by if requests.hold else None,
        "pending": None if pending is None else {"what": pending.what, "by": pending.by, "tries": pending.tries},
        "narrowed": None if narrowing is None else {
            "by": narrowing.by, "charge_a": narrowing.charge_a, "discharge_a": narrowing.discharge_a,
            "expires_s": _round(max(0.0, (narrowing.expires_ns - now_ns) / 1e9))},
        "close_refusal": pack.close_refusal(now_ns), "keep_closed": pack.setup.keep_closed,
        "confirmed_open": pack.confirmed_open,
    }


def bank_picture(bank: Bank) -> Json:
    """One bank of the snapshot."""
    charge, discharge = (bank.allowed[way] for way in OUTPUTS)
    worst = min((charge, discharge), key=lambda allowed: allowed.current_a)
    return {"packs": [pack.setup.name for pack in bank.packs],
            "charge_a": _round(charge.current_a), "discharge_a": _round(discharge.current_a),
            "limited_by": worst.limited_by, "charge_limited_by": charge.limited_by,
            "discharge_limited_by": discharge.limited_by}


def wall(time_ns: int, wall_offset_ns: int | None) -> int | None:
    """Wall time of a monotonic time."""
    return None if wall_offset_ns is None else time_ns + wall_offset_ns


def _round(value: float | None) -> float | None:
    """Free of the last digits of binary fractions: 3.3000000000000003 is 3.3 on the wire."""
    return None if value is None else round(value, _DIGITS)
