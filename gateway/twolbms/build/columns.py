"""Turns a guarded pack into the integer columns a node image holds, and into their hash.

Voltages become mV, currents mA, temperatures 0.1 °C, times cycles of 100 ms or ms where the name says so.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from twolbms.config.pack import Balancing, DeratingPoint, GuardedPack, Heater
from twolbms.diagnoses import BOTH, BY_NUMBER, COUNT, CYCLE_MS, DIAGNOSES, DISCHARGE, Diagnosis

HEATER_MARGIN = 1.5  # element tolerance and a low pack voltage; our choice
NEVER = (1 << 28) - 1  # a threshold no reading reaches; small enough for a 31-bit integer on the node

# Columns with a number a row of the limit table: 32-bit integers and bytes, which machine code reads as they lie, and
# which take a third of a tuple's room.
NUMBERS = ("SIGN", "WARN", "LIMIT", "TRIP", "CLEAR", "DELAY", "HOLD")
FLAGS = ("LATCH", "REMOTE_CLEAR", "AFTER_REQUEST", "TRIP_BLOCKS", "LIMIT_BLOCKS")

CELL_VOLTAGE_ROWS = ("cell_over_voltage", "cell_under_voltage", "deep_discharge")

_Part = TypeVar("_Part")
Columns = dict[str, "int | str | tuple[int, ...]"]


@dataclass(frozen=True)
class LimitImage:
    """The columns of one pack and the 32-bit hash that names them on the bus (NodeInfo)."""

    pack: str
    columns: Columns
    hash32: int


def limit_image(pack: GuardedPack) -> LimitImage:
    """The columns and hash of `pack`."""
    columns: Columns = {**_rows(pack), **_scalars(pack), **_lines(pack)}
    text = "\n".join(f"{name}={columns[name]}" for name in sorted(columns))
    return LimitImage(pack.pack, columns, int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big"))


def node_columns(image: LimitImage) -> dict[str, Any]:
    """What the node's generated module holds: name and value."""
    columns = {name: _as_on_node(name, value) for name, value in image.columns.items()}
    return {**columns, "HASH_LOW": image.hash32 & 0xFFFF, "HASH_HIGH": image.hash32 >> 16}


def _as_on_node(name: str, value: int | str | tuple[int, ...]) -> Any:
    if isinstance(value, tuple):
        return array("i", value) if name in NUMBERS else bytes(value) if name in FLAGS else value
    return value


def _rows(pack: GuardedPack) -> Columns:
    rows = [(BY_NUMBER[n], pack.limits[BY_NUMBER[n].name]) for n in range(COUNT)]

    def tier(name: str) -> tuple[int, ...]:
        return tuple(_tier(pack, d, getattr(row, name)) for d, row in rows)

    common = pack.outputs == "common"
    return {
        "SIGN": tuple(d.beyond for d, _ in rows),
        "WARN": tier("warn"),
        "LIMIT": tier("limit"),
        "TRIP": tier("trip"),
        "CLEAR": tier("clear"),
        "DELAY": tuple(_cycles(row.delay_s) for _, row in rows),
        "HOLD": tuple(_cycles(row.hold_s) for _, row in rows),
        "LATCH": tuple(int(row.latch) for _, row in rows),
        "REMOTE_CLEAR": tuple(int(row.remote_clear) for _, row in rows),
        "AFTER_REQUEST": tuple(int(row.open == "after_request") for _, row in rows),
        "TRIP_BLOCKS": tuple(BOTH if common and d.trip_blocks else _blocks(pack, d, d.trip_blocks) for d, _ in rows),
        "LIMIT_BLOCKS": tuple(_blocks(pack, d, d.limit_blocks) for d, _ in rows),
    }


def _blocks(pack: GuardedPack, diagnosis: Diagnosis, blocks: int) -> int:
    """What a row blocks on these outputs: a charge port of its own is not precharged, and loads that hold their port
    down must not lock the chargers out."""
    only_discharge = pack.outputs == "separate_ports" and diagnosis.name == "precharge_failed"
    return blocks & DISCHARGE if only_discharge else blocks


