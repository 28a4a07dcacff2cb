"""The files that the demonstration's parts are started with are right, wherever they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.clock import StoryClock
from twolbms.config.site_packs import load_site_and_packs
from twolbms.demo.setup import PACKS, WEAK_GROUP, Places, Ports, Weather, garage_plant, write_site, write_world
from twolbms.sim.setup import load_setup


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A folder whose path has a space, a quote and an umlaut."""
    made = Places(tmp_path / 'a "kept" földer', tmp_path / "run")
    made.make()
    return made


def test_the_site_file_is_right(places: Places) -> None:
    """The gateway accepts the site file, with both packs, its journal and its socket where they were meant to be."""
    write_site(places, 4711)
    site, types = load_site_and_packs(places.site)
    assert {name: kind.pack for name, kind in types.items()} == {pack.name: pack.type for pack in PACKS}
    assert (site.journal_folder, site.socket) == (places.journal, places.socket)
    assert site.buses[0].channel == "socket://127.0.0.1:4711"


def test_a_database_is_a_section_of_it(places: Places) -> None:
    """With a database the site file has its section too."""
    write_site(places, 4711, 'influxdb: {url: "http://127.0.0.1:1", org: demo, bucket: bms, token_file: t}\n')
    site, _ = load_site_and_packs(places.site)
    assert site.influxdb is not None and site.influxdb.org == "demo"


def test_the_world_is_right(places: Places) -> None:
    """The simulated world accepts its setup; cells and sensors are those that the packs' own files name."""
    clock = StoryClock(1, 2, 3.0, 4)
    write_world(places, clock, Weather(), Ports(5000, 5001))
    write_site(places, 4711)
    setup, (_, types) = load_setup(places.world), load_site_and_packs(places.site)
    assert (setup.clock, setup.bus.port, setup.plant_port) == (clock.text(), 5000, 5001)
    for pack in setup.packs:
        kind = types[pack.name]
        assert (pack.parameters.cells, pack.parameters.capacity_ah, pack.parameters.temperature_sensors,
                pack.parameters.outputs) == (
            kind.cells.series, kind.cells.capacity_ah, len(kind.sensors.temperatures), kind.outputs)
        assert pack.parameters.chemistry == kind.chemistry


def test_taking_the_weak_group_away() -> None:
    """Without it all groups are alike, with it exactly one is not."""
    factors = garage_plant(Weather())["resistance_factors"]
    assert [number for number, factor in enumerate(factors, 1) if factor != 1.0] == [WEAK_GROUP]
    assert not garage_plant(Weather(weak_group=False)).keys() & {"weak_cell", "resistance_factors"}
