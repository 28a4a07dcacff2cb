"""Buses, packs, devices and outlets from snapshots of a running gateway."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.doctor.conftest import SITE, Sketched
from gateway.outlets.snapshots import house, silent, site
from twolbms.doctor import gateway
from twolbms.doctor.examine import examine
from twolbms.doctor.gateway import Asked, ask_gateway, read_lock
from twolbms.doctor.rules import Finding
from twolbms.doctor.running import check_outlets, check_pack, check_running_bus, check_running_device
from twolbms.doctor.sketch import Sketch
from twolbms.journal import JournalWriter
from twolbms.outlets.local_socket import LocalSocket

Json = dict[str, Any]
DEVICE = SITE + "devices: [{name: shunt, kind: victron_ve_direct, port: /dev/ttyX}]\n"


def snapshot(**changes: Any) -> Json:
    """A site that is called as ours, with one pack that is well."""
    return site(bank=house()) | {"site": "house"} | changes


def asked(first: Json, second: Json | None = None) -> Asked:
    return Asked(first, second or first, True, ())


def bus_of(frames: int, **changes: Any) -> Json:
    return {"buses": {"can0": {"frames": frames, "bad_check": 0, "error": 0, "up": True} | changes}}


def ids(found: Iterator[Finding]) -> list[str]:
    return [finding.id for finding in found]


# --- buses ---

@pytest.mark.parametrize(("first", "second", "expected"), [
    (bus_of(100), bus_of(130), ["bus.good"]),
    (bus_of(100), bus_of(100), ["bus.silent"]),
    (bus_of(9), bus_of(9, up=False, down_because="no such device"), ["bus.down"]),
    (bus_of(9, up=None), bus_of(9, up=None), ["bus.down"]),
    ({"buses": {}}, {"buses": {}}, ["bus.not_watched"]),
    (bus_of(9), bus_of(20, state=3), ["bus.good", "bus.state"]),
    (bus_of(9), bus_of(20, state=0), ["bus.good"]),
    (bus_of(9), bus_of(20, frames_lost=4), ["bus.good", "bus.dropped"]),
    (bus_of(99_000, frames_lost=4), bus_of(99_020, frames_lost=4), ["bus.good"]),
    (bus_of(9_000, frames_lost=40), bus_of(9_020, frames_lost=40), ["bus.good", "bus.dropped"]),
    (bus_of(9), bus_of(9, error=40), ["bus.silent", "bus.errors"]),
    (bus_of(9), bus_of(20, bad_check=3, short=1), ["bus.good", "bus.bad_frames"]),
    (bus_of(9), bus_of(20, load=0.92), ["bus.good", "bus.loaded"]),
])
def test_a_bus_of_the_gateway(first: Json, second: Json, expected: list[str], sketched: Sketched) -> None:
    """Traffic, silence, down, its controller, losses, errors, load: each from the difference of two pictures."""
    found = list(check_running_bus(sketched(SITE).buses[0], asked(snapshot(**first), snapshot(**second)), "site.yaml"))
    assert [finding.id for finding in found] == expected
    assert all(finding.do for finding in found if finding.state in ("bad", "warn"))


def test_an_alarm_of_the_bus(sketched: Sketched) -> None:
    """What the gateway has raised about this bus is told once, and nothing of another bus."""
    alarms = [{"alarm": f"bus_state {name}", "text": f"bus {name}: error passive", "pack": "", "since_ns": 1}
              for name in ("can0", "can1")]
    first, second = snapshot(**bus_of(9), alarms=alarms), snapshot(**bus_of(20, state=2, frames_lost=9), alarms=alarms)
    found = list(check_running_bus(sketched(SITE).buses[0], asked(first, second), "s"))
    assert [finding.id for finding in found] == ["bus.good", "bus.alarm"]
    assert found[1].sentence == "bus can0: error passive"


def test_the_reason_is_told(sketched: Sketched) -> None:
    """The driver's own words stand in the sentence."""
    down = snapshot(**bus_of(0, up=False, down_because="the adapter has gone"))
    (finding,) = check_running_bus(sketched(SITE).buses[0], asked(down), "site.yaml")
    assert finding.sentence == "the gateway cannot use it: the adapter has gone"


# --- packs ---

