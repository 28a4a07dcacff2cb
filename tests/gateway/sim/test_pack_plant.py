"""A pack's truth: heat, charge, balancing, paths that weld, and settings that are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from twolbms.sim.pack_plant import ALL_OFF, Outputs, PackParameters, PackPlant

HOUSE = PackParameters(cells=8, capacity_ah=320, heater_w=300, ambient_c=-5.0, outputs="fets", temperature_sensors=4)


def carry(plant: PackPlant, current_a: float, seconds: int) -> None:
    for _ in range(seconds):
        plant.carry(current_a, current_a, plant.emf_v, 1.0)


def test_heater_warms_the_house_bank() -> None:
    """300 W into 8 x 5775 J/K is 0.39 K a minute: from -5 to +5 °C in 26 min, a little more with losses."""
    plant = PackPlant(HOUSE)
    plant.outputs = Outputs(heater=True)
    carry(plant, 0.0, 60)
    assert plant.cells[0].temp_c == pytest.approx(-5 + 300 * 60 / (8 * 5775), abs=0.005)
    minutes = 1
    while plant.cells[0].temp_c < 5.0:
        carry(plant, 0.0, 60)
        minutes += 1
    assert 26 <= minutes <= 29


def test_heat_is_conserved() -> None:
    """Heater energy is in the cells or has gone to the room."""
    plant = PackPlant(replace(HOUSE, heater_from_pack=False))
    plant.outputs = Outputs(heater=True)
    lost_j = 0.0
    for _ in range(3600):
        lost_j += sum(0.495 * (cell.temp_c + 5) for cell in plant.cells)
        carry(plant, 0.0, 1)
    stored_j = sum(5775 * (cell.temp_c + 5) for cell in plant.cells)
    assert plant.heater_j == 300 * 3600
    assert stored_j + lost_j == pytest.approx(plant.heater_j, rel=1e-6)


def test_a_heater_on_the_pack_empties_it_through_the_shunt() -> None:
    """With everything open 300 W flow through the shunt all the same, and no cell keeps its charge."""
    plant = PackPlant(HOUSE)
    plant.outputs = Outputs(heater=True)
    before = plant.cells[0].soc
    carry(plant, 0.0, 3600)
    assert plant.current_a * plant.voltage_v == pytest.approx(-300, rel=0.01)
    gone = before - plant.cells[0].soc
    assert gone == pytest.approx(plant.charge_out_as / 3600 / 320, rel=1e-6) and gone > 0.03


def test_heater_needs_its_output() -> None:
    """The heater is off without its command, unless its relay is welded."""
    plant = PackPlant(HOUSE)
    carry(plant, 0.0, 60)
    assert plant.cells[0].temp_c == pytest.approx(-5.0)
    plant.heater_welded = True
    carry(plant, 0.0, 60)
    assert plant.cells[0].temp_c > -4.7


def test_charge_counts_match_the_cells() -> None:
    """Charge in and out are what every cell of the string has taken."""
    plant = PackPlant(PackParameters(cells=4, capacity_ah=100))
    carry(plant, 40.0, 900)
    carry(plant, -20.0, 900)
    assert (plant.charge_in_as, plant.charge_out_as) == (36_000, 18_000)
    for cell in plant.cells:
        assert cell.soc == pytest.approx(0.5 + 18_000 / 360_000)
    assert plant.energy_in_j > 36_000 * 4 * 3.3


def test_weak_cell_leads() -> None:
    """The weak cell is full and empty before the others."""
    plant = PackPlant(PackParameters(cells=4, capacity_ah=100, weak_cell=2, weak_capacity_factor=0.7))
    carry(plant, 50.0, 1800)
    assert plant.cells[2].soc == pytest.approx(0.5 + 0.25 / 0.7)
    assert max(range(4), key=plant.cell_voltages_v().__getitem__) == 2


def test_balancing_bleeds_its_cells_only() -> None:
    """A set bit takes cell voltage / 33 Ω from that cell."""
    plant = PackPlant(PackParameters(cells=4, capacity_ah=10, balance_ohm=33.0))
    plant.outputs = Outputs(balancing=0b0101)
    carry(plant, 0.0, 3600)
    taken_ah = [(0.5 - cell.soc) * 10 for cell in plant.cells]
    assert taken_ah == pytest.approx([0.1, 0.0, 0.1, 0.0], abs=0.002)
    assert plant.balanced_as == pytest.approx(sum(taken_ah) * 3600, rel=1e-6)


def test_individual_cells() -> None:
    """SoC and resistance may differ from cell to cell."""
    plant = PackPlant(PackParameters(cells=2, capacity_ah=33, chemistry="leaf_lmo", initial_soc=(0.2, 0.8),
                                     resistance_factors=(1.0, 2.0)))
    assert plant.cell_voltages_v() == pytest.approx([3.75, 4.04])
    assert plant.cells[1].resistance_ohm == pytest.approx(2 * plant.cells[0].resistance_ohm)


@pytest.mark.parametrize(("outputs", "welded", "closed"), [
    ("fets", {"charge"}, (True, False)), ("fets", {"discharge"}, (False, True)),
    ("common", {"discharge"}, (True, True)),
])
def test_welded_stays_closed(outputs: Any, welded: set[str], closed: tuple[bool, bool]) -> None:
    """A welded path stays closed whatever is commanded; a common contactor welds as one."""
    plant = PackPlant(PackParameters(cells=2, capacity_ah=10, outputs=outputs))
    plant.welded = frozenset(welded)
    plant.outputs = ALL_OFF
    assert (plant.closed("charge"), plant.closed("discharge")) == closed


def test_stuck_open() -> None:
    """A path that is stuck open does not close."""
    plant = PackPlant(PackParameters(cells=2, capacity_ah=10, outputs="fets"))
    plant.stuck_open = frozenset({"charge"})
    plant.outputs = Outputs(charge=True, discharge=True)
    assert (plant.closed("charge"), plant.closed("discharge")) == (False, True)


@pytest.mark.parametrize(("key", "value"), [
    ("cells", 0), ("cells", 129), ("capacity_ah", 0.0), ("chemistry", "nmc"), ("outputs", "relay"), ("weak_cell", 8),
    ("initial_soc", (0.5, 0.5)), ("resistance_factors", (1.0,)), ("temperature_sensors", -1),
])
def test_refused_parameters(key: str, value: Any) -> None:
    """A parameter that makes no pack is refused by name."""
    given: dict[str, Any] = {"cells": 8, "capacity_ah": 320.0, key: value}
    with pytest.raises(ValueError, match=key):
        PackParameters(**given)


def test_truth_is_json() -> None:
    """The true state can be written as JSON."""
    truth = json.loads(json.dumps(PackPlant(HOUSE).truth()))
    assert truth["soc"] == [0.5] * 8
    assert truth["pack_v"] == pytest.approx(8 * 3.308, abs=1e-3)
