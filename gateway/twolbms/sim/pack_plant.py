"""The electro-thermal plant of one pack: cells in series, paths, heater, balancing resistors; the truth, no sensor.

Contactors act from the next step on. What the node measures of it is made in `readings.py`, what flows in `link.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from twolbms.sim.branch import Branch
from twolbms.sim.cell import CHEMISTRIES, Cell

OutputKind = Literal["fets", "common", "separate_ports"]
Path = Literal["charge", "discharge", "precharge"]

DIODE_V = 0.7
"""Body diode of a closed-off FET that the other direction's current flows through."""


@dataclass(frozen=True, slots=True)
class PackParameters:
    """A simulated pack. Cells and sensors count from 0; SoC 0 to 1, one for all or one a cell; heater power outside.

    `heater_from_pack`: its current flows through the shunt, whatever is open. `path_ohm` is wiring, shunt, contacts;
    `heat_capacity_j_per_k` is of one cell, None = the chemistry's by capacity.
    """

    cells: int
    capacity_ah: float
    chemistry: Literal["lfp", "leaf_lmo"] = "lfp"
    initial_soc: float | tuple[float, ...] = 0.5
    resistance_factors: tuple[float, ...] = ()
    weak_cell: int | None = None
    weak_capacity_factor: float = 0.75
    ambient_c: float = 20.0
    initial_temp_c: float | None = None
    heater_w: float = 0.0
    heater_from_pack: bool = True
    heat_capacity_j_per_k: float | None = None
    temperature_sensors: int = 2
    outputs: OutputKind = "common"
    precharge_ohm: float = 47.0
    path_ohm: float = 0.5e-3
    balance_ohm: float = 33.0

    def __post_init__(self) -> None:
        """ValueError with the key and what was expected."""
        if not 1 <= self.cells <= 128:
            raise ValueError(f"cells {self.cells}: expected 1 to 128")
        if self.capacity_ah <= 0:
            raise ValueError(f"capacity_ah {self.capacity_ah}: expected more than 0")
        if self.chemistry not in CHEMISTRIES:
            raise ValueError(f"chemistry {self.chemistry!r}: expected one of {', '.join(CHEMISTRIES)}")
        if self.outputs not in get_args(OutputKind):
            raise ValueError(f"outputs {self.outputs!r}: expected one of {', '.join(get_args(OutputKind))}")
        if self.weak_cell is not None and not 0 <= self.weak_cell < self.cells:
            raise ValueError(f"weak_cell {self.weak_cell}: expected 0 to {self.cells - 1}")
        if not 0 <= self.temperature_sensors <= 128:
            raise ValueError(f"temperature_sensors {self.temperature_sensors}: expected 0 to 128")
        for key in ("initial_soc", "resistance_factors"):
            given = getattr(self, key)
            if isinstance(given, tuple) and len(given) not in {0, self.cells}:
                raise ValueError(f"{key} has {len(given)} values: expected one a cell, {self.cells}")


class Outputs(NamedTuple):
    """What the node commands; `balancing` has a bit a cell."""

    charge: bool = False
    discharge: bool = False
    precharge: bool = False
    heater: bool = False
    balancing: int = 0


ALL_OFF = Outputs()


