"""The model of a guarded pack's YAML: ratings, limits, deratings, outputs. Knows types of packs, not individuals."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from twolbms.config.errors import Misfit
from twolbms.config.model import StrictModel
from twolbms.diagnoses import CYCLE_MS, DIAGNOSES, Diagnosis

Number = Annotated[float, Field(strict=False)]
Positive = Annotated[float, Field(strict=False, gt=0)]
NotNegative = Annotated[float, Field(strict=False, ge=0)]
Source = Annotated[
    str, Field(min_length=8, description="Where the number comes from: data sheet page, table, test, or whose choice")
]


class Cells(StrictModel):
    """How the pack is built of cells."""

    series: int = Field(ge=1, le=128, description="Cells (or parallel groups) in series")
    parallel: int = Field(ge=1, le=400, description="Cells side by side in each group")
    capacity_ah: Positive = Field(description="Capacity of one series position, Ah")
    resistance_mohm: Positive = Field(description="DC resistance of one series position at 25 degC, mOhm")
    source: Source


class Sensors(StrictModel):
    """What the cell monitor of this pack measures and how far its readings may disagree."""

    temperatures: list[str] = Field(
        min_length=1, max_length=62, description="Place of each temperature sensor, in the monitor's order"
    )
    pack_sum_tolerance_v: Positive = Field(
        description="Largest difference between the sum of the cells and the pack voltage"
    )
    cell_low_v: Number = Field(description="A cell reading below this is a wiring fault, not a voltage")
    cell_high_v: Number = Field(description="A cell reading above this is a wiring fault, not a voltage")
    temperature_low_c: Number = Field(description="A temperature below this is a broken sensor")
    temperature_high_c: Number = Field(description="A temperature above this is a shorted sensor")
    source: Source


class Rating(StrictModel):
    """What one part in the current's path carries."""

    part: Literal["cell", "bms", "shunt", "fuse", "cable", "contactor", "connector"] = Field(description="The part")
    charge_a: Positive = Field(description="Continuous charge current of one run, A")
    discharge_a: Positive = Field(description="Continuous discharge current of one run, A")
    runs: int = Field(default=1, ge=1, le=8, description="How many lie in parallel")
    peak_a: Positive | None = Field(default=None, description="Current it carries for peak_s, A")
    peak_s: Positive | None = Field(default=None, description="How long it carries peak_a, s")
    table: str | None = Field(default=None, description="Cable only: the ampacity table")
    temperature_c: Number | None = Field(
        default=None, description="Cable only: conductor temperature of the table's column"
    )
    source: Source

    @model_validator(mode="after")
    def _cable_names_its_table(self) -> Rating:
        if self.part == "cable" and (self.table is None or self.temperature_c is None):
            raise ValueError("a cable's rating names its table and temperature_c")
        if (self.peak_a is None) != (self.peak_s is None):
            raise ValueError("peak_a and peak_s belong together")
        return self

    def carries(self, current_a: float, seconds: float, charging: bool) -> bool:
        """Whether the part carries `current_a` for `seconds`."""
        continuous = (self.charge_a if charging else self.discharge_a) * self.runs
        if current_a <= continuous:
            return True
        return (
            self.peak_a is not None
            and self.peak_s is not None
            and current_a <= self.peak_a * self.runs
            and seconds <= self.peak_s
        )


class Limit(StrictModel):
    """One row of the limit table. A value is beyond a tier when it has passed it; equal is still inside."""

    unit: Literal["V", "A", "degC", "s", "1"] = Field(description="Unit of warn, limit, trip and clear")
    warn: Number | None = Field(default=None, description="Tell from here on")
    limit: Number | None = Field(default=None, description="Allow less from here on")
    trip: Number | None = Field(default=None, description="Open from here on")
    clear: Number = Field(description="The cause is gone when the value is back at or inside this")
    delay_s: NotNegative = Field(description="How long the value must stay beyond, s")
    hold_s: NotNegative = Field(default=0.0, description="How long after the cause has gone nothing closes, s")
    latch: bool = Field(default=False, description="A trip is remembered until it is cleared by request")
    remote_clear: bool = Field(
        default=False, description="The gateway may clear it; otherwise only a person at the node"
    )
    open: Literal["now", "after_request"] = Field(
        default="now", description="after_request: ask for 0 A first, wait at most 5 s"
    )
    allow_charge_a: NotNegative | None = Field(default=None, description="gateway_silent only: charge current then, A")
    allow_discharge_a: NotNegative | None = Field(
        default=None, description="gateway_silent only: discharge current then, A"
    )
    source: Source


