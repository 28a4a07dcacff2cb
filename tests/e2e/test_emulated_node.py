"""The node's firmware on the emulated Cortex-M3 between a simulated pack and the real gateway."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from twolbms.build.columns import limit_image
from twolbms.build.emulator import Emulator
from twolbms.clock import StoryClock
from twolbms.config.site_packs import load_guarded_pack
from twolbms.demo.setup import Weather, garage_plant
from twolbms.files import data_path
from twolbms.outlets.local_client import GatewayAbsentError, LocalClient
from twolbms.scenario.nodes import emulated_files

NODE = 2
SPEED = 2.0  # story seconds in a second
SNAPSHOTS = 900


@pytest.fixture
def world(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The simulated pack and its bus as a process; where it listens."""
    setup = {"packs": [{"name": "garage", "node": NODE, "parameters": garage_plant(Weather(weak_group=False))}]}
    (tmp_path / "world.json").write_text(json.dumps(setup))
    command = [sys.executable, "-m", "twolbms.sim.world", "--config", str(tmp_path / "world.json"),
               "--clock", StoryClock.begin(SPEED, 3600).text()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.kill()


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """The Leaf pack of a busy machine: a cycle that comes late there says nothing of the node."""
    text = data_path("packs", "leaf_2013_14s.yaml").read_text(encoding="utf-8")
    for old, new in (("pack: leaf_2013_14s", "pack: patient_leaf"),
                     ("warn: 0.149, trip: 0.199, clear: 0.12,", "warn: 8.0, trip: 9.0, clear: 7.0,")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / "patient_leaf.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def gateway(world: dict[str, Any], pack: Path, tmp_path: Path) -> Iterator[LocalClient]:
    """The gateway as a process, on the same bus and clock."""
    (tmp_path / "site.yaml").write_text(
        f"site: home\nbuses: [{{name: can0, interface: slcan, channel: 'socket://127.0.0.1:{world['can']}'}}]\n"
        f"packs: [{{name: garage, type: {pack.name}, node: {NODE}, bus: can0, soc: 0.6}}]\n")
    command = [sys.executable, "-m", "twolbms", "run", "site.yaml", "--clock", world["clock"]]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, env=os.environ) as process:
        yield LocalClient(tmp_path / "run" / "2lbms.sock")
        process.kill()


@pytest.fixture
def node(world: dict[str, Any], pack: Path) -> Iterator[Emulator]:
    """The emulated board, connected to both."""
    files = emulated_files(limit_image(load_guarded_pack(pack)))
    with Emulator(files, plant=f"127.0.0.1:{world['plant']}", bus=f"127.0.0.1:{world['can']}") as board:
        board.start(f"import app; app.run({NODE}, True)")
        yield board


def picture(gateway: LocalClient, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The first snapshot of a running gateway in which the pack is as wanted; at most SNAPSHOTS are looked at."""
    seen: dict[str, Any] = {}
    looked = 0
    while looked < SNAPSHOTS:
        with contextlib.suppress(GatewayAbsentError):
            for snapshot in gateway.follow(0.05):
                seen = snapshot["packs"]["garage"]
                if wanted(seen):
                    return seen
                looked += 1
                if looked == SNAPSHOTS:
                    break
    raise AssertionError((seen["state"], seen["faults"], seen["requests"]))


@pytest.mark.need("qemu")
def test_the_gateway_sees_the_emulated_node_close(gateway: LocalClient, node: Emulator) -> None:
    """Asked for close it precharges and closes; the gateway hears it measured closed, whole, with its limits."""
    picture(gateway, lambda pack: pack["state"] == "open" and pack["requests"]["close_refusal"] is None)
    assert gateway.ask("garage", "close")["text"] == "accepted"
    closed = picture(gateway, lambda pack: set(pack["last_paths"].values()) == {"closed"} and pack["cells_whole"]
                     and pack["info"]["free_heap_bytes"])
    assert (closed["state"], closed["hash_ok"], len(closed["cells_v"])) == ("closed", True, 14)
    assert closed["info"]["free_heap_bytes"] >= 20 * 1024
