"""A gateway process with a shunt on a serial port: heard, unplugged, heard again, and everything on record."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from twolbms.devices.ve_text import BlockParser
from twolbms.journal import Event, JournalReader, Reading, Sample
from twolbms.outlets.local_client import GatewayAbsentError, LocalClient
from twolbms.sim.smart_shunt import SmartShunt

WITHIN_S = 20.0
COMMAND = [sys.executable, "-c", "from twolbms.cli import main; main()"]


class Home:
    """A folder with a site file of one shunt and no pack, and the gateway that runs in it."""

    def __init__(self, folder: Path, port: str) -> None:
        self.folder = folder
        (folder / "site.yaml").write_text(
            "site: cabin\ndevices:\n"
            f"  - {{name: shunt, kind: victron_ve_direct, port: '{port}', max_age_s: 1}}\n")
        self.process = subprocess.Popen([*COMMAND, "run", "site.yaml"], cwd=folder, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def picture(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The first snapshot of the running gateway that is as wanted."""
        client = LocalClient(self.folder / "run" / "2lbms.sock")
        while self.process.poll() is None:
            with contextlib.suppress(GatewayAbsentError):
                for picture in client.follow(0.05):
                    if wanted(picture):
                        return picture
        raise AssertionError("no gateway runs")

    def command(self, *arguments: str) -> str:
        """What a command says of it."""
        done = subprocess.run([*COMMAND, *arguments], cwd=self.folder, text=True, capture_output=True, timeout=60,
                              check=False, env={**os.environ, "COLUMNS": "100", "LINES": "30"})
        return done.stdout + done.stderr

    def records(self, family: str) -> list[Any]:
        return [record for block in JournalReader(self.folder / "run" / "journal").blocks(family)
                for record in block.records]


@pytest.fixture(params=[False, True], ids=["pty", "tcp"])
def shunt(request: pytest.FixtureRequest) -> Iterator[SmartShunt]:
    with SmartShunt(voltage_v=26.5, current_a=-2.5, soc=0.9, tcp=request.param, period_s=0.1) as made:
        yield made


@pytest.fixture
def link(shunt: SmartShunt, tmp_path: Path) -> Path | None:
    """The name under which a serial port is found whatever its number; None for a TCP port."""
    if shunt.path.startswith("socket:"):
        return None
    (tmp_path / "by-id").symlink_to(shunt.path)
    return tmp_path / "by-id"


@pytest.fixture
def home(shunt: SmartShunt, link: Path | None, tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path, str(link or shunt.path))
    yield made
    if made.process.poll() is None:
        made.process.kill()
    made.process.wait()


def value(picture: dict[str, Any], quantity: str) -> float | None:
    found: float | None = picture["devices"]["shunt"]["values"].get(f"shunt_{quantity}", {}).get("value")
    return found


def test_a_shunt_from_plug_to_record(home: Home, shunt: SmartShunt, link: Path | None) -> None:
    """Its values stand in the snapshot; pulled out they become unknown with an alarm; back they are known again."""
    picture = home.picture(lambda each: value(each, "voltage_v") and value(each, "energy_in_kwh"))
    assert {name: value(picture, name) for name in ("voltage_v", "current_a", "power_w", "soc", "time_to_go_s",
                                                    "consumed_ah", "energy_in_kwh", "alarm")} == {
        "voltage_v": 26.5, "current_a": -2.5, "power_w": -66, "soc": 0.9, "time_to_go_s": 172800, "consumed_ah": -32,
        "energy_in_kwh": 0.48, "alarm": 0}
    device = picture["devices"]["shunt"]
    assert (device["state"], device["info"]["firmware"], picture["alarms"]) == ("ok", "4.14", [])
    assert device["values"]["shunt_voltage_v"]["age_s"] < 1

    if link:
        link.unlink()
    shunt.pull()
    picture = home.picture(lambda each: each["devices"]["shunt"]["state"] == "down" and not value(each, "voltage_v"))
    assert value(picture, "soc") is None
    (alarm,) = picture["alarms"]
    assert alarm["text"].startswith("device shunt: its port ") and " is down: " in alarm["text"]
    assert "down" in home.command("why", "--socket", "run/2lbms.sock")

    shunt.voltage_v, shunt.more = 25.0, {"Alarm": "ON", "AR": "1"}
    shunt.plug()
    if link:
        link.symlink_to(shunt.path)
    picture = home.picture(lambda each: value(each, "voltage_v") == 25.0 and value(each, "alarm"))
    assert [each["text"] for each in picture["alarms"]] == ["shunt reports low voltage"]
    home.picture(lambda each: each["devices"]["shunt"]["counts"]["opened"] == 2)
    assert "Shunt: it reports low voltage" in home.command("why", "shunt", "--socket", "run/2lbms.sock")

    home.process.send_signal(signal.SIGTERM)
    assert home.process.wait(WITHIN_S) == 0
    check_records(home)


def check_records(home: Home) -> None:
    readings = [record for record in home.records("reading") if isinstance(record, Reading)]
    assert {reading.source for reading in readings} == {"shunt"}
    assert all(BlockParser().feed(reading.data) for reading in readings)
    samples = [record for record in home.records("sample") if isinstance(record, Sample)]
    assert {26.5, 25.0} <= {sample.value for sample in samples if sample.series == ("shunt_voltage_v", "shunt", None)}
    kinds = [event.kind for event in home.records("event") if isinstance(event, Event)]
    assert [kind for kind in kinds if kind.startswith("device_")] == ["device_up", "device_down", "device_up"]
    assert kinds.count("alarm") == 2


def test_once(home: Home, shunt: SmartShunt, tmp_path: Path) -> None:
    """`--once` waits until the device was heard, prints the picture as JSON and names the device on the way."""
    home.process.kill()
    home.process.wait()
    done = subprocess.run([*COMMAND, "run", "site.yaml", "--once"], cwd=tmp_path, text=True, capture_output=True,
                          timeout=60, check=True)
    picture = json.loads(done.stdout)
    assert picture["packs"] == picture["buses"] == {}
    assert picture["devices"]["shunt"]["state"] == "ok"
    assert "device   shunt: victron_ve_direct on " in done.stderr