def alarm(key: str, text: str, pack: str = "bank") -> Json:
    return {"alarms": [{"alarm": key, "text": text, "pack": pack, "since_ns": 1}]}


OVER = {"limit": "cell_over_voltage", "tier": "trip", "latched": True, "text": "cell 3 was 3.70 V"}


@pytest.mark.parametrize(("pack", "more", "expected"), [
    (house(), {}, ["pack.good"]),
    (silent(house(), None), {}, ["pack.never"]),
    (silent(house(), 400.0), {}, ["pack.silent"]),
    (house(hash_ok=False), {}, ["pack.hash"]),
    (house(hash_ok=None), {}, ["pack.hash_unknown"]),
    (house(cells_whole=False), {}, ["pack.cells"]),
    (house(faults=[OVER]), {}, ["pack.fault"]),
    (house(faults=[OVER | {"tier": "warn", "latched": False}]), {}, ["pack.good"]),
    (house(), alarm("twins", "two nodes answer as node 1"), ["pack.twins"]),
    (house(), alarm("protection", "damaged or out of sequence: PackState"), ["pack.protection"]),
    (house(), alarm("twins", "two nodes answer as node 2", "garage"), ["pack.good"]),
])
def test_a_pack(pack: Json, more: Json, expected: list[str], sketched: Sketched) -> None:
    """Heard, silent, other limits, twins, protection, faults: as the gateway says."""
    entry = sketched(SITE).packs[0]
    found = list(check_pack(entry, asked(snapshot(packs={"bank": pack}, **more)), "site.yaml"))
    assert [finding.id for finding in found] == expected
    assert all(finding.do for finding in found if finding.state != "good")


def test_a_pack_nobody_asks_or_knows(sketched: Sketched) -> None:
    """Without a gateway its state is not known; a gateway with another site file does not know it."""
    entry = sketched(SITE).packs[0]
    assert ids(check_pack(entry, Asked(None, None, False, ()), "s")) == ["pack.unasked"]
    assert ids(check_pack(entry, asked(snapshot(packs={})), "s")) == ["pack.not_watched"]


# --- devices and outlets ---

@pytest.mark.parametrize(("device", "expected"), [
    ({"state": "ok", "age_s": 0.4, "trouble": None}, "device.heard"), (None, "device.not_watched"),
    ({"state": "silent", "trouble": "was never heard; nothing comes"}, "device.trouble"),
    ({"state": "starting", "trouble": None}, "device.starting")])
def test_a_device_of_the_gateway(device: Json | None, expected: str, sketched: Sketched) -> None:
    """What the board of devices says of it."""
    picture = snapshot(devices={} if device is None else {"shunt": device})
    assert ids(check_running_device(sketched(DEVICE).devices[0], asked(picture), "s")) == [expected]


@pytest.mark.parametrize(("outlet", "expected", "words"), [
    ({"state": "ok", "lag_s": 0.5}, "outlet.good", "0.5 s behind"),
    ({"state": "ok", "lag_s": 7200.0}, "outlet.behind", "2 hours behind"),
    ({"state": "waiting", "lag_s": 300.0, "error": "connection refused"}, "outlet.waiting", "5 minutes behind"),
    ({"state": "waiting", "lag_s": None, "error": "no wall time"}, "outlet.waiting", "no wall time"),
    ({"state": "refused", "lag_s": 9.0, "error": "401 unauthorized"}, "outlet.refused", "401 unauthorized"),
    ({"state": "stopped", "lag_s": None, "error": None}, "outlet.stopped", "no reason told")])
def test_an_outlet(outlet: Json, expected: str, words: str) -> None:
    """Its state, how far behind, and the last trouble in words."""
    (finding,) = check_outlets(asked(snapshot(outlets={"influxdb": outlet})))
    assert finding.id == expected and words in finding.sentence


# --- the gateway itself ---

