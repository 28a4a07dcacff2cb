"""Instruments: integers near the truth, repeatable noise, and what can be wrong with them."""

from __future__ import annotations

from statistics import mean, stdev
from typing import Any

import pytest

from twolbms.sim.pack_plant import Outputs, PackParameters, PackPlant
from twolbms.sim.readings import Instruments, Noise, sensor_cells

SILENT = Noise(0.0, 0.0, 0.0, 0.0, 0.0)


def make(noise: Noise | None = SILENT, **options: Any) -> tuple[PackPlant, Instruments]:
    plant = PackPlant(PackParameters(cells=8, capacity_ah=320, temperature_sensors=4, outputs="fets", **options))
    plant.carry(-50.0, -50.0, 26.1, 1.0)
    instruments = Instruments(plant, "1/1", noise)
    return plant, instruments


def test_integers_of_the_truth() -> None:
    """Without noise a reading is the truth in mV, mA and 0.1 °C."""
    plant, instruments = make(ambient_c=-5.23)
    reading = instruments.reading(1234, False)
    assert reading.cells_mv == tuple(round(1000 * volts) for volts in plant.cell_voltages_v())
    assert (reading.time_ms, reading.link_mv, reading.current_ma) == (1234, 26_100, -50_000)
    assert reading.pack_mv == round(1000 * plant.voltage_v)
    assert reading.temps_dc == (-52,) * 4


def test_noise_has_its_size() -> None:
    """The noise of a cell reading has the standard deviation it is said to have, around the truth."""
    plant, instruments = make(Noise(cell_mv=2.0))
    values = []
    for _ in range(500):
        instruments.scan()
        values += [millivolts or 0 for millivolts in instruments.reading(0, False).cells_mv]
    assert mean(values) == pytest.approx(1000 * plant.cell_voltages_v()[0], abs=0.2)
    assert stdev(values) == pytest.approx(2.0, abs=0.15)


def test_same_seed_same_readings() -> None:
    """Two runs under one seed read the same, under another not."""
    runs = []
    for seed in ("1/1", "1/1", "2/1"):
        instruments = Instruments(PackPlant(PackParameters(cells=8, capacity_ah=320)), seed)
        runs.append([instruments.reading(0, False) for _ in range(5)])
    assert runs[0] == runs[1] != runs[2]


def test_scan_counter() -> None:
    """Each conversion counts, wraps at 16 bits, and only a conversion changes the cells."""
    plant, instruments = make()
    before = instruments.reading(0, False)
    plant.cells[0].place(soc=0.9)
    assert instruments.reading(0, False).cells_mv == before.cells_mv
    for _ in range(0x10000):
        instruments.scan()
    after = instruments.reading(0, False)
    assert (after.scan, after.cells_mv == before.cells_mv) == (before.scan, False)


def test_frozen_scan() -> None:
    """A frozen scan keeps counter, cells and temperatures; current and pack voltage live on."""
    plant, instruments = make()
    before = instruments.reading(0, False)
    instruments.faults.scan_frozen = True
    plant.cells[0].place(soc=0.9, temp_c=50.0)
    plant.current_a = 10.0
    instruments.scan()
    after = instruments.reading(0, False)
    assert (after.scan, after.cells_mv, after.temps_dc) == (before.scan, before.cells_mv, before.temps_dc)
    assert (after.current_ma, after.pack_mv != before.pack_mv) == (10_000, True)


def test_missing_and_shifted() -> None:
    """Cells and sensors can be missing or shifted, one by one."""
    _, instruments = make()
    good = instruments.reading(0, False)
    faults = instruments.faults
    faults.cells_missing, faults.sensors_missing = frozenset({2}), frozenset({3})
    faults.cell_offset_mv, faults.sensor_offset_dc, faults.current_offset_ma = {0: 50}, {1: -300}, 700
    bad = instruments.reading(0, False)
    assert bad.cells_mv == ((good.cells_mv[0] or 0) + 50, good.cells_mv[1], None, *good.cells_mv[3:])
    assert bad.temps_dc == (200, -100, 200, None)
    assert bad.current_ma == -49_300


@pytest.mark.parametrize(("fault", "field"), [
    ("pack_voltage_missing", "pack_mv"), ("link_voltage_missing", "link_mv"), ("current_missing", "current_ma")])
def test_missing_converter(fault: str, field: str) -> None:
    """Pack voltage, link voltage and current can be missing."""
    _, instruments = make()
    assert getattr(instruments.reading(0, False), field) is not None
    setattr(instruments.faults, fault, True)
    assert getattr(instruments.reading(0, False), field) is None


SOUND = 0b0010_0001_0000_0000  # emergency stop released, the monitor's own limits read back


@pytest.mark.parametrize(("outputs", "faults", "charger", "flags"), [
    (Outputs(), {}, False, 0b0001_0000),
    (Outputs(charge=True), {}, False, 0b0001_0001),
    (Outputs(discharge=True, precharge=True, heater=True), {}, False, 0b0001_1110),
    (Outputs(), {"interlock_open": True, "arming_held": True}, False, 0b0010_0000),
    (Outputs(), {"feedback_broken": True}, True, 0b1101_0000),
    (Outputs(charge=True), {"feedback_stuck": {"charge": False, "heater": True}}, False, 0b0001_1000),
    (Outputs(), {"feedback_stuck": {"discharge": True}}, False, 0b0001_0010),
])
def test_flags(outputs: Outputs, faults: dict[str, Any], charger: bool, flags: int) -> None:
    """Feedback and inputs stand in their bits, stuck ones where they stick."""
    plant, instruments = make()
    plant.outputs = outputs
    for name, value in faults.items():
        setattr(instruments.faults, name, value)
    assert instruments.reading(0, charger).flags == SOUND | flags


@pytest.mark.parametrize(("cells", "sensors", "places"), [
    (8, 4, (0, 2, 5, 7)), (16, 2, (0, 15)), (8, 1, (4,)), (8, 0, ()), (2, 4, (0, 0, 1, 1))])
def test_sensor_places(cells: int, sensors: int, places: tuple[int, ...]) -> None:
    """Sensors sit on the first and the last cell and evenly between."""
    assert sensor_cells(cells, sensors) == places
