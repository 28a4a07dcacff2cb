"""The model of a scenario file. Each key is documented here; docs/scenarios.md and the JSON Schema follow from it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from twolbms.config.model import StrictModel

Volt = Annotated[float, Field(strict=False, ge=-32.0, le=1310)]
Ampere = Annotated[float, Field(strict=False, ge=-1300, le=1300)]
Celsius = Annotated[float, Field(strict=False, ge=-200, le=200)]
Missing = Literal["missing"]
OnOff = Literal["on", "off"]
OpenClosed = Literal["open", "closed"]
RowName = Annotated[str, Field(pattern=r"^[a-z_]+$")]
By = Annotated[
    str,
    Field(
        description="A limit's name or a rule: rating, derate_charge_temperature, gateway_request, path_open, "
        "unknown_reading, …, as PackAllowance in dbc/node.dbc spells it, in snake case"
    ),
]


class Request(StrictModel):
    """A NodeRequest of the gateway. Close and clear count only when sent twice."""

    ask: Literal["open", "close", "allowance", "balancing", "clear", "service"] = Field(description="What is asked")
    times: int = Field(
        default=2, ge=1, le=5, description="How often it is sent, with consecutive counters, in this cycle"
    )
    charge_a: Annotated[float, Field(strict=False, ge=0, le=1023)] | None = Field(
        default=None, description="allowance: charge current"
    )
    discharge_a: Annotated[float, Field(strict=False, ge=0, le=1023)] | None = Field(
        default=None, description="allowance: discharge current"
    )
    limit: RowName | None = Field(default=None, description="clear: only this limit; without it all")
    balancing: OnOff | None = Field(default=None, description="balancing: on or off")
    damaged: bool = Field(default=False, description="Sent with a wrong CRC")


class RawFrame(StrictModel):
    """Any frame on the bus, as it is."""

    id: int = Field(ge=0, le=0x1FFFFFFF, description="29-bit id")
    data: str = Field(pattern=r"^([0-9A-Fa-f]{2} ?){8}$", description="Eight bytes in hex, in quotes")


class Set(StrictModel):
    """What changes in this step; everything else stays as it was."""

    cells_v: Volt | list[Volt | Missing] | Missing | None = Field(
        default=None, description="All cells: one voltage, or a list from cell 1 up"
    )
    cell_v: dict[int, Volt | Missing] | None = Field(default=None, description="Single cells by number from 1")
    temperatures_c: Celsius | list[Celsius | Missing] | Missing | None = Field(
        default=None, description="All sensors: one value or a list"
    )
    temperature_c: dict[int, Celsius | Missing] | None = Field(
        default=None, description="Single sensors by number from 1"
    )
    current_a: Ampere | Missing | None = Field(default=None, description="Pack current, positive when charging")
    pack_v: Volt | Literal["sum"] | Missing | None = Field(
        default=None, description="Pack voltage; sum: that of the cells (at start)"
    )
    link_v: Volt | Literal["follows"] | Missing | None = Field(
        default=None,
        description="Link voltage; follows: the pack's once precharge or a path is closed, else 0 (at start); with "
        "separate ports it is that of the discharge port",
    )
    conversions: Literal["running", "stopped"] | None = Field(
        default=None, description="Whether the cell monitor converts"
    )
    feedback: (
        Literal["follows", "all_open", "all_closed", "unknown", "charge_closed", "charge_open", "discharge_closed",
                "discharge_open"] | None
    ) = Field(
        default=None,
        description="Feedback of the outputs; follows: the commands one cycle later; charge_closed and its like: that "
        "one contact reads so whatever it is told, the others follow",
    )
    interlock: OpenClosed | None = Field(default=None, description="The interlock loop")
    arming: OnOff | None = Field(default=None, description="The arming input")
    charger: OnOff | None = Field(default=None, description="Charger voltage present on the link")
    emergency_stop: Literal["pressed", "released"] | None = Field(default=None, description="The emergency stop")
    smoke: OnOff | None = Field(default=None, description="The smoke detector")
    leak: OnOff | None = Field(default=None, description="The leak detector")
    clear_button: Literal["pressed", "released"] | None = Field(
        default=None, description="The clear button at the node"
    )
    key: OnOff | None = Field(default=None, description="The key that wakes the node")
    heater_feedback: Literal["follows", "on", "off"] | None = Field(
        default=None, description="Feedback of the heater relay; follows: the command one cycle later"
    )
    second_a: Ampere | Literal["follows"] | Missing | None = Field(
        default=None, description="Second current sensor; follows: the first (at start)"
    )
    supply_v: Annotated[float, Field(strict=False, ge=0, le=65)] | Missing | None = Field(
        default=None, description="The node's own supply, 12 V at start"
    )
    insulation_kohm: Annotated[float, Field(strict=False, ge=0, le=65000)] | Missing | None = Field(
        default=None, description="Resistance from the pack to its enclosure, 2,000 kOhm at start"
    )
    humidity_percent: Annotated[int, Field(ge=0, le=100)] | Missing | None = Field(
        default=None, description="Humidity in the enclosure, 45 at start"
    )
    monitor: Literal["answers", "silent"] | None = Field(
        default=None, description="Whether the cell monitor answers on its bus; silent: its values stay as they were"
    )
    monitor_configuration: Literal["sound", "lost"] | None = Field(
        default=None, description="Whether the cell monitor reads back the limits it was given"
    )
    short_circuit: OnOff | None = Field(default=None, description="The cell monitor says it has cut a short circuit")
    monitor_protection: OnOff | None = Field(
        default=None, description="The cell monitor says its own protection has opened"
    )
    open_wires: Annotated[int, Field(ge=0, le=128)] | None = Field(
        default=None, description="Sense wires the cell monitor has found open"
    )
    memory: Literal["sound", "bad"] | None = Field(
        default=None, description="The node's configuration and fault memory"
    )
    restarts: Annotated[int, Field(ge=0, le=255)] | None = Field(
        default=None, description="Restarts of the node without a healthy minute in between"
    )
    wear_percent: Annotated[int, Field(ge=0, le=255)] | None = Field(
        default=None, description="Share of the outputs' life that earlier lives of the node have used"
    )
    gateway: Literal["alive", "silent", "frozen"] | None = Field(
        default=None, description="Heartbeats every 250 ms; frozen: the same frame again and again"
    )
    balancing_allowed: bool | None = Field(default=None, description="What the heartbeat says about balancing")
    request: Request | None = Field(default=None, description="A request sent in this cycle")
    frame: RawFrame | Annotated[list[RawFrame], Field(min_length=1, max_length=8)] | None = Field(
        default=None, description="A raw frame, or a list of up to eight, sent in this cycle"
    )
    pause_ms: Annotated[int, Field(ge=1, le=600000)] | None = Field(
        default=None, description="The node does not run for this long before this cycle"
    )


class Outputs(StrictModel):
    """What the node commands."""

    charge: OpenClosed | None = Field(default=None, description="Charge path")
    discharge: OpenClosed | None = Field(default=None, description="Discharge path")
    precharge: OpenClosed | None = Field(default=None, description="Precharge path")
    heater: OnOff | None = Field(default=None, description="Heater relay")
    asleep: OnOff | None = Field(default=None, description="The node has put itself to sleep")
    light: OnOff | None = Field(default=None, description="The status light")


class Allowed(StrictModel):
    """What PackAllowance says."""

    charge_a: Annotated[float, Field(strict=False)] | None = Field(
        default=None, description="Charge current allowed, in steps of 0.25 A"
    )
    discharge_a: Annotated[float, Field(strict=False)] | None = Field(
        default=None, description="Discharge current allowed"
    )
    charge_by: By | None = None
    discharge_by: By | None = None


class Faults(StrictModel):
    """Exactly the limits that stand in each tier named here."""

    warn: list[RowName] | None = Field(default=None, description="Tier warn")
    limit: list[RowName] | None = Field(default=None, description="Tier limit")
    trip: list[RowName] | None = Field(default=None, description="Tier trip: the cause is present")
    latched: list[RowName] | None = Field(default=None, description="Remembered until cleared")


class Answer(StrictModel):
    """The last NodeAnswer."""

    request: str | None = Field(default=None, description="The request it answers")
    answer: str | None = Field(default=None, description="accepted or the reason")
    limit: str | None = Field(default=None, description="The limit in the way")


class Expect(StrictModel):
    """What must hold after the cycle of this step."""

    state: (
        Literal["boot", "open", "precharge", "closed", "opening", "latched", "service", "cooling", "asleep"] | None
    ) = Field(default=None, description="PackState.State")
    outputs: Outputs | None = Field(default=None, description="Commanded outputs")
    allowance: Allowed | None = Field(default=None, description="PackAllowance")
    faults: Faults | None = Field(default=None, description="NodeFaults, tier by tier")
    answer: Answer | None = Field(default=None, description="The last NodeAnswer")
    open_reason: str | None = Field(default=None, description="PackState.OpenReason")
    balancing: list[int] | None = Field(default=None, description="Cells being balanced, from 1")
    frames: dict[str, dict[str, float | str]] | None = Field(
        default=None, description="Last frame of a message: signals by the DBC's names"
    )


class Step(StrictModel):
    """At `at_ms` first `set`, then one cycle of the node, then `expect`."""

    at_ms: int = Field(ge=0, le=86_400_000, description="Time from the start of the scenario")
    note: str | None = Field(default=None, description="A word for the reader")
    set: Set | None = Field(default=None, description="What changes")
    expect: Expect | None = Field(default=None, description="What must hold")


class Scenario(StrictModel):
    """A story for one node."""

    scenario: str = Field(min_length=4, description="What the story shows, one line")
    pack: str = Field(description="Name of a guarded pack type, or a path to its YAML beside this file")
    proves: list[RowName] = Field(default=[], description="Limits or rules whose numbers this file pins down")
    node: int = Field(default=1, ge=1, le=127, description="Node number")
    clock_ms: int = Field(default=0, ge=0, lt=1 << 30, description="The node's clock at the start; it wraps at 2^30")
    steps: list[Step] = Field(min_length=1, max_length=5000, description="In rising order of at_ms")

    @model_validator(mode="after")
    def _rising(self) -> Scenario:
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if after.at_ms <= before.at_ms:
                raise ValueError(f"steps: at_ms {after.at_ms} comes after {before.at_ms}; expected rising times")
        return self
