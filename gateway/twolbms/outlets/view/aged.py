"""What is still true of a snapshot some seconds after it was made: ages grow, and what is too old becomes unknown."""

from __future__ import annotations

from typing import Any

from twolbms.outlets.heard import UNKNOWN_AFTER_S, silent
from twolbms.outlets.words import UNKNOWN

Snapshot = dict[str, Any]


def aged(snapshot: Snapshot, seconds: float) -> Snapshot:
    """A copy in which every age is `seconds` higher and every value past the silence rule is None."""
    packs = {name: _aged_pack(pack, seconds) for name, pack in (snapshot.get("packs") or {}).items()}
    journal = dict(snapshot.get("journal") or {})
    journal["last_sync_age_s"] = _older(journal.get("last_sync_age_s"), seconds)
    devices = {name: _aged_device(device, seconds) for name, device in (snapshot.get("devices") or {}).items()}
    copy = {**snapshot, "packs": packs, "devices": devices, "journal": journal}
    return copy | _around_lost(snapshot) if seconds > UNKNOWN_AFTER_S else copy


def _around_lost(snapshot: Snapshot) -> Snapshot:
    unknown = {"charge_a": None, "discharge_a": None}
    banks = {name: {**bank, **unknown} for name, bank in (snapshot.get("banks") or {}).items()}
    return {"banks": banks, "buses": {}, "journal": {}, "outlets": {}}


def _aged_pack(pack: Snapshot, seconds: float) -> Snapshot:
    known = dict(pack)
    known["age_s"] = _older(pack.get("age_s"), seconds)
    known["values"] = {name: _aged_value(value, seconds) for name, value in (pack.get("values") or {}).items()}
    if (oldest := known["values"].get("pack_age_s")) and oldest.get("value") is not None:
        known["values"]["pack_age_s"] = {**oldest, "value": oldest["value"] + seconds}
    for key in ("cells_v", "temperatures_c"):
        known[key] = [_aged_value(value, seconds) for value in pack.get(key) or []]
    if silent(known):
        known |= _nothing_measured(known)
    if seconds > UNKNOWN_AFTER_S:
        known |= _nothing_decided(known)
    return known


def _aged_device(device: Snapshot, seconds: float) -> Snapshot:
    """A device's values are unknown past its own greatest age, and when nobody has watched over them."""
    most_s = -1.0 if seconds > UNKNOWN_AFTER_S else float(device.get("max_age_s") or 0)
    known = {**device, "age_s": _older(device.get("age_s"), seconds)}
    known["values"] = {name: _aged_reading(value, seconds, most_s)
                       for name, value in (device.get("values") or {}).items()}
    if seconds > UNKNOWN_AFTER_S:
        known["state"] = None
    elif known.get("state") == "ok" and (known["age_s"] or 0) > most_s:
        known["state"] = "silent"
    return known


def _aged_reading(value: Snapshot, seconds: float, most_s: float) -> Snapshot:
    age_s = _older(value.get("age_s"), seconds)
    gone = {"value": None, "told": False} if age_s is None or age_s > most_s else {}
    return {**value, "age_s": age_s, **gone}


def _older(age_s: float | None, seconds: float) -> float | None:
    return None if age_s is None else age_s + seconds


def _aged_value(value: Snapshot, seconds: float) -> Snapshot:
    """A slow quantity may be as old as its period: only time that nobody watched over makes it unknown."""
    lost = seconds > UNKNOWN_AFTER_S
    return {**value, "age_s": _older(value.get("age_s"), seconds), "value": None if lost else value.get("value")}


def _nothing_measured(pack: Snapshot) -> Snapshot:
    """What a silent node no longer tells, whatever the snapshot still holds."""
    return {
        "state": None,
        "values": {name: {**value, "value": None} for name, value in pack["values"].items()},
        "cells_v": [{**value, "value": None} for value in pack["cells_v"]],
        "temperatures_c": [{**value, "value": None} for value in pack["temperatures_c"]],
        "paths": dict.fromkeys(pack.get("paths") or {}, UNKNOWN),
        "heater": dict.fromkeys(pack.get("heater") or {}, UNKNOWN),
    }


def _nothing_decided(pack: Snapshot) -> Snapshot:
    """What only a gateway that answers can tell."""
    allowance = {**(pack.get("allowance") or {}), "charge_a": None, "discharge_a": None, "charge_v": None}
    return {"soc": dict.fromkeys(pack.get("soc") or {}), "allowance": allowance, "gateway_gone": True}
