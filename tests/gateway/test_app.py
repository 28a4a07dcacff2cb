"""The gateway as a process: its bus, its journal, its socket; started, killed, started again, refused twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from twolbms.journal import Event, Frame, JournalReader, Record, Sample
from twolbms.outlets.local_client import GatewayAbsentError, LocalClient
from voices.bus_adapter import BusAdapter
from voices.listening import hash_of
from voices.node_voice import BusFrame, NodeVoice

WITHIN_S = 20.0
WALL_NS = 1_700_000_000 * 10**9
COMMAND = [sys.executable, "-c", "from twolbms.cli import main; main()"]


@pytest.fixture
def bus() -> Iterator[BusAdapter]:
    with BusAdapter(NodeVoice(hash_of())) as adapter:
        yield adapter


class Home:
    """A folder with a site file and the gateways started in it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        self.write(port)

    def write(self, port: int, more: str = "") -> None:
        (self.folder / "site.yaml").write_text(
            f"site: home\nbuses: [{{name: can0, interface: slcan, channel: 'socket://127.0.0.1:{port}'}}]\n"
            f"packs: [{{name: north, type: lfp_8s_320ah, node: 1, bus: can0, soc: 0.5}}]\n{more}")

    def run(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([*COMMAND, "run", "site.yaml", *arguments], cwd=self.folder, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment})
        self.processes.append(process)
        return process

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*COMMAND, *arguments], cwd=self.folder, text=True, capture_output=True, timeout=60,
                              check=False)

    @property
    def client(self) -> LocalClient:
        return LocalClient(self.folder / "run" / "2lbms.sock")

    def started(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts a gateway and waits until it says where its socket is and has opened it."""
        process = self.run(*arguments, **environment)
        assert process.stderr is not None
        for line in process.stderr:
            if "  socket " in line:
                break
        threading.Thread(target=process.stderr.read, daemon=True).start()
        self.picture(lambda picture: True)
        return process

    def picture(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The first snapshot of a running gateway that is as wanted."""
        while any(process.poll() is None for process in self.processes):
            with contextlib.suppress(GatewayAbsentError):
                for picture in self.client.follow(0.05):
                    if wanted(picture):
                        return picture
        raise AssertionError("no gateway runs")

    def records(self, family: str) -> list[Record]:
        return [record for block in JournalReader(self.folder / "run" / "journal").blocks(family)
                for record in block.records]

    def events(self, *kinds: str) -> list[Event]:
        return [event for event in self.records("event") if isinstance(event, Event) and event.kind in kinds]


@pytest.fixture
def home(tmp_path: Path, bus: BusAdapter) -> Iterator[Home]:
    made = Home(tmp_path, bus.port)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def north(picture: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = picture["packs"]["north"]
    return found


def may_charge(picture: dict[str, Any]) -> bool:
    return bool(north(picture)["allowance"]["charge_a"] > 0)


def end(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> int:
    process.send_signal(number)
    return process.wait(WITHIN_S)


def test_one_whole_life(home: Home, bus: BusAdapter) -> None:
    """It hears, allows, records, beats, ignores SIGHUP, and SIGTERM ends it in good order with everything written."""
    process = home.started()
    picture = home.picture(may_charge)
    assert north(picture)["state"] == "closed"
    assert north(picture)["soc"]["source"] == "site"
    assert (picture["buses"]["can0"]["up"], picture["journal"]["error"]) == (True, None)
    process.send_signal(signal.SIGHUP)
    beats = len(bus.got)
    bus.wait_for(lambda: len(bus.got) > beats + 4)
    assert {frame.can_id for frame in bus.got} == {0x0CFF8080, 0x08FF8101}
    assert end(process) == 0
    assert [event.kind for event in home.records("event") if isinstance(event, Event)][-1] == "gateway_stop"
    assert [event.data["reason"] for event in home.events("gateway_stop")] == ["SIGTERM"]
    assert {record.series.quantity for record in home.records("sample") if isinstance(record, Sample)} >= {
        "cell_voltage_v", "current_a", "soc", "bank_charge_allowed_a", "bus_frames"}
    frames = [record for record in home.records("frame") if isinstance(record, Frame)]
    assert 0x0CFF1001 in {frame.can_id for frame in frames}
    assert not (home.folder / "run" / "2lbms.sock").exists()


def story(wall_offset_ns: int) -> tuple[str, str]:
    """A clock in real time whose wall time is known from the start."""
    return "--clock", f"{60 * 10**9},{time.monotonic_ns()},1.0,{wall_offset_ns}"


def test_killed_and_started_again(home: Home, bus: BusAdapter) -> None:
    """After kill -9 every acknowledged record is there, the gap is recorded and nothing was opened."""
    clock = story(WALL_NS)
    process = home.started(*clock)
    acknowledged: list[list[Any]] = []
    listener = threading.Thread(target=lambda: acknowledged.extend(home.client.acknowledgements()))
    listener.start()
    home.picture(lambda picture: may_charge(picture) and len(acknowledged) > 60)
    process.kill()
    process.wait(WITHIN_S)
    listener.join(WITHIN_S)
    samples = {(record.time_ns - WALL_NS, *record.series, record.value) for record in home.records("sample")
               if isinstance(record, Sample)}
    events = [["event", event.time_ns - WALL_NS, event.kind, event.pack, event.data]
              for event in home.records("event") if isinstance(event, Event)]
    for kind, *content in acknowledged:
        assert tuple(content) in samples if kind == "sample" else ["event", *content] in events

    again = home.started(*clock)
    home.picture(may_charge)
    assert len(home.events("gap")) == 1
    assert [event.data["state"] for event in home.events("node_heard")] == ["closed", "closed"]
    asked = {frame.data[0] & 0x0F for frame in bus.got if frame.can_id == 0x08FF8101}
    assert asked == {3}  # allowances, and neither open (1) nor close (2)
    assert end(again, signal.SIGINT) == 0


def test_a_second_gateway_is_refused(home: Home) -> None:
    """Two writers of one journal cannot be: the second ends with status 2 and says why, the first goes on."""
    first = home.started()
    second = home.run()
    assert second.wait(WITHIN_S) == 2
    assert second.stderr is not None
    assert f"already being written by process {first.pid}" in second.stderr.read()
    assert home.client.snapshot()["site"] == "home"


def test_a_person_asks(home: Home, bus: BusAdapter) -> None:
    """`2lbms ask` reaches the node and prints its answer: 0 accepted, 1 refused with the reason, 2 nobody there."""
    voice = bus.voices[0]

    def answer(frame: BusFrame) -> list[BusFrame]:
        what, number = frame.data[0] & 0x0F, frame.data[0] >> 4 | (frame.data[1] & 0x0F) << 4
        if frame.can_id != 0x08FF8101 or what not in (1, 5):
            return []
        if what == 1:
            voice.open(reason=53)
        return [voice.answer(what, number, 0 if what == 1 else 4)]

    bus.answering = answer
    absent = home.command("ask", "north", "open", "--site", "site.yaml")
    assert (absent.returncode, "no gateway answers" in absent.stderr) == (2, True)
    home.started()
    home.picture(may_charge)
    opened = home.command("ask", "north", "open", "--site", "site.yaml")
    assert (opened.returncode, opened.stdout) == (0, "north open: open\n")
    cleared = home.command("ask", "north", "clear", "--site", "site.yaml", "--json")
    assert cleared.returncode == 1
    assert json.loads(cleared.stdout)["text"] == "refused: this limit can be cleared at the node only"
    nobody = home.command("ask", "south", "open", "--socket", "run/2lbms.sock")
    assert nobody.returncode == 2
    assert "no pack is called 'south'; there is north" in nobody.stderr


def test_a_bus_that_goes_and_comes(home: Home, bus: BusAdapter) -> None:
    """A pulled adapter is an event and an alarm; the bus is opened again and heard again."""
    process = home.started()
    home.picture(may_charge)
    bus.pull()
    home.picture(lambda picture: any(event.kind == "bus_down" for event in home.events("bus_down")))
    home.picture(lambda picture: len(home.events("bus_up")) == 2 and may_charge(picture))
    assert end(process) == 0
    assert [event.kind for event in home.events("bus_up", "bus_down")] == ["bus_up", "bus_down", "bus_up"]


def test_a_database_that_is_not_there_stops_nothing(home: Home, bus: BusAdapter) -> None:
    """With an InfluxDB that does not answer the gateway runs, and says that the outlet waits."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    (home.folder / "token").write_text("secret")
    home.write(bus.port, f"influxdb: {{url: 'http://127.0.0.1:{port}', org: home, token_file: token}}\n")
    process = home.started()
    picture = home.picture(lambda picture: may_charge(picture) and picture["outlets"]["influxdb"]["error"])
    assert picture["outlets"]["influxdb"]["state"] == "waiting"
    assert end(process) == 0


def test_once(home: Home, bus: BusAdapter) -> None:
    """--once prints one whole picture when every pack has been heard, and ends with status 0."""
    process = home.run("--once")
    out, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0
    assert north(json.loads(out))["values"]["pack_voltage_v"]["value"] == pytest.approx(26.4)
    for word in ("site home", "north: lfp_8s_320ah, node 1 on can0", "can0: slcan", "journal", "2lbms.sock"):
        assert word in err


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda text: text.replace("node: 1", "node: 0"), "site.yaml:3"),
    (lambda text: text.replace("lfp_8s_320ah", "lfp_8s_320"), "did you mean"),
])
def test_a_bad_site_file(home: Home, spoil: Callable[[str], str], words: str) -> None:
    """A mistake in the site file ends the start with status 2, naming the place."""
    site = home.folder / "site.yaml"
    site.write_text(spoil(site.read_text()))
    ended = home.command("run", "site.yaml")
    assert ended.returncode == 2
    assert words in ended.stderr


def test_a_bad_clock(home: Home) -> None:
    """A story's clock that is none ends the start with status 2 and says what was expected."""
    ended = home.command("run", "site.yaml", "--clock", "noon")
    assert ended.returncode == 2
    assert "start_mono_ns,host_mono_ns,speed,wall_offset_ns" in ended.stderr


def test_systemd_is_told(home: Home, tmp_path: Path) -> None:
    """systemd hears READY, then WATCHDOG while turns succeed, and STOPPING at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(tmp_path / "notify"))
        notices.settimeout(WITHIN_S)
        process = home.started(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000")
        assert [notices.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        process.terminate()
        while (notice := notices.recv(100)) != b"STOPPING=1":
            assert notice == b"WATCHDOG=1"
        assert process.wait(WITHIN_S) == 0


def test_a_story_runs_in_its_own_time(home: Home) -> None:
    """With a story's clock records carry the story's wall time, and the snapshot says that it is a demonstration."""
    process = home.started(*story(WALL_NS))
    picture = home.picture(may_charge)
    assert picture["clock"] == "demo"
    assert 0 < picture["time_ns"] - WALL_NS - 60 * 10**9 < 60 * 10**9
    assert end(process) == 0
    assert all(event.time_ns >= WALL_NS for event in home.records("event"))
