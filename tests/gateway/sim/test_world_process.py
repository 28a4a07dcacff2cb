"""The world as a process: ready line, commands, answers, and its end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twolbms.clock import StoryClock
from twolbms.sim.pack_plant import PackParameters
from twolbms.sim.setup import PackSetup
from twolbms.sim.world import World
from twolbms.sim.world_process import answer

SETUP = {"packs": [{"name": "house", "node": 1, "parameters": {"cells": 8, "capacity_ah": 320}}],
         "bus": {"ptys": ["usb"], "named_ports": ["gateway"]}}


class Process:
    """A running world process."""

    def __init__(self, config: Path, *options: str) -> None:
        command = [sys.executable, "-m", "twolbms.sim.world", "--config", str(config), *options]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self) -> Any:
        assert self.child.stdout is not None
        return json.loads(self.child.stdout.readline())

    def ask(self, command: Any) -> Any:
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps(command) + "\n")
        self.child.stdin.flush()
        return self.line()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    config = tmp_path / "world.json"
    config.write_text(json.dumps(SETUP))
    process = Process(config, "--clock", StoryClock.begin(10.0).text())
    yield process
    process.child.kill()
    with process.child:  # closes its pipes and waits
        pass


def test_ready_commands_stop(process: Process) -> None:
    """The process says where it listens, obeys commands, reports, and ends when told to."""
    ready = process.line()
    assert (ready["ready"], list(ready["ptys"]), list(ready["named"])) == (True, ["usb"], ["gateway"])
    assert StoryClock.parse(ready["clock"]).speed == 10.0
    with socket.create_connection(("127.0.0.1", ready["can"]), timeout=10) as client:
        client.sendall(b"V\r")
        assert client.recv(6) == b"V1013\r"
    assert process.ask({"pack": "house", "set": {"ambient_c": -7.5}}) == {"ok": True}
    assert process.ask({"do": "status"})["status"]["packs"]["house"]["ambient_c"] == -7.5
    assert process.ask({"do": "stop"}) == {"ok": True}
    assert process.child.wait(10) == 0


def test_ends_with_its_input(process: Process) -> None:
    """When its input ends the process ends, so that it is never left behind."""
    process.line()
    assert process.child.stdin is not None
    process.child.stdin.close()
    assert process.child.wait(10) == 0


def test_ends_on_sigterm(process: Process) -> None:
    """SIGTERM ends it in good order."""
    process.line()
    process.child.send_signal(signal.SIGTERM)
    assert process.child.wait(10) == 0


def test_refuses_a_bad_setup(tmp_path: Path) -> None:
    """A setup that cannot be used stops the start with the reason and status 2."""
    config = tmp_path / "world.json"
    config.write_text(json.dumps({"packs": 3}))
    done = subprocess.run([sys.executable, "-m", "twolbms.sim.world", "--config", str(config)], capture_output=True,
                          text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "world.json: packs" in done.stderr


@pytest.mark.parametrize(("command", "reason"), [
    ("{", "Expecting"), ("[]", "expected an object"), ('{"do": "dance"}', "expected pack and set"),
    ('{"pack": "garage", "set": {}}', "expected one of house"), ('{"pack": "house", "set": {"x": 1}}', "x: expected"),
    ('{"bus": true, "set": {"x": 1}}', "bus: x"), ('{"client": "can-1", "do": "disconnect"}', "not connected"),
])
def test_refused_commands(command: str, reason: str) -> None:
    """A command that cannot be carried out is answered with its reason."""
    world = World(StoryClock.begin(1.0), [PackSetup("house", 1, PackParameters(cells=8, capacity_ah=320))])
    answered = answer(world, command)
    assert answered["ok"] is False
    assert reason in answered["error"]
