"""One cell: voltage curve, resistance, charge and heat, against figures of the cell facts."""

from __future__ import annotations

import csv
import math
import os
from itertools import pairwise
from pathlib import Path

import pytest

from twolbms.sim.cell import CHEMISTRIES, LEAF_LMO, LFP, Cell, Chemistry

REFERENCE = Path(os.environ.get("TWOLBMS_REFERENCE", "absent"))


def make_cell(chemistry: Chemistry = LFP, nominal_ah: float = 320, soc: float = 0.5, temp_c: float = 25.0,
              **options: float) -> Cell:
    return Cell(chemistry, nominal_ah, soc=soc, temp_c=temp_c, **options)


def run(cell: Cell, current_a: float, seconds: int, ambient_c: float = 25.0, heat_w: float = 0.0,
        tau_s: float = 10.0) -> None:
    for _ in range(seconds):
        cell.step(current_a, heat_w, ambient_c, 1.0, math.exp(-1 / tau_s))


@pytest.mark.parametrize(("chemistry", "soc", "ocv_v"), [
    (LFP, 0.10, 3.1785), (LFP, 0.50, 3.308), (LFP, 0.95, 3.369), (LFP, 1.0, 3.59), (LFP, 0.55, 3.3125),
    (LEAF_LMO, 0.10, 3.69), (LEAF_LMO, 0.50, 3.92), (LEAF_LMO, 1.0, 4.17), (LEAF_LMO, 0.25, 3.795),
])
def test_open_circuit_voltage(chemistry: Chemistry, soc: float, ocv_v: float) -> None:
    """The curve goes through the measured points and straight between them."""
    assert chemistry.ocv(soc) == pytest.approx(ocv_v, abs=1e-9)


@pytest.mark.parametrize("name", CHEMISTRIES)
def test_curve_rises_everywhere(name: str) -> None:
    """More charge is never less voltage, and beyond both ends the voltage leaves the safe range fast."""
    ocv = CHEMISTRIES[name].ocv
    volts = [ocv(step / 200) for step in range(-20, 221)]
    assert all(low < high for low, high in pairwise(volts))
    assert ocv(-0.02) < ocv(0.0) - 0.5
    assert ocv(1.02) > ocv(1.0) + 0.15


@pytest.mark.need("reference")
@pytest.mark.parametrize(("name", "table", "tolerance_v"), [
    ("lfp", "ocv_lfp_a123_measured.csv", 0.02), ("leaf_lmo", "ocv_leaf_gen1_lmo_measured.csv", 0.025)])
def test_curve_follows_the_measurement(name: str, table: str, tolerance_v: float) -> None:
    """Between 10 and 95 % the few points follow the measured table."""
    with open(REFERENCE / "battery_data/ocv" / table, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("temp_c", "25") == "25"]
    checked = [row for row in rows if 0.10 <= float(row["soc"]) <= 0.95]
    assert len(checked) > 80
    for row in checked:
        measured_v = (float(row["v_discharge"]) + float(row["v_charge"])) / 2
        assert CHEMISTRIES[name].ocv(float(row["soc"])) == pytest.approx(measured_v, abs=tolerance_v), row


@pytest.mark.parametrize(("chemistry", "nominal_ah", "tau_s", "seconds", "mohm", "tolerance"), [
    (LFP, 320, 10.0, 10, 0.425, 0.025),  # 0.40..0.45 mohm DC at 10 s
    (LEAF_LMO, 33, 25.0, 1, 1.67, 0.08), (LEAF_LMO, 33, 25.0, 10, 2.03, 0.1), (LEAF_LMO, 33, 25.0, 30, 2.53, 0.15),
])
def test_pulse_resistance(chemistry: Chemistry, nominal_ah: float, tau_s: float, seconds: int, mohm: float,
                          tolerance: float) -> None:
    """A pulse from rest drops the voltage as the cell facts say, at each of their times."""
    cell = make_cell(chemistry, nominal_ah)
    current_a = -nominal_ah / 2
    run(cell, current_a, seconds, tau_s=tau_s)
    drop_v = cell.ocv_v - cell.voltage_v(current_a)
    assert drop_v / -current_a * 1000 == pytest.approx(mohm, abs=tolerance)


def test_cold_resistance() -> None:
    """At 0 °C an LFP cell has about 1.7 times its resistance, a Leaf cell at 10 °C 1.6 times."""
    assert LFP.cold_factor(0.0) == pytest.approx(1.7, abs=0.03)
    assert LEAF_LMO.cold_factor(10.0) == pytest.approx(2.70 / 1.67, abs=0.03)
    assert LFP.cold_factor(25.0) == 1.0


def test_larger_cells_have_less_resistance() -> None:
    """Two Leaf cells in parallel have half the resistance of one, and a factor spoils a single cell."""
    one, two, spoiled = (make_cell(LEAF_LMO, 33), make_cell(LEAF_LMO, 66),
                         make_cell(LEAF_LMO, 33, resistance_factor=1.8))
    assert two.resistance_ohm == pytest.approx(one.resistance_ohm / 2)
    assert spoiled.resistance_ohm == pytest.approx(one.resistance_ohm * 1.8)


def test_charge_is_counted() -> None:
    """An hour at 32 A is a tenth of 320 Ah, and more than that of a weak cell."""
    cell, weak = make_cell(), make_cell(capacity_factor=0.75)
    run(cell, 32.0, 3600)
    run(weak, 32.0, 3600)
    assert cell.soc == pytest.approx(0.6, abs=1e-9)
    assert weak.soc == pytest.approx(0.5 + 32 / 240, abs=1e-9)


def test_energy_is_conserved() -> None:
    """Electrical energy in = energy at the open-circuit voltage + heat + what the R-C pair holds."""
    cell, put_in_j, stored_j, heat_j = make_cell(temp_c=25.0), 0.0, 0.0, 0.0
    cell.heat_transfer = 0.0
    for second in range(4000):
        current_a = 160.0 if second % 400 < 250 else -100.0
        before_v, before_c = cell.ocv_v, cell.temp_c
        put_in_j += cell.voltage_v(current_a) * current_a * 0.1
        cell.step(current_a, 0.0, 25.0, 0.1, math.exp(-0.1 / 10))
        stored_j += (before_v + cell.ocv_v) / 2 * current_a * 0.1
        heat_j += (cell.temp_c - before_c) * 5775
    assert heat_j == pytest.approx(put_in_j - stored_j, rel=0.02)
    assert heat_j > 1000


def test_cools_to_ambient() -> None:
    """A warm cell loses heat at 0.495 W/K: after one time constant 37 % of the difference is left."""
    cell = make_cell(temp_c=35.0)
    run(cell, 0.0, round(5775 / 0.495), ambient_c=15.0)
    assert cell.temp_c == pytest.approx(15 + 20 / math.e, abs=0.02)


def test_place() -> None:
    """A story can put a cell into any state, and its voltage follows at once."""
    cell = make_cell()
    cell.place(soc=1.01, temp_c=-10.0)
    assert cell.voltage_v(0) == pytest.approx(3.59 + 0.01 * 30)
    assert cell.resistance_ohm > make_cell().resistance_ohm * 2
