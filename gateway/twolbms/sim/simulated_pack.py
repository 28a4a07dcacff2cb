"""One simulated pack with everything around it: plant, instruments, bars; and the table of what a story may set.

A row of the table is a key of `inject` and of the JSON commands. Cells and sensors count from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twolbms.sim.link import Link
from twolbms.sim.pack_plant import ALL_OFF, Outputs, PackPlant
from twolbms.sim.plant_packets import CHARGE_CLOSED, DISCHARGE_CLOSED, HEATER_ON, PRECHARGE_CLOSED, Output
from twolbms.sim.profile import Profile
from twolbms.sim.readings import Instruments
from twolbms.sim.setup import PackSetup

_PATHS = ("charge", "discharge", "precharge")


class SimulatedPack:
    """The plant's end of one node's line."""

    def __init__(self, setup: PackSetup, link: Link, seed: int) -> None:
        self.name = setup.name
        self.node = setup.node
        self.plant = PackPlant(setup.parameters)
        self.instruments = Instruments(self.plant, f"{seed}/{setup.node}")
        self.link = link
        self.cell_count = setup.parameters.cells
        self.sensor_count = setup.parameters.temperature_sensors
        link.packs.append(self.plant)

    def command(self, output: Output) -> None:
        """Takes what the node commands; it acts from the next step on."""
        bits = output.outputs
        self.plant.outputs = Outputs(
            bool(bits & CHARGE_CLOSED), bool(bits & DISCHARGE_CLOSED), bool(bits & PRECHARGE_CLOSED),
            bool(bits & HEATER_ON), int.from_bytes(output.balancing, "little"))

    def drop_out(self) -> None:
        """All outputs off."""
        self.plant.outputs = ALL_OFF

    def measure(self, now_s: float) -> bytes:
        """The READING packet of a story time."""
        return self.instruments.reading(round(now_s * 1000), self.link.charger_on).packet()

    def set(self, changes: Mapping[str, Any], now_s: float) -> None:
        """Changes what the table knows, in order; ValueError names the key or value that it does not take."""
        unknown = [key for key in changes if key not in SETTINGS]
        if unknown:
            raise ValueError(f"pack {self.name}: {', '.join(unknown)}: expected one of {', '.join(SETTINGS)}")
        for key, value in changes.items():
            try:
                SETTINGS[key](self, value, now_s)
            except (TypeError, AttributeError, KeyError) as error:
                raise ValueError(f"pack {self.name}: {key}: {value!r} is not of its kind") from error
            except ValueError as error:
                raise ValueError(f"pack {self.name}: {key}: {error}") from error


def read_profile(value: Any) -> Profile:
    """A profile of a number (A), a list of [seconds, A], or {"steps": that list, "repeat_s": seconds}."""
    if isinstance(value, Profile):
        return value
    if isinstance(value, Mapping):
        return Profile(value["steps"], value.get("repeat_s"))
    return Profile.constant(value) if isinstance(value, int | float) else Profile(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r}: expected a number")
    return float(value)


def _number_or_none(value: Any) -> float | None:
    return None if value is None else _number(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r}: expected true or false")
    return value


def _places(value: Any, count: int) -> frozenset[int]:
    places = frozenset(int(each) for each in value)
    if not all(0 <= place < count for place in places):
        raise ValueError(f"{sorted(places)}: expected 0 to {count - 1}")
    return places


def _by_place(value: Any, count: int) -> dict[int, float]:
    # JSON has text keys only.
    found = {int(place): _number(number) for place, number in value.items()}
    _places(found, count)
    return found


def _names(value: Any, allowed: tuple[str, ...]) -> frozenset[str]:
    names = frozenset(value)
    if not names <= set(allowed):
        raise ValueError(f"{sorted(names)}: expected {', '.join(allowed)}")
    return names


def _set_soc(pack: SimulatedPack, value: Any) -> None:
    count = pack.cell_count
    by_cell = _by_place(value, count) if isinstance(value, Mapping) else dict.fromkeys(range(count), _number(value))
    for index, soc in by_cell.items():
        pack.plant.cells[index].place(soc=soc)


def _set_temperature(pack: SimulatedPack, value: Any) -> None:
    temp_c = _number(value)
    for cell in pack.plant.cells:
        cell.place(temp_c=temp_c)


def _set_stuck(pack: SimulatedPack, value: Any) -> None:
    _names(value, (*_PATHS, "heater"))
    pack.instruments.faults.feedback_stuck = {name: _flag(reads) for name, reads in value.items()}


def _whole(numbers: Mapping[int, float]) -> dict[int, int]:
    return {place: round(number) for place, number in numbers.items()}


Setting = Callable[[SimulatedPack, Any, float], None]


def _on_link(attribute: str, read: Callable[[Any], Any]) -> Setting:
    return lambda pack, value, now_s: setattr(pack.link, attribute, read(value))


def _on_plant(attribute: str, read: Callable[[Any], Any]) -> Setting:
    return lambda pack, value, now_s: setattr(pack.plant, attribute, read(value))


def _on_faults(attribute: str, read: Callable[[Any, SimulatedPack], Any]) -> Setting:
    return lambda pack, value, now_s: setattr(pack.instruments.faults, attribute, read(value, pack))


SETTINGS: dict[str, Setting] = {
    "profile": lambda pack, value, now_s: pack.link.ask(read_profile(value), now_s),
    "charge_allowed_a": _on_link("charge_allowed_a", _number_or_none),
    "discharge_allowed_a": _on_link("discharge_allowed_a", _number_or_none),
    "obeys": _on_link("obeys", _flag),
    "charger_v": _on_link("charger_v", _number),
    "charger_present": _on_link("charger_present", lambda value: None if value is None else _flag(value)),
    "ambient_c": _on_plant("ambient_c", _number),
    "soc": lambda pack, value, now_s: _set_soc(pack, value),
    "temp_c": lambda pack, value, now_s: _set_temperature(pack, value),
    "welded": _on_plant("welded", lambda value: _names(value, _PATHS)),
    "stuck_open": _on_plant("stuck_open", lambda value: _names(value, _PATHS)),
    "heater_welded": _on_plant("heater_welded", _flag),
    "scan_frozen": _on_faults("scan_frozen", lambda value, pack: _flag(value)),
    "cells_missing": _on_faults("cells_missing", lambda value, pack: _places(value, pack.cell_count)),
    "sensors_missing": _on_faults("sensors_missing", lambda value, pack: _places(value, pack.sensor_count)),
    "cell_offset_mv": _on_faults("cell_offset_mv", lambda value, pack: _whole(_by_place(value, pack.cell_count))),
    "sensor_offset_dc": _on_faults("sensor_offset_dc", lambda value, pack: _whole(_by_place(value, pack.sensor_count))),
    "current_offset_ma": _on_faults("current_offset_ma", lambda value, pack: round(_number(value))),
    "current_missing": _on_faults("current_missing", lambda value, pack: _flag(value)),
    "pack_voltage_missing": _on_faults("pack_voltage_missing", lambda value, pack: _flag(value)),
    "link_voltage_missing": _on_faults("link_voltage_missing", lambda value, pack: _flag(value)),
    "feedback_stuck": lambda pack, value, now_s: _set_stuck(pack, value),
    "feedback_broken": _on_faults("feedback_broken", lambda value, pack: _flag(value)),
    "interlock_open": _on_faults("interlock_open", lambda value, pack: _flag(value)),
    "arming_held": _on_faults("arming_held", lambda value, pack: _flag(value)),
}