@contextmanager
def listening(path: Path, tell: Callable[[], Json]) -> Iterator[None]:
    """A real local socket that tells this."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def nobody(request: Json, by: str) -> Json:
        return {"error": "nobody"}

    async def serve() -> None:
        path.parent.mkdir(exist_ok=True)
        server = LocalSocket(path, tell, nobody)
        await server.start()
        ready.set()
        await stop.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(20)
    yield
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def test_a_gateway_that_answers(sketched: Sketched) -> None:
    """Two pictures are taken; alarms that stand nowhere else are told, others by those they are about."""
    sketch = sketched(SITE)
    alarms = [{"alarm": key, "text": text, "pack": "", "since_ns": 1} for key, text in (
        ("journal", "the journal cannot write: No space left on device"), ("bus can0", "bus can0 is down: x"),
        ("gateway can0", "another gateway speaks on bus can0"), ("strangers can0", "node 9 speaks on bus can0"))]
    with listening(sketch.socket, lambda: snapshot(alarms=alarms, clock="guessed")):
        found = ask_gateway(sketch)
    assert found.held and found.first is not None and found.second is not None
    assert [finding.id for finding in found.findings] == [
        "gateway.good", "gateway.clock", "gateway.alarm", "gateway.another", "gateway.stranger"]


def test_a_gateway_without_a_clock(sketched: Sketched) -> None:
    """In its first minutes a gateway may not know the time; that is no wrong time."""
    sketch = sketched(SITE)
    with listening(sketch.socket, lambda: snapshot(clock="unknown")):
        assert [finding.id for finding in ask_gateway(sketch).findings] == ["gateway.good", "gateway.no_clock"]


def test_an_interface_is_looked_at_beside_the_gateway(sketched: Sketched) -> None:
    """A SocketCAN interface that a gateway holds is not opened, and still told when it is not there."""
    sketch = sketched(SITE.replace("virtual, channel: a", "socketcan, channel: can77"))
    with listening(sketch.socket, lambda: snapshot(**bus_of(9, up=False, down_because="no such device"))):
        report = examine(sketch.file)
    assert [found.id for found in report.sections["buses"]] == ["bus.down", "can.absent"]


def test_a_gateway_of_another_site(sketched: Sketched) -> None:
    """Two sites that share a run folder are told."""
    sketch = sketched(SITE)
    with listening(sketch.socket, lambda: snapshot(site="pool")):
        (finding,) = ask_gateway(sketch).findings
    assert finding.id == "gateway.other_site" and "site pool, not of house" in finding.sentence


def test_no_gateway(sketched: Sketched) -> None:
    """None runs: buses may be opened."""
    found = ask_gateway(sketched(SITE))
    assert not found.held and [finding.id for finding in found.findings] == ["gateway.absent"]


def writer_of(sketch: Sketch) -> JournalWriter:
    sketch.journal_folder.mkdir(parents=True)
    return JournalWriter(sketch.journal_folder, "ab" * 16, now_ns=lambda: 0)


def test_a_gateway_that_hangs(sketched: Sketched) -> None:
    """A process that holds the journal while nobody answers is named, and its buses are left alone."""
    sketch = sketched(SITE)
    writer = writer_of(sketch)
    found = ask_gateway(sketch)
    writer.close()
    assert found.held and [finding.id for finding in found.findings] == ["gateway.hangs"]
    assert "ps -fp" in found.findings[0].do
    assert ask_gateway(sketch).findings[0].id == "gateway.absent"


def test_a_gateway_that_was_killed(sketched: Sketched) -> None:
    """A lock that says "open" and is held by nobody tells of a gateway that ended without closing."""
    sketch = sketched(SITE)
    writer_of(sketch).close()
    lock = sketch.journal_folder / "lock"
    lock.write_text(lock.read_text().replace("closed", "open"))
    assert read_lock(sketch.journal_folder).held is False
    assert [finding.id for finding in ask_gateway(sketch).findings] == ["gateway.died"]


def test_a_socket_that_says_nonsense(sketched: Sketched) -> None:
    """Whatever answers on the socket, nothing is raised, and what it may hold is left alone."""
    sketch = sketched(SITE)
    with listening(sketch.socket, lambda: {"error": "nonsense"}):
        found = ask_gateway(sketch)
    assert found.held and [finding.id for finding in found.findings] == ["gateway.mute"]


def test_a_socket_that_says_nothing(sketched: Sketched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that takes the connection and hangs is told in time."""
    monkeypatch.setattr(gateway, "ANSWER_WITHIN_S", 0.1)
    sketch = sketched(SITE)
    sketch.run.mkdir()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(sketch.socket))
        silent.listen()
        assert [finding.id for finding in ask_gateway(sketch).findings] == ["gateway.mute"]