def _tier(pack: GuardedPack, diagnosis: Diagnosis, value: float | None) -> int:
    """A threshold in the node's counts, moved inside by the error budget where it judges a cell's voltage."""
    if value is None:
        return diagnosis.beyond * NEVER
    error = round(pack.sensors.cell_error_v * 1000) if diagnosis.name in CELL_VOLTAGE_ROWS else 0
    return round(value * diagnosis.counts) - diagnosis.beyond * error


def _cycles(seconds: float) -> int:
    return round(seconds * 1000 / CYCLE_MS)


def _milli(value: float) -> int:
    return round(value * 1000)


def _deci(value: float) -> int:
    return round(value * 10)


def _scalars(pack: GuardedPack) -> Columns:
    silent = pack.limits["gateway_silent"]
    assert silent.allow_charge_a is not None and silent.allow_discharge_a is not None  # the model checked it
    charge, discharge = pack.limits["charge_over_current"], pack.limits["discharge_over_current"]
    assert charge.limit is not None and discharge.limit is not None
    sensors, rules = pack.sensors, pack.allowance
    return {
        "PACK": pack.pack,
        "CELLS": pack.cells.series,
        "SENSORS": len(sensors.temperatures),
        "COMMON": int(pack.outputs == "common"),
        "PORTS": int(pack.outputs == "separate_ports"),
        "CLOSE_ALONE": int(pack.close_alone),
        "PACK_SUM_TOLERANCE_MV": _milli(sensors.pack_sum_tolerance_v),
        "CELL_LOW_MV": _milli(sensors.cell_low_v),
        "CELL_HIGH_MV": _milli(sensors.cell_high_v),
        "TEMPERATURE_LOW_DC": _deci(sensors.temperature_low_c),
        "TEMPERATURE_HIGH_DC": _deci(sensors.temperature_high_c),
        "MAX_CHARGE_MA": _milli(charge.limit),
        "MAX_DISCHARGE_MA": _milli(discharge.limit),
        "SILENT_CHARGE_MA": _milli(silent.allow_charge_a),
        "SILENT_DISCHARGE_MA": _milli(silent.allow_discharge_a),
        "CHARGE_TO_MV": _milli(rules.charge_v),
        "RISE_MA_PER_CYCLE": round(rules.rise_a_per_s * CYCLE_MS),
        "PRECHARGE_CYCLES": _cycles(pack.precharge.timeout_s),
        "PRECHARGE_DIFFERENCE_MV": _milli(pack.precharge.difference_v),
        "PRECHARGE_CURRENT_MA": _milli(pack.precharge.current_a),
        "PRECHARGE_TRIES": pack.precharge.tries,
        "PRECHARGE_COOL_CYCLES": _cycles(pack.precharge.cool_s),
        "BREAK_MAX_MA": _milli(pack.contactor.break_max_a),
        "BREAK_HOLD_CYCLES": pack.contactor.break_hold_ms // CYCLE_MS,
        "WELD_WAIT_CYCLES": _cycles(pack.contactor.weld_wait_s),
        **_part("HEATER", pack.heater, _HEATER), "HEATER_MA": _heater_ma(pack),
        "HEATER_FROM_LINK": int(pack.heater is not None and pack.heater.supplied_by == "link"),
        **_part("BALANCING", pack.balancing, _BALANCING),
        "SLEEP_AFTER_CYCLES": _cycles(pack.winter.sleep_after_s),
        "WAKE_EVERY_CYCLES": _cycles(pack.winter.wake_every_s),
        "CAL_GAIN_PPM_MAX": pack.calibration.gain_ppm,
        "CAL_OFFSET_MV_MAX": pack.calibration.offset_mv,
        "CAL_CURRENT_PPM_MAX": pack.calibration.current_gain_ppm,
        "CAL_CURRENT_MA_MAX": pack.calibration.current_offset_ma,
        "CAL_TEMP_DC_MAX": _deci(pack.calibration.temperature_k),
    }


