"""The model of a guarded pack's YAML: ratings, limits, deratings, outputs. Knows types of packs, not individuals."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from twolbms.config.errors import Misfit
from twolbms.config.model import StrictModel
from twolbms.config.pack_checks import pack_problems

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
    cell_error_v: NotNegative = Field(
        default=0.0, description="Error budget of a cell reading; every limit of a cell's voltage moves inside by it"
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

    unit: Literal["V", "A", "degC", "K", "s", "kOhm", "%", "1"] = Field(
        description="Unit of warn, limit, trip and clear"
    )
    not_fitted: str | None = Field(
        default=None, min_length=8, description="Why this pack has no such sensor; the row then has no tiers"
    )
    warn: Number | None = Field(default=None, description="Tell from here on")
    limit: Number | None = Field(default=None, description="Allow less from here on")
    trip: Number | None = Field(default=None, description="Open from here on")
    clear: Number = Field(default=0.0, description="The cause is gone when the value is back at or inside this")
    delay_s: NotNegative = Field(default=0.0, description="How long the value must stay beyond, s")
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

    @model_validator(mode="after")
    def _fitted_or_not(self) -> Limit:
        tiers = [key for key in ("warn", "limit", "trip") if getattr(self, key) is not None]
        if self.not_fitted and (tiers or self.latch):
            raise ValueError(f"not_fitted and {', '.join(tiers) or 'latch'} exclude each other")
        if self.not_fitted is None and not {"clear", "delay_s"} <= self.model_fields_set:
            raise ValueError("expected clear and delay_s")
        return self


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
    tries: int = Field(ge=1, le=10, description="Tries before the fault is remembered")
    cool_s: Positive = Field(description="Pause between tries, in which the resistor cools, s")
    source: Source


class LifePoint(StrictModel):
    """How many times the outputs may open under a current; between points the wear is straight."""

    at_a: NotNegative = Field(description="Current at the moment of opening, A")
    openings: int = Field(ge=1, le=1_000_000, description="Openings at that current in a life")


class Contactor(StrictModel):
    """What the outputs can break and how long they are held above it."""

    break_max_a: Positive = Field(description="Largest current the outputs may open under, A")
    break_hold_ms: int = Field(
        ge=0, le=5000, description="How long they are held above it at most, from the fuse's curve, ms"
    )
    life: list[LifePoint] = Field(
        min_length=2, max_length=8, description="Wear by opening under load, in rising current"
    )
    weld_wait_s: Positive = Field(
        description="How long the link may hold its voltage after opening before the weld check is not determinable, s"
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
    check_s: Positive = Field(description="Window in which a rise is looked for, s")
    rise_k: Positive = Field(description="The mean temperature rises at least this much in check_s while on, K")
    stuck_rise_k: Positive = Field(
        description="A pack at rest that warms more than this in check_s while the heater is off has a stuck relay, K"
    )
    budget_wh: Positive = Field(description="Heat that may be spent without any charging in between, Wh")
    supplied_by: Literal["pack", "link"] = Field(description="Which side of the outputs feeds it")
    source: Source


class Balancing(StrictModel):
    """When the node bleeds its higher cells."""

    start_v: Number = Field(description="Only cells above this are bled")
    spread_v: Positive = Field(description="Only cells this far above the lowest are bled")
    hottest_c: Number = Field(description="Not when the hottest sensor is above this")
    cell_budget_s: Positive = Field(description="Longest bleeding of one cell in a day, s")
    source: Source


class Winter(StrictModel):
    """What the node does when nobody charges: heater and outputs go first, then it sleeps."""

    sleep_after_s: Positive = Field(
        description="The node sleeps when open by under-voltage or deep discharge, without a charger, for this long, s"
    )
    wake_every_s: Positive = Field(description="It wakes to look for a charger this often, s")
    node_w: Positive = Field(description="Draw of node and cell monitor awake, W")
    coil_w: NotNegative = Field(description="Draw of the outputs' coils or gate drivers while closed, W")
    sleep_w: Positive = Field(description="Draw asleep, W")
    source: Source


class Calibration(StrictModel):
    """How far a node's own calibration may move a reading; more is refused as a fault of the hardware."""

    gain_ppm: int = Field(ge=0, le=50_000, description="Largest change of a cell's gain, ppm")
    offset_mv: int = Field(ge=0, le=100, description="Largest offset of a cell, mV")
    current_gain_ppm: int = Field(ge=0, le=50_000, description="Largest change of the current's gain, ppm")
    current_offset_ma: int = Field(ge=0, le=5000, description="Largest offset of the current, mA")
    temperature_k: Annotated[float, Field(strict=False, ge=0, le=5)] = Field(
        description="Largest offset of a temperature, K"
    )
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
    winter: Winter
    calibration: Calibration

    def continuous_a(self, charging: bool) -> tuple[float, str]:
        """The smallest continuous rating in A and the part that sets it."""
        return min(((r.charge_a if charging else r.discharge_a) * r.runs, r.part) for r in self.ratings)

    @model_validator(mode="after")
    def _check(self) -> GuardedPack:
        problems = pack_problems(self)
        if problems:
            raise Misfit.told(problems)
        return self
