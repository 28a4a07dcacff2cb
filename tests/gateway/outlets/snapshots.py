"""Snapshots built by hand, as the engine makes them: two packs, one of them tripped."""

from __future__ import annotations

from typing import Any

NOON_NS = 1_795_521_600 * 10**9  # 2026-11-24 12:00:00 UTC

LFP_LIMITS = {
    "cell_over_voltage": {"unit": "V", "warn": 3.55, "limit": 3.6, "trip": 3.65, "clear": 3.45, "remote_clear": True},
    "cell_under_voltage": {"unit": "V", "warn": 2.9, "limit": 2.7, "trip": 2.5, "clear": 3.0},
    "charge_under_temperature": {"unit": "degC", "warn": 5.0, "limit": 0.0, "trip": 0.0, "clear": 3.0},
}
LEAF_LIMITS = {
    "cell_over_voltage": {"unit": "V", "warn": 4.1, "limit": 4.15, "trip": 4.2, "clear": 4.05, "remote_clear": True},
    "cell_under_voltage": {"unit": "V", "warn": 3.4, "limit": 3.2, "trip": 3.0, "clear": 3.5, "remote_clear": True},
}
HOUSE_V = [3.341, 3.338, 3.352, 3.336, 3.339, 3.340, 3.337, 3.342]
GARAGE_V = [3.990, 3.981, 4.203, 3.980, 3.970, 3.983, 3.985, 3.990, 3.991, 3.987, 3.982, 3.979, 3.988, 3.986]


def measured(value: float | None, age_s: float | None = 0.1) -> dict[str, Any]:
    """A value with its age."""
    return {"value": value, "age_s": age_s}


def pack(cells_v: list[float], limits: dict[str, Any], kind: str, node: int, /, **changes: Any) -> dict[str, Any]:
    """A closed pack that charges with 32 A."""
    values = {"pack_voltage_v": sum(cells_v), "current_a": 32.0, "cell_min_v": min(cells_v), "cell_max_v": max(cells_v),
              "cell_spread_v": max(cells_v) - min(cells_v), "temperature_min_c": 18.1, "temperature_max_c": 18.9}
    return {
        "type": kind, "node": node, "kind": "guarded", "state": "closed", "age_s": 0.2,
        "values": {name: measured(value) for name, value in values.items()},
        "cells_v": [measured(volts, 0.6) for volts in cells_v],
        "temperatures_c": [measured(degrees, 1.2) | {"place": f"place {at}"}
                           for at, degrees in enumerate((18.2, 18.4, 18.9, 18.1))],
        "paths": {"charge": "closed", "discharge": "closed", "precharge": "open"},
        "heater": {"measured": "off", "commanded": "off"}, "soc": {"value": 0.612, "sigma": 0.031},
        "allowance": {"charge_a": 160.0, "discharge_a": 200.0, "charge_v": 28.4,
                      "charge_limited_by": "derate_charge_temperature", "discharge_limited_by": "rating"},
        "faults": [], "limits": limits, "open_reason": "nothing", "last_refusal": "accepted",
        "hold_remaining_s": 0.0, "hash_ok": True, "info": {},
    } | changes


def house(**changes: Any) -> dict[str, Any]:
    """The eight-cell pack, closed, held back by its temperature."""
    return pack(HOUSE_V, LFP_LIMITS, "lfp_8s_320ah", 1, **changes)


def over_voltage(**changes: Any) -> dict[str, Any]:
    """The fault of a cell that was charged too far."""
    return {"limit": "cell_over_voltage", "tier": "trip", "latched": True, "since_ns": NOON_NS - 40 * 10**9, "cell": 3,
            "value": 4.203, "threshold": 4.2, "unit": "V"} | changes


