"""The instruments of a simulated pack: the truth becomes integers with noise, and what an instrument can do wrong.

Repeatable under a seed. Current, pack and link voltage come from a converter of their own: a frozen cell scan leaves
them alive, as a hung AFE does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from twolbms.sim.pack_plant import PackPlant, Path
from twolbms.sim.plant_packets import (
    ARMING_HELD,
    CHARGE_CLOSED,
    CHARGER_PRESENT,
    CLEAR_PRESSED,
    DISCHARGE_CLOSED,
    ESTOP_CLOSED,
    FEEDBACK_BROKEN,
    HEATER_ON,
    INTERLOCK_CLOSED,
    LEAK,
    MONITOR_SOUND,
    PRECHARGE_CLOSED,
    SMOKE,
    TIME_WRAP_MS,
    WAKE_KEY,
    Reading,
)

_SCAN_WRAP = 1 << 16

_PATHS: tuple[tuple[Path, int], ...] = (
    ("charge", CHARGE_CLOSED), ("discharge", DISCHARGE_CLOSED), ("precharge", PRECHARGE_CLOSED))


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of the converters; the cell figure is that of the synthetic packs of the estimator tests."""

    cell_mv: float = 0.7
    temperature_dc: float = 0.3
    pack_mv: float = 5.0
    link_mv: float = 10.0
    current_ma: float = 30.0
    second_ma: float = 60.0


@dataclass(slots=True)
class SensorFaults:
    """What is wrong with the instruments. `feedback_stuck` holds path (or "heater") and what it reads for ever.

    Cells and sensors count from 0. `arming_held` and `interlock_open` are inputs that a person or a cover moves.
    """

    scan_frozen: bool = False
    cells_missing: frozenset[int] = frozenset()
    sensors_missing: frozenset[int] = frozenset()
    cell_offset_mv: dict[int, int] = field(default_factory=dict)
    sensor_offset_dc: dict[int, int] = field(default_factory=dict)
    current_offset_ma: int = 0
    current_missing: bool = False
    pack_voltage_missing: bool = False
    link_voltage_missing: bool = False
    feedback_stuck: dict[str, bool] = field(default_factory=dict)
    feedback_broken: bool = False
    interlock_open: bool = False
    arming_held: bool = False
    estop_pressed: bool = False
    smoke: bool = False
    leak: bool = False
    clear_pressed: bool = False
    wake_key: bool = False
    second_offset_ma: int = 0
    supply_mv: int | None = 12_000
    insulation_kohm: int | None = 2_000
    humidity_percent: int | None = 45
    monitor_age: int = 0
    open_wires: int = 0
    short_circuit: bool = False
    monitor_protection: bool = False
    monitor_sound: bool = True


def sensor_cells(cells: int, sensors: int) -> tuple[int, ...]:
    """The cell that each temperature sensor sits on: the first, the last, and evenly between."""
    if sensors == 1:
        return (cells // 2,)
    return tuple(round(index * (cells - 1) / (sensors - 1)) for index in range(sensors))


class Instruments:
    """Measures one plant; each call of `scan` is one completed conversion of all cells and sensors."""

    def __init__(self, plant: PackPlant, seed: str, noise: Noise | None = None) -> None:
        self.faults = SensorFaults()
        self._plant = plant
        self._noise = noise or Noise()
        self._random = random.Random(seed)
        self._places = sensor_cells(len(plant.cells), plant.parameters.temperature_sensors)
        self._scans = 0
        self._cells_mv: list[int] = []
        self._sensors_dc: list[int] = []
        self._convert()

    def scan(self) -> None:
        """Converts cells and sensors once, unless the scan is frozen."""
        if not self.faults.scan_frozen:
            self._scans = (self._scans + 1) % _SCAN_WRAP
            self._convert()

    def _convert(self) -> None:
        plant, noise = self._plant, self._noise
        self._cells_mv = [self._noisy(volts * 1000, noise.cell_mv) for volts in plant.cell_voltages_v()]
        self._sensors_dc = [self._noisy(plant.cells[place].temp_c * 10, noise.temperature_dc)
                            for place in self._places]

    def _noisy(self, value: float, deviation: float) -> int:
        return round(self._random.gauss(value, deviation))

    def reading(self, time_ms: int, charger_present: bool) -> Reading:
        """What the node is told now."""
        plant, noise, faults = self._plant, self._noise, self.faults
        pack_mv = self._noisy(plant.voltage_v * 1000, noise.pack_mv)
        link_mv = self._noisy(plant.bar_v * 1000, noise.link_mv)
        current_ma = self._noisy(plant.current_a * 1000, noise.current_ma) + faults.current_offset_ma
        second_ma = self._noisy(plant.current_a * 1000, noise.second_ma) + faults.second_offset_ma
        return Reading(
            time_ms % TIME_WRAP_MS, self._scans, self._flags(charger_present),
            None if faults.pack_voltage_missing else pack_mv, None if faults.link_voltage_missing else link_mv,
            None if faults.current_missing else current_ma,
            _shown(self._cells_mv, faults.cell_offset_mv, faults.cells_missing),
            _shown(self._sensors_dc, faults.sensor_offset_dc, faults.sensors_missing), second_ma, faults.supply_mv,
            faults.insulation_kohm, faults.humidity_percent, faults.monitor_age, faults.open_wires,
            int(faults.short_circuit) | faults.monitor_protection << 1)

    def _flags(self, charger_present: bool) -> int:
        faults, stuck = self.faults, self.faults.feedback_stuck
        flags = sum(bit for path, bit in _PATHS if stuck.get(path, self._plant.closed(path)))
        flags |= HEATER_ON if stuck.get("heater", self._plant.heater_on) else 0
        flags |= 0 if faults.interlock_open else INTERLOCK_CLOSED
        flags |= ARMING_HELD if faults.arming_held else 0
        flags |= CHARGER_PRESENT if charger_present else 0
        for bit, on in ((ESTOP_CLOSED, not faults.estop_pressed), (SMOKE, faults.smoke), (LEAK, faults.leak),
                        (CLEAR_PRESSED, faults.clear_pressed), (WAKE_KEY, faults.wake_key),
                        (MONITOR_SOUND, faults.monitor_sound)):
            flags |= bit if on else 0
        return flags | (FEEDBACK_BROKEN if faults.feedback_broken else 0)


def _shown(values: list[int], offsets: dict[int, int], missing: frozenset[int]) -> tuple[int | None, ...]:
    return tuple(None if index in missing else value + offsets.get(index, 0) for index, value in enumerate(values))