class DeratingPoint(StrictModel):
    """One point of a derating line; between points it is straight, outside it stays level."""

    at: Number = Field(description="Temperature in degC or cell voltage in V")
    allow_a: NotNegative = Field(description="Current allowed there, A")
    source: Source


class Derating(StrictModel):
    """Lines from temperature or cell voltage to current."""

    charge_by_temperature: list[DeratingPoint] = Field(min_length=2, max_length=12)
    discharge_by_temperature: list[DeratingPoint] = Field(min_length=2, max_length=12)
    charge_by_cell_voltage: list[DeratingPoint] = Field(min_length=2, max_length=12)
    discharge_by_cell_voltage: list[DeratingPoint] = Field(min_length=2, max_length=12)


class Precharge(StrictModel):
    """How the link is brought up before the outputs close."""

    timeout_s: Positive = Field(description="Longest precharge, s")
    difference_v: Positive = Field(description="Largest voltage left across the open output when it may close, V")
    current_a: Positive = Field(description="Largest current that may still flow when it may close, A")
    source: Source


class Contactor(StrictModel):
    """What the outputs can break and how long they are held above it."""

    break_max_a: Positive = Field(description="Largest current the outputs may open under, A")
    break_hold_ms: int = Field(
        ge=0, le=5000, description="How long they are held above it at most, from the fuse's curve, ms"
    )
    source: Source


class Heater(StrictModel):
    """The heating relay: warms the cells so that they can be charged."""

    power_w: Positive = Field(description="Power of the heater, W")
    on_below_c: Number = Field(description="On when the coldest sensor is below this")
    off_above_c: Number = Field(description="Off when the coldest sensor is above this")
    hottest_c: Number = Field(description="Off when the hottest sensor is above this")
    cell_floor_v: Number = Field(description="Off when the lowest cell is below this")
    max_on_s: Positive = Field(description="Longest time on without a pause, s")
    rest_s: Positive = Field(description="Pause after max_on_s, s")
    supplied_by: Literal["pack", "link"] = Field(description="Which side of the outputs feeds it")
    source: Source


class Balancing(StrictModel):
    """When the node bleeds its higher cells."""

    start_v: Number = Field(description="Only cells above this are bled")
    spread_v: Positive = Field(description="Only cells this far above the lowest are bled")
    hottest_c: Number = Field(description="Not when the hottest sensor is above this")
    source: Source


class AllowanceRules(StrictModel):
    """How the allowance is told to the outside."""

    charge_v: Positive = Field(description="Pack voltage to charge to, V")
    rise_a_per_s: Positive = Field(description="An allowance falls at once and rises no faster than this, A/s")
    source: Source


class GuardedPack(StrictModel):
    """A type of pack that our own node protects."""

    pack: str = Field(pattern=r"^[a-z][a-z0-9_]{2,39}$", description="Name of the type; also the file's name")
    kind: Literal["guarded"]
    title: str = Field(min_length=4, description="One line for people")
    chemistry: Literal["lfp", "leaf_lmo", "nmc"] = Field(description="Cell chemistry")
    cells: Cells
    sensors: Sensors
    outputs: Literal["fets", "separate_ports", "common"] = Field(
        description="fets and separate_ports block charge alone; common opens everything"
    )
    close_alone: bool = Field(description="The node may close by itself; only in banks of one pack")
    ratings: list[Rating] = Field(min_length=3, description="Every part the current passes")
    limits: dict[str, Limit] = Field(description="One row for each diagnosis")
    derating: Derating
    allowance: AllowanceRules
    precharge: Precharge
    contactor: Contactor
    heater: Heater | None = None
    balancing: Balancing | None = None

    def continuous_a(self, charging: bool) -> tuple[float, str]:
        """The smallest continuous rating in A and the part that sets it."""
        return min(((r.charge_a if charging else r.discharge_a) * r.runs, r.part) for r in self.ratings)

    @model_validator(mode="after")
    def _check(self) -> GuardedPack:
        problems = list(_row_problems(self)) + list(_rating_problems(self)) + list(_derating_problems(self))
        if problems:
            raise Misfit.told(problems)
        return self


def _row_problems(pack: GuardedPack) -> list[str]:
    found = []
    for name in pack.limits.keys() - DIAGNOSES.keys():
        found.append(f"limits.{name}: no such diagnosis; there are {', '.join(DIAGNOSES)}")
    for name, diagnosis in DIAGNOSES.items():
        row = pack.limits.get(name)
        if row is None:
            found.append(f"limits.{name}: the row is missing")
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
    if pack.heater and not pack.heater.on_below_c < pack.heater.off_above_c < pack.heater.hottest_c:
        found.append("heater: expected on_below_c < off_above_c < hottest_c")
    return found
