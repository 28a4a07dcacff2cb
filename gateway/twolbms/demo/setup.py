"""What the demonstration consists of: two packs on simulated plants, their nodes, a site file and its places.

Writes the files that the parts are started with. Knows no process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twolbms.clock import StoryClock

HOUSE, GARAGE = "house", "garage"
SITE = "demo"
WEAK_GROUP = 9
"""Counted from 1, as people do."""


@dataclass(frozen=True, slots=True)
class DemoPack:
    """One pack of the demonstration."""

    name: str
    type: str
    node: int
    soc: float


PACKS = (DemoPack(HOUSE, "lfp_8s_320ah", 1, 0.55), DemoPack(GARAGE, "leaf_2013_14s", 2, 0.655))


@dataclass(frozen=True, slots=True)
class Weather:
    """What is wrong in this demonstration: a weak group of cells in the garage, a cold morning in the house."""

    weak_group: bool = True
    cold: bool = True


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything of one demonstration lies. `run` is short-lived: a socket's path may not be long."""

    folder: Path
    run: Path

    @property
    def site(self) -> Path:
        """The site file."""
        return self.folder / "site.yaml"

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return self.folder / "journal"

    @property
    def socket(self) -> Path:
        """The gateway's local socket."""
        return self.run / "2lbms.sock"

    @property
    def world(self) -> Path:
        """The setup of the simulated world."""
        return self.folder / "world.json"

    def log(self, part: str) -> Path:
        """Where a part's messages go."""
        return self.folder / "logs" / f"{part}.log"

    def make(self) -> None:
        """Makes the folders."""
        self.log("").parent.mkdir(parents=True, exist_ok=True)
        self.run.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the world listens; 0 = any free port."""

    can: int = 0
    plant: int = 0


def house_plant(weather: Weather) -> dict[str, Any]:
    """Eight 320 Ah LiFePO4 cells with a heater; on a cold morning below 0 degC, and no warmer outside."""
    return {"cells": 8, "capacity_ah": 320.0, "chemistry": "lfp", "initial_soc": PACKS[0].soc, "outputs": "fets",
            "ambient_c": -6.0 if weather.cold else 15.0, "initial_temp_c": -1.2 if weather.cold else 15.0,
            "heater_w": 300.0, "temperature_sensors": 4, "precharge_ohm": 22.0}


def garage_plant(weather: Weather) -> dict[str, Any]:
    """Fourteen groups of used Leaf cells; the weak one holds less and has four times the resistance."""
    plant = {"cells": 14, "capacity_ah": 61.0, "chemistry": "leaf_lmo", "initial_soc": PACKS[1].soc,
             "outputs": "common", "ambient_c": 18.0, "temperature_sensors": 4, "precharge_ohm": 47.0}
    if weather.weak_group:
        factors = [1.0] * 14
        factors[WEAK_GROUP - 1] = 4.0
        plant |= {"weak_cell": WEAK_GROUP - 1, "weak_capacity_factor": 0.75, "resistance_factors": factors}
    return plant


def write_world(places: Places, clock: StoryClock, weather: Weather, ports: Ports) -> None:
    """The setup of the simulated world."""
    plants = {HOUSE: house_plant(weather), GARAGE: garage_plant(weather)}
    packs = [{"name": pack.name, "node": pack.node, "parameters": plants[pack.name]} for pack in PACKS]
    setup = {"packs": packs, "bus": {"port": ports.can}, "plant_port": ports.plant, "clock": clock.text()}
    places.world.write_text(json.dumps(setup, indent=1))


def write_site(places: Places, can_port: int, influx: str = "") -> None:
    """The site file of the gateway; `influx` is a section of its own."""
    lines = [
        "# Written by `2lbms demo`.", f"site: {SITE}", f"run: {json.dumps(str(places.run))}",
        f"journal: {{folder: {json.dumps(str(places.journal))}}}",
        f"buses: [{{name: can0, interface: slcan, channel: \"socket://127.0.0.1:{can_port}\"}}]", "packs:",
        *(f"  - {{name: {pack.name}, type: {pack.type}, node: {pack.node}, bus: can0, soc: {pack.soc}}}"
          for pack in PACKS)]
    places.site.write_text("\n".join(lines) + "\n" + influx)


def with_ports(ready: dict[str, Any]) -> Ports:
    """The ports of the line with which a world says that it is ready."""
    return replace(Ports(), can=int(ready["can"]), plant=int(ready["plant"]))
