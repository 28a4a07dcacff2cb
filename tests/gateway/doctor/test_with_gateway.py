"""The doctor beside a real gateway process: it is asked, its buses and devices stay its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from twolbms.doctor.examine import Report, examine
from twolbms.outlets.local_client import GatewayAbsentError, LocalClient
from twolbms.sim.smart_shunt import SmartShunt
from voices.bus_adapter import BusAdapter
from voices.listening import hash_of
from voices.node_voice import NodeVoice

SITE = """\
site: home
buses: [{{name: can0, interface: slcan, channel: "socket://127.0.0.1:{port}"}}]
packs: [{{name: north, type: lfp_8s_320ah, node: 1, bus: can0, soc: 0.5}}]
devices: [{{name: shunt, kind: victron_ve_direct, port: "{shunt}"}}]
"""


@contextmanager
def gateway(folder: Path, wanted: Callable[[dict[str, Any]], object]) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway process whose snapshot is as wanted."""
    process = subprocess.Popen([sys.executable, "-m", "twolbms", "run", "site.yaml"], cwd=folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    for line in process.stderr:
        if b"  socket " in line:
            break
    threading.Thread(target=process.stderr.read, daemon=True).start()
    try:
        client = LocalClient(folder / "run" / "2lbms.sock")
        while process.poll() is None:
            with suppress(GatewayAbsentError, StopIteration):
                next(picture for picture in client.follow(0.05) if wanted(picture))
                yield process
                break
        else:
            raise AssertionError("the gateway ended")
    finally:
        process.kill()
        process.communicate()


def heard(picture: dict[str, Any]) -> bool:
    """Both the pack and the shunt are known."""
    north, shunt = picture["packs"]["north"], (picture.get("devices") or {}).get("shunt") or {}
    return bool(north["hash_ok"] and north["cells_whole"] and shunt.get("state") == "ok")


def found(report: Report) -> dict[str, str]:
    return {finding.subject: finding.id for finding in report.findings}


@pytest.fixture
def shunt() -> Iterator[SmartShunt]:
    with SmartShunt(tcp=True, period_s=0.1) as far:
        yield far


def test_beside_a_gateway(tmp_path: Path, shunt: SmartShunt) -> None:
    """Bus, pack and device as the gateway sees them; the adapter notices nothing; then it dies and that is told."""
    with BusAdapter(NodeVoice(hash_of())) as adapter:
        site = tmp_path / "site.yaml"
        site.write_text(SITE.format(port=adapter.port, shunt=shunt.path))
        with gateway(tmp_path, heard):
            before = {path: path.stat().st_ino for path in (tmp_path / "run").rglob("*")}
            report = examine(site)
            ids = [finding.id for finding in report.findings]
            assert "gateway.good" in ids and "gateway.alarm" not in ids
            assert {"bus can0": "bus.good", "pack north": "pack.good",
                    "device shunt": "device.heard"}.items() <= found(report).items()
            assert {path: path.stat().st_ino for path in before} == before
            assert report.count("bad") == 0, [finding for finding in report.findings if finding.state == "bad"]
        after = found(examine(site))
    assert after["gateway"] == "gateway.died"
    assert (after["bus can0"], after["device shunt"]) == ("slcan.good", "device.good")


def test_a_node_that_falls_silent(tmp_path: Path, shunt: SmartShunt) -> None:
    """The adapter is pulled under a running gateway: the bus is down, with the driver's reason."""
    adapter = BusAdapter(NodeVoice(hash_of()))
    with adapter:
        (tmp_path / "site.yaml").write_text(SITE.format(port=adapter.port, shunt=shunt.path))
        with gateway(tmp_path, heard):
            adapter.__exit__(None, None, None)
            client = LocalClient(tmp_path / "run" / "2lbms.sock")
            next(picture for picture in client.follow(0.05) if picture["buses"]["can0"]["up"] is False)
            report = examine(tmp_path / "site.yaml")
    told = found(report)
    assert told["bus can0"] == "bus.down" and told["device shunt"] == "device.heard"