class PackPlant:
    """One pack's truth. `welded` paths stay closed whatever is commanded, `stuck_open` ones never close."""

    def __init__(self, parameters: PackParameters) -> None:
        self.parameters = parameters
        self.cells = [_make_cell(parameters, index) for index in range(parameters.cells)]
        self.ambient_c = parameters.ambient_c
        self.outputs = ALL_OFF
        self.welded: frozenset[str] = frozenset()
        self.stuck_open: frozenset[str] = frozenset()
        self.heater_welded = False
        self.current_a = 0.0
        self.bar_v = 0.0
        self.peak_a = 0.0
        self.charge_in_as = self.charge_out_as = 0.0
        self.energy_in_j = self.energy_out_j = 0.0
        self.heater_j = self.balanced_as = 0.0
        self._tau_s = CHEMISTRIES[parameters.chemistry].tau_s

    def closed(self, path: Path) -> bool:
        """Whether a path is really closed. A common contactor is both paths, and either command pulls it."""
        common = self.parameters.outputs == "common" and path != "precharge"
        names = frozenset({"charge", "discharge"}) if common else frozenset({path})
        if names & self.welded:
            return True
        commanded = any(getattr(self.outputs, name) for name in names)
        return commanded and not names & self.stuck_open

    @property
    def heater_on(self) -> bool:
        """Whether the heater really heats."""
        return self.outputs.heater or self.heater_welded

    @property
    def emf_v(self) -> float:
        """Pack voltage at no current, V."""
        return sum(cell.emf_v for cell in self.cells)

    @property
    def voltage_v(self) -> float:
        """Pack voltage under the present current, V."""
        return sum(self.cell_voltages_v())

    def cell_voltages_v(self) -> list[float]:
        """Cell voltages under the present current, V."""
        return [cell.voltage_v(self.current_a) for cell in self.cells]

    def main_branch(self) -> Branch | None:
        """The pack through its charge and discharge paths, None when both are open."""
        charge, discharge = self.closed("charge"), self.closed("discharge")
        if not charge and not discharge:
            return None
        drop_v = DIODE_V if self.parameters.outputs == "fets" else 0.0
        return Branch(self.emf_v, self._ohm(), charges=charge, discharges=discharge,
                      charge_drop_v=0.0 if discharge else drop_v, discharge_drop_v=0.0 if charge else drop_v)

    def precharge_branch(self) -> Branch | None:
        """The pack through its precharge resistor, None when that is open."""
        if not self.closed("precharge"):
            return None
        return Branch(self.emf_v, self._ohm() + self.parameters.precharge_ohm)

    def _ohm(self) -> float:
        return sum(cell.resistance_ohm for cell in self.cells) + self.parameters.path_ohm

    def carry(self, current_a: float, peak_a: float, bar_v: float, elapsed_s: float) -> None:
        """Lets a mean current flow through the paths for a time, heats, balances, loses heat."""
        heater_w = self.parameters.heater_w if self.heater_on else 0.0
        if heater_w and self.parameters.heater_from_pack:
            current_a -= heater_w / self.voltage_v
        self.current_a, self.bar_v = current_a, bar_v
        self.peak_a = max(self.peak_a, abs(peak_a), abs(current_a))
        self._count(current_a, elapsed_s)
        self.heater_j += heater_w * elapsed_s
        each_w, decay = heater_w / len(self.cells), math.exp(-elapsed_s / self._tau_s)
        for index, cell in enumerate(self.cells):
            own_a = current_a - self._bleed_a(index, cell, elapsed_s)
            cell.step(own_a, each_w, self.ambient_c, elapsed_s, decay)

    def _count(self, current_a: float, elapsed_s: float) -> None:
        charge_as = current_a * elapsed_s
        if charge_as > 0:
            self.charge_in_as += charge_as
            self.energy_in_j += charge_as * self.voltage_v
        else:
            self.charge_out_as -= charge_as
            self.energy_out_j -= charge_as * self.voltage_v

    def _bleed_a(self, index: int, cell: Cell, elapsed_s: float) -> float:
        if not self.outputs.balancing >> index & 1:
            return 0.0
        bleed_a = cell.emf_v / self.parameters.balance_ohm
        self.balanced_as += bleed_a * elapsed_s
        return bleed_a

    def truth(self) -> dict[str, Any]:
        """The true state, JSON-able, for tests and demonstrations; cells count from 0."""
        return {
            "soc": [round(cell.soc, 6) for cell in self.cells],
            "capacity_ah": [cell.capacity_ah for cell in self.cells],
            "cells_v": [round(volts, 5) for volts in self.cell_voltages_v()],
            "temperatures_c": [round(cell.temp_c, 3) for cell in self.cells], "ambient_c": self.ambient_c,
            "pack_v": round(self.voltage_v, 4), "link_v": round(self.bar_v, 4), "current_a": round(self.current_a, 4),
            "peak_a": round(self.peak_a, 2), "heater_on": self.heater_on,
            "charge_closed": self.closed("charge"), "discharge_closed": self.closed("discharge"),
            "precharge_closed": self.closed("precharge"), "balancing": self.outputs.balancing,
            "charge_in_ah": self.charge_in_as / 3600, "charge_out_ah": self.charge_out_as / 3600,
            "energy_in_wh": self.energy_in_j / 3600, "energy_out_wh": self.energy_out_j / 3600,
            "heater_wh": self.heater_j / 3600,
        }


def _make_cell(parameters: PackParameters, index: int) -> Cell:
    given = parameters.initial_soc
    ambient_c = parameters.ambient_c
    return Cell(
        CHEMISTRIES[parameters.chemistry], parameters.capacity_ah,
        soc=given[index] if isinstance(given, tuple) else given,
        temp_c=ambient_c if parameters.initial_temp_c is None else parameters.initial_temp_c,
        resistance_factor=parameters.resistance_factors[index] if parameters.resistance_factors else 1.0,
        capacity_factor=parameters.weak_capacity_factor if index == parameters.weak_cell else 1.0,
        heat_capacity_j_per_k=parameters.heat_capacity_j_per_k,
    )