_HEATER: dict[str, Callable[[Heater], int]] = {
    "HEATER_ON_BELOW_DC": lambda heater: _deci(heater.on_below_c),
    "HEATER_OFF_ABOVE_DC": lambda heater: _deci(heater.off_above_c),
    "HEATER_HOTTEST_DC": lambda heater: _deci(heater.hottest_c),
    "HEATER_CELL_FLOOR_MV": lambda heater: _milli(heater.cell_floor_v),
    "HEATER_MAX_ON_CYCLES": lambda heater: _cycles(heater.max_on_s),
    "HEATER_REST_CYCLES": lambda heater: _cycles(heater.rest_s),
    "HEATER_CHECK_CYCLES": lambda heater: _cycles(heater.check_s),
    "HEATER_RISE_DC": lambda heater: _deci(heater.rise_k),
    "HEATER_STUCK_RISE_DC": lambda heater: _deci(heater.stuck_rise_k),
    "HEATER_W": lambda heater: round(heater.power_w),
    "HEATER_BUDGET_J": lambda heater: round(heater.budget_wh * 3600),
}
_BALANCING: dict[str, Callable[[Balancing], int]] = {
    "BALANCE_START_MV": lambda balancing: _milli(balancing.start_v),
    "BALANCE_SPREAD_MV": lambda balancing: _milli(balancing.spread_v),
    "BALANCE_HOTTEST_DC": lambda balancing: _deci(balancing.hottest_c),
    "BALANCE_BUDGET_CYCLES": lambda balancing: _cycles(balancing.cell_budget_s),
}


def _part(name: str, part: _Part | None, rows: Mapping[str, Callable[[_Part], int]]) -> dict[str, int]:
    """The columns of a part that a pack may lack: 1 and its numbers, or all 0."""
    return {name: int(part is not None), **{row: 0 if part is None else count(part) for row, count in rows.items()}}


def _heater_ma(pack: GuardedPack) -> int:
    """The most the heater draws through the shunt: its power at the cells' upper limit."""
    row, heater = pack.limits["cell_over_voltage"], pack.heater
    if heater is None:
        return 0
    assert row.trip is not None  # the model checked it
    return round(heater.power_w / pack.cells.series / row.trip * 1000 * HEATER_MARGIN)


def _lines(pack: GuardedPack) -> Columns:
    life = pack.contactor.life
    columns: Columns = {
        "LIFE_X": tuple(_milli(p.at_a) for p in life),
        "LIFE_PPM": tuple(-(-1_000_000 // p.openings) for p in life),
    }
    for name, points in pack.derating:
        scale = 10 if name.endswith("temperature") else 1000
        columns[f"{name.upper()}_X"] = tuple(round(p.at * scale) for p in points)
        columns[f"{name.upper()}_MA"] = tuple(_allowed_ma(points))
    return columns


def _allowed_ma(points: list[DeratingPoint]) -> list[int]:
    return [_milli(p.allow_a) for p in points]


def limits_text(image: LimitImage) -> str:
    """The Python module a node imports as its limits."""
    lines = [
        f'"""Generated from packs/{image.pack}.yaml by tools/generate; never edited.',
        "",
        f'mV, mA, 0.1 degC, cycles of {CYCLE_MS} ms. A threshold of {NEVER} is one that no reading reaches.',
        '"""',
        "",
        "from array import array",
        "",
        f"# rows: {', '.join(f'{d.number} {name}' for name, d in DIAGNOSES.items())}",
    ]
    lines += [f"{name} = {_shown(name, value)}" for name, value in image.columns.items()]
    lines += [f"HASH_LOW = 0x{image.hash32 & 0xFFFF:04X}", f"HASH_HIGH = 0x{image.hash32 >> 16:04X}", ""]
    return "\n".join(lines)


def _shown(name: str, value: int | str | tuple[int, ...]) -> str:
    """As Python. The numbers stand in a list, which is gone after the import; a constant tuple would stay beside."""
    if isinstance(value, str):
        return f'"{value}"'
    if name in NUMBERS and isinstance(value, tuple):
        return f'array("i", {list(value)})'
    if name in FLAGS and isinstance(value, tuple):
        return 'b"' + "".join(f"\\{flag}" for flag in value) + '"'
    return str(value)