def garage(**changes: Any) -> dict[str, Any]:
    """The fourteen-cell pack, opened by its third cell, hold time running."""
    allowance = {"charge_a": 0.0, "discharge_a": 0.0, "charge_v": 57.4, "charge_limited_by": "cell_over_voltage",
                 "discharge_limited_by": "cell_over_voltage"}
    return pack(GARAGE_V, LEAF_LIMITS, "leaf_2013_14s", 2, **{
        "state": "latched", "paths": {"charge": "open", "discharge": "open", "precharge": "open"}, "heater": {},
        "allowance": allowance, "faults": [over_voltage()], "open_reason": "cell_over_voltage",
        "hold_remaining_s": 23.4} | changes)


SHUNT_VALUES = {"shunt_voltage_v": 26.512, "shunt_current_a": -12.3, "shunt_power_w": -326.0,
                "shunt_consumed_ah": -65.473, "shunt_soc": 0.839, "shunt_time_to_go_s": 56520.0,
                "shunt_temperature_c": None, "shunt_starter_voltage_v": 12.6, "shunt_alarm": 0.0,
                "shunt_energy_in_kwh": 85.27}


def shunt(age_s: float = 0.3, **changes: Any) -> dict[str, Any]:
    """A battery monitor that was heard `age_s` ago, as the board makes its picture."""
    known = age_s <= 5
    return {"kind": "victron_ve_direct", "title": "Victron SmartShunt or BMV", "port": "/dev/ttyUSB0", "pack": "house",
            "state": "ok" if known else "silent", "age_s": age_s, "max_age_s": 5.0, "up": True, "down_because": None,
            "trouble": None if known else f"has been silent for {age_s:.0f} s: its port is open and nothing comes; see "
            "whether it is on and its cable is plugged in",
            "values": {name: {"value": value if known else None, "age_s": age_s, "told": known}
                       for name, value in SHUNT_VALUES.items()},
            "alarms": [], "info": {"model": "SmartShunt 500A/50mV", "firmware": "4.14"},
            "counts": {"bytes": 5000, "readings": 40, "damaged": 0, "implausible": 0}} | changes


def silent(kind: dict[str, Any], age_s: float | None) -> dict[str, Any]:
    """A pack not heard for `age_s`, None = never."""
    def unknown(each: dict[str, Any]) -> dict[str, Any]:
        return each | {"value": None, "age_s": age_s}
    stopped = {"charge_a": 0.0, "discharge_a": 0.0, "charge_v": None, "charge_limited_by": "silence",
               "discharge_limited_by": "silence"}
    return kind | {
        "state": None, "age_s": age_s, "values": {name: unknown(each) for name, each in kind["values"].items()},
        "cells_v": [unknown(each) for each in kind["cells_v"]],
        "temperatures_c": [unknown(each) for each in kind["temperatures_c"]],
        "paths": dict.fromkeys(kind["paths"], "unknown"), "heater": dict.fromkeys(kind["heater"], "unknown"),
        "soc": {"value": None, "sigma": None}, "allowance": stopped, "faults": [], "open_reason": None,
        "last_refusal": None, "hold_remaining_s": None, "hash_ok": None}


def site(**packs: dict[str, Any]) -> dict[str, Any]:
    """A site with a bank for each pack, everything around them in order."""
    return {
        "site": "shed", "time_ns": NOON_NS, "clock": "network", "packs": packs,
        "banks": {name: {"packs": [name], "charge_a": each["allowance"]["charge_a"],
                         "discharge_a": each["allowance"]["discharge_a"],
                         "limited_by": f"{name}: {each['allowance']['charge_limited_by']}"}
                  for name, each in packs.items()},
        "buses": {"can0": {"frames": 12034, "bad_check": 0, "bad_counter": 0, "unknown_id": 0, "short": 0, "error": 0,
                           "up": True}},
        "journal": {"acknowledged": 5120, "synced": 5100, "lost": 0, "pending": 2, "bytes_on_disk": 120000,
                    "last_sync_age_s": 0.4, "error": None},
        "outlets": {"influx": {"state": "ok", "lag_s": 0.3, "lines": 4000, "refused": 0, "error": None}},
        "alarms": [],
    }
