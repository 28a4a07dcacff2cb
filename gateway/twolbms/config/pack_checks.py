"""What a guarded pack's YAML must fulfil beyond its types: rows, ratings, deratings, and what they owe one another."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from twolbms.diagnoses import CYCLE_MS, DIAGNOSES, Diagnosis

if TYPE_CHECKING:
    from twolbms.config.pack import GuardedPack, Limit

FAR_INSIDE = (("cell_under_voltage", "deep_discharge"), ("charge_over_current", "charge_peak_current"),
              ("discharge_over_current", "discharge_peak_current"))
"""Rows that are the first and the second stage of the same value."""


def pack_problems(pack: GuardedPack) -> list[str]:
    """Everything wrong with `pack`, one line each, the key first."""
    return (_row_problems(pack) + _rating_problems(pack) + _derating_problems(pack) + _stage_problems(pack)
            + _part_problems(pack))


def _row_problems(pack: GuardedPack) -> list[str]:
    found = []
    for name in pack.limits.keys() - DIAGNOSES.keys():
        found.append(f"limits.{name}: no such diagnosis; there are {', '.join(DIAGNOSES)}")
    for name, diagnosis in DIAGNOSES.items():
        row = pack.limits.get(name)
        if row is None:
            found.append(f"limits.{name}: the row is missing")
            continue
        if row.not_fitted:
            if name not in FITTABLE:
                found.append(f"limits.{name}.not_fitted: every pack has this row; expected its tiers")
            continue
        if row.unit != diagnosis.unit:
            found.append(f"limits.{name}.unit: expected {diagnosis.unit}, found {row.unit}")
        tiers = [value for value in (row.clear, row.warn, row.limit, row.trip) if value is not None]
        ordered = sorted(tiers, reverse=diagnosis.beyond < 0)
        inner = [value for value in (row.warn, row.limit, row.trip) if value is not None]
        if inner and (
            inner != sorted(inner, reverse=diagnosis.beyond < 0)
            or (row.trip is not None
            and ordered[-1] != row.trip)
            or (row.clear - inner[-1]) * diagnosis.beyond > 0
        ):
            found.append(f"limits.{name}: expected clear inside and warn, limit, trip in rising severity")
        for key in ("delay_s", "hold_s"):
            cycles = getattr(row, key) * 1000 / CYCLE_MS
            if abs(cycles - round(cycles)) > 1e-6:
                found.append(f"limits.{name}.{key}: expected a multiple of {CYCLE_MS / 1000:g} s, the node's cycle")
        found += _protection_problems(name, diagnosis, row)
        if row.latch and row.trip is None:
            found.append(f"limits.{name}.latch: only a trip latches, and the row has none")
        found += [
            f"limits.{name}.{key}: {getattr(row, key):g} {row.unit} is not a whole count of the node's "
            f"{1 / diagnosis.counts:g} {row.unit}"
            for key in ("warn", "limit", "trip", "clear")
            if getattr(row, key) is not None and not _whole(getattr(row, key) * diagnosis.counts)
        ]
    silent = pack.limits.get("gateway_silent")
    if silent and (silent.allow_charge_a is None or silent.allow_discharge_a is None):
        found.append("limits.gateway_silent: expected allow_charge_a and allow_discharge_a")
    return found


LONGEST_S = {"delay_s": 3600.0, "hold_s": 86400.0}  # the node's timers reach 2^20 cycles
FITTABLE = ("current_disagreement", "insulation", "emergency_stop", "smoke", "leak", "humidity", "supply_voltage",
            "heater_stuck", "heater_no_rise", "short_circuit", "open_wire", "monitor_configuration",
            "monitor_protection")
"""Rows whose sensor a pack may lack; the others are measured by every node."""
PULSES = ("precharge_failed", "break_overload")  # true for one cycle only: a delay would lose them
LONGEST_STALE_S = 2.0  # the design's figure for no fresh cell data
LONGEST_SILENCE_S = 10.0


def _protection_problems(name: str, diagnosis: Diagnosis, row: Limit) -> list[str]:
    """What would switch a protection off although the row is there."""
    found = []
    limits_only = name == "charge_under_temperature"  # `common` packs open by charge_while_blocked instead
    if diagnosis.trip_blocks and row.trip is None and not (limits_only and row.limit is not None):
        found.append(f"limits.{name}.trip: expected a value, this row protects by opening")
    for key, most in LONGEST_S.items():
        if getattr(row, key) > most:
            found.append(f"limits.{name}.{key}: expected at most {most:g} s")
    if name in PULSES and (row.delay_s != 0 or not row.latch):
        found.append(f"limits.{name}: expected delay_s 0 and latch true, it is a moment that must be remembered")
    if name == "stale_reading" and row.trip is not None and row.trip + row.delay_s > LONGEST_STALE_S:
        found.append(f"limits.{name}.trip: expected at most {LONGEST_STALE_S:g} s with its delay")
    if name == "gateway_silent" and (row.limit is None or row.limit + row.delay_s > LONGEST_SILENCE_S):
        found.append(f"limits.{name}.limit: expected a value of at most {LONGEST_SILENCE_S:g} s")
    return found


def _whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-6


def _rating_problems(pack: GuardedPack) -> list[str]:
    found = []
    for name, charging in (("charge_over_current", True), ("discharge_over_current", False)):
        row = pack.limits.get(name)
        if row is None:
            continue
        most, part = pack.continuous_a(charging)
        if row.limit is None or row.trip is None:
            found.append(f"limits.{name}: expected both limit and trip")
            continue
        if row.limit > most:
            found.append(f"limits.{name}.limit: {row.limit:g} A is above the {part}'s {most:g} A")
        for rating in pack.ratings:
            if not rating.carries(row.trip, row.delay_s, charging):
                found.append(
                    f"limits.{name}.trip: the {rating.part} does not carry {row.trip:g} A for {row.delay_s:g} s"
                )
    cables = [r for r in pack.ratings if r.part == "cable"]
    for fuse in (r for r in pack.ratings if r.part == "fuse"):
        for cable in cables:
            if fuse.discharge_a > cable.discharge_a * cable.runs:
                found.append(
                    f"ratings: the {fuse.discharge_a:g} A fuse is above the cable's "
                    f"{cable.discharge_a * cable.runs:g} A ({cable.runs} run(s), {cable.table}, "
                    f"{cable.temperature_c:g} degC): fit a smaller fuse, a thicker cable or a second run"
                )
    if not cables or not any(r.part == "fuse" for r in pack.ratings):
        found.append("ratings: expected at least a fuse and a cable")
    return found


def _derating_problems(pack: GuardedPack) -> list[str]:
    found = []
    for name, points in pack.derating:
        if [p.at for p in points] != sorted({p.at for p in points}):
            found.append(f"derating.{name}: expected points in rising order of `at`, none twice")
    for name, row_name in (
        ("charge_by_temperature", "charge_under_temperature"),
        ("charge_by_temperature", "charge_over_temperature"),
    ):
        row, points = pack.limits.get(row_name), getattr(pack.derating, name)
        end = points[0] if "under" in row_name else points[-1]
        if (
            row
            and row.limit is not None
            and (end.allow_a != 0 or (end.at - row.limit) * DIAGNOSES[row_name].beyond > 0)
        ):
            found.append(f"derating.{name}: expected 0 A at or inside the {row_name} limit of {row.limit:g} degC")
    for name, points in pack.derating:
        scale = 10 if name.endswith("temperature") else 1000
        for a, b in pairwise(points):
            if abs((b.at - a.at) * scale * (b.allow_a - a.allow_a) * 1000) >= 1 << 30:
                found.append(f"derating.{name}: from {a.at:g} to {b.at:g} is too long and steep for the node's "
                             "integers; expected a point between")
    silent = pack.limits.get("gateway_silent")
    for key, charging in (("allow_charge_a", True), ("allow_discharge_a", False)):
        most, part = pack.continuous_a(charging)
        if silent and (getattr(silent, key) or 0) > most:
            found.append(f"limits.gateway_silent.{key}: {getattr(silent, key):g} A is above the {part}'s {most:g} A")
    return found


def _stage_problems(pack: GuardedPack) -> list[str]:
    """A second stage lies beyond the first."""
    found = []
    for first, second in FAR_INSIDE:
        a, b = pack.limits.get(first), pack.limits.get(second)
        if a and b and a.trip is not None and b.trip is not None and (b.trip - a.trip) * DIAGNOSES[first].beyond <= 0:
            found.append(f"limits.{second}.trip: expected beyond the {a.trip:g} {a.unit} of {first}")
    return found


def _part_problems(pack: GuardedPack) -> list[str]:
    """What heater, contactor and winter owe their rows."""
    found = []
    heater = pack.heater
    if heater and not heater.on_below_c < heater.off_above_c < heater.hottest_c:
        found.append("heater: expected on_below_c < off_above_c < hottest_c")
    for name in ("heater_stuck", "heater_no_rise"):
        row = pack.limits.get(name)
        if row and bool(row.not_fitted) == bool(heater):
            found.append(f"limits.{name}: expected tiers with a heater, and not_fitted without one")
    points = pack.contactor.life
    if [p.at_a for p in points] != sorted({p.at_a for p in points}):
        found.append("contactor.life: expected points in rising order of at_a, none twice")
    if points[-1].at_a < pack.contactor.break_max_a:
        found.append(f"contactor.life: expected a point at break_max_a, {pack.contactor.break_max_a:g} A")
    return found
