"""SocketCanBus on a kernel with CAN. Not collected by itself: tests/uml/test_socketcan.py boots a guest for it."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from twolbms.clock import SystemClock
from twolbms.sources.can import CanSource, Received, open_bus
from twolbms.sources.can_frames import pack
from twolbms.sources.can_link import can_link
from twolbms.sources.socketcan import SocketCanBus, open_socketcan
from twolbms.wire import BusFrame
from voices.listening import hash_of
from voices.node_voice import NodeVoice
from voices.waiting import PATIENCE_S, Listener

CLOCK = SystemClock()
ERROR, REMOTE = 0x20000000, 0x40000000
_SO_RXQ_OVFL, _TIOCSETD, _N_SLCAN = 40, 0x5423, 17


def ip(*words: str) -> None:
    subprocess.run(["ip", "link", *words], check=True, capture_output=True, text=True)


def make_vcan(name: str) -> None:
    """A virtual interface that takes CAN FD; in one call, for a process takes its time in the guest."""
    words = f"link add dev {name} type vcan\nlink set {name} mtu 72\nlink set {name} up\n"
    subprocess.run(["ip", "-batch", "-"], input=words, check=True, capture_output=True, text=True)


@pytest.fixture
def vcan0() -> str:
    """The interface of all cases; one that a case left down or away is made anew."""
    if not Path("/sys/class/net/vcan0").exists():
        make_vcan("vcan0")
    elif not can_link("vcan0").up:
        ip("set", "vcan0", "up")
    return "vcan0"


@pytest.fixture
def bus(vcan0: str) -> Iterator[SocketCanBus]:
    opened = open_socketcan("can0", vcan0, CLOCK)
    yield opened
    opened.close()


@pytest.fixture
def neighbour(vcan0: str) -> Iterator[socket.socket]:
    """Another program's socket on the same interface."""
    with socket.socket(socket.PF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as sock:
        sock.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FD_FRAMES, 1)
        sock.bind((vcan0,))
        sock.settimeout(PATIENCE_S)
        yield sock


def read(bus: SocketCanBus, count: int) -> list[Received]:
    found: list[Received] = []
    until = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < until:
        found += bus.read(0.2)
    return found


def test_frames_of_two_nodes(bus: SocketCanBus, neighbour: socket.socket) -> None:
    """Every frame of two nodes comes once and as it was sent, and their order is kept."""
    sent = [frame for _ in range(30) for voice in (NodeVoice(hash_of(), 1), NodeVoice(hash_of(), 2))
            for frame in voice.cycle()]
    for frame in sent:
        neighbour.send(pack(frame.can_id, frame.extended, frame.data))
    assert [frame for frame, _ in read(bus, len(sent))] == sent
    assert bus.counts()["dropped"] == 0


def test_sending(bus: SocketCanBus, neighbour: socket.socket) -> None:
    """Standard, extended and CAN FD frames that we send arrive at a neighbour, and do not come back to us."""
    bus.send(BusFrame("can0", 0x123, False, b"\1\2\3"), 0.5)
    bus.send(BusFrame("can0", 0x0CFF8080, True, bytes(range(8))), 0.5)
    bus.send(BusFrame("can0", 0x0CFF8080, True, bytes(range(48))), 0.5)
    first, second, third = (neighbour.recv(100) for _ in range(3))
    assert struct.unpack("=IB3x8s", first) == (0x123, 3, b"\1\2\3\0\0\0\0\0")
    assert struct.unpack("=IB3x8s", second) == (0x8CFF8080, 8, bytes(range(8)))
    assert (len(third), third[4], third[8:56]) == (72, 48, bytes(range(48)))
    assert bus.read(0.1) == []


def test_lengths_of_can_fd(bus: SocketCanBus, neighbour: socket.socket) -> None:
    """CAN FD frames of every length come whole, between classic ones, and are counted."""
    lengths = [8, 12, 16, 20, 24, 32, 48, 64, 0]
    for length in lengths:
        neighbour.send(pack(length, False, bytes(range(length))))
    assert [frame.data for frame, _ in read(bus, 9)] == [bytes(range(length)) for length in lengths]
    assert bus.counts()["fd"] == 7


def test_remote_frames(bus: SocketCanBus, neighbour: socket.socket) -> None:
    """A remote frame is counted and not handed over."""
    neighbour.send(struct.pack("=IB3x8s", 5 | REMOTE, 8, b""))
    neighbour.send(pack(6, False, b""))
    assert [frame.can_id for frame, _ in read(bus, 1)] == [6]
    assert bus.counts()["remote"] == 1


def test_time_stamps(bus: SocketCanBus, neighbour: socket.socket) -> None:
    """A frame's time is that of its coming, within a millisecond, however late it is read."""
    spans = []
    for number in range(20):
        before = CLOCK.mono_ns()
        neighbour.send(pack(number, False, b""))
        spans.append((before, CLOCK.mono_ns()))
        time.sleep(0.01)
    times = [time_ns for _, time_ns in read(bus, 20)]
    for (before, after), time_ns in zip(spans, times, strict=True):
        assert before - 1_000_000 <= time_ns <= after + 1_000_000
    assert times == sorted(times)


def test_a_stepped_clock(bus: SocketCanBus, neighbour: socket.socket) -> None:
    """When wall time is set an hour forth or back, frames keep times near their coming, and later ones are exact."""
    for step_s in (3600, -3600):
        neighbour.send(pack(1, False, b""))
        before = CLOCK.mono_ns() - 1_000_000
        time.clock_settime(time.CLOCK_REALTIME, time.time() + step_s)
        ((_, stepped),) = read(bus, 1)
        assert before <= stepped <= CLOCK.mono_ns()
        before = CLOCK.mono_ns()
        neighbour.send(pack(2, False, b""))
        after = CLOCK.mono_ns()
        time.sleep(0.05)
        ((_, later),) = read(bus, 1)
        assert before - 1_000_000 <= later <= after + 1_000_000


def test_the_buffer_holds_seconds(bus: SocketCanBus, neighbour: socket.socket) -> None:
    """The buffer that root gets holds 2.4 s of a full 500 kbit/s bus (10,922 frames) for a reader that pauses."""
    assert bus.counts()["buffer_bytes"] == 8 << 20  # the kernel doubles what it was asked for
    for number in range(12_000):
        neighbour.send(pack(number & 0x7FF, False, bytes(8)))
    dropped = bus.counts()["dropped"]
    assert len(read(bus, 12_000 - dropped)) + dropped == 12_000
    assert 10_900 <= 12_000 - dropped <= 10_950


def test_drops_are_counted_exactly(vcan0: str, neighbour: socket.socket) -> None:
    """A flood during a pause of the reader: what came and what was dropped are what was sent, at any moment."""
    bus = open_socketcan("can0", vcan0, CLOCK)
    bus._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    came = 0
    for flood in range(1, 4):
        for number in range(2000):
            neighbour.send(pack(number & 0x7FF, False, bytes(8)))
        dropped = bus.counts()["dropped"]
        while found := bus.read(0.05):
            came += len(found)
        assert came + dropped == 2000 * flood
        assert dropped > 1000 * flood
    bus.close()


def test_the_count_is_that_of_the_kernels_messages(vcan0: str, neighbour: socket.socket) -> None:
    """The count is the one that SO_RXQ_OVFL puts beside the next frame that is read."""
    bus = open_socketcan("can0", vcan0, CLOCK)
    bus._socket.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
    bus._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for number in range(100):
        neighbour.send(pack(number, False, b""))
    dropped = bus.counts()["dropped"]
    while bus.read(0.05):
        pass
    neighbour.send(pack(1, False, b""))
    bus._readable.poll(1000)
    _, control, _, _ = bus._socket.recvmsg(16, 128)
    said = [struct.unpack("=I", data)[0] for level, kind, data in control if kind == _SO_RXQ_OVFL]
    assert said == [dropped]
    bus.close()


def test_error_frames(bus: SocketCanBus, neighbour: socket.socket) -> None:
    """Error frames, as a controller's driver gives them, are counted by kind and tell the state; data frames go on."""
    for error_id, detail in ((0x04, 0x08), (0x04, 0x20), (0x20, 0), (0x04, 0x01), (0x40, 0), (0x100, 0)):
        neighbour.send(struct.pack("=IB3x8s", ERROR | error_id, 8, bytes((0, detail))))
    neighbour.send(pack(7, False, b""))
    assert [frame.can_id for frame, _ in read(bus, 1)] == [7]
    counts = bus.counts()
    assert counts["state"] == 0
    names = ("error", "warning", "passive", "no_ack", "overflow", "bus_off", "restarted")
    assert [counts[name] for name in names] == [6, 1, 1, 1, 1, 1, 1]


class Watched(Listener[Received]):
    """A source on vcan0 and what it told."""

    def __init__(self, opening: Callable[[], SocketCanBus]) -> None:
        super().__init__()
        self.source = CanSource("can0", opening, CLOCK, self.deliver, self.changed)
        self.source.start()


def send_on(interface: str, can_id: int) -> None:
    with socket.socket(socket.PF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as sock:
        sock.bind((interface,))
        sock.send(pack(can_id, False, b""))


def test_down_and_up_again(vcan0: str) -> None:
    """An interface set down is told with what to type, is not told up before it is, and is heard again by itself."""
    watched = Watched(lambda: open_socketcan("can0", vcan0, CLOCK))
    watched.wait(lambda: watched.states)
    send_on(vcan0, 1)
    watched.wait(lambda: len(watched.heard) == 1)
    ip("set", vcan0, "down")
    watched.wait(lambda: len(watched.states) == 3)
    assert [up for up, _ in watched.states] == [True, False, False]
    assert watched.states[1][1] == "the interface was set down: type `sudo ip link set vcan0 up`"
    assert watched.states[2][1] == "the interface vcan0 is down: type `sudo ip link set vcan0 up`"
    ip("set", vcan0, "up")
    watched.wait(lambda: watched.states[-1][0])
    send_on(vcan0, 2)
    watched.wait(lambda: len(watched.heard) == 2)
    assert watched.source.stop()


def test_gone_and_there_again(vcan0: str) -> None:
    """An interface that vanishes, as a USB adapter's does, and comes again is heard again by itself."""
    watched = Watched(lambda: open_socketcan("can0", vcan0, CLOCK))
    watched.wait(lambda: watched.states)
    ip("del", vcan0)
    watched.wait(lambda: len(watched.states) == 3)
    assert str(watched.states[2][1]).startswith("there is no interface vcan0: is the adapter plugged in")
    make_vcan(vcan0)
    watched.wait(lambda: watched.states[-1][0])
    send_on(vcan0, 2)
    watched.wait(lambda: len(watched.heard) == 1)
    assert watched.source.counts()["opened"] == 2
    assert watched.source.stop()


class Stick:
    """An slcan adapter under the kernel's own driver: an interface with bit rate and controller state."""

    def __init__(self) -> None:
        self.near, self.far = os.openpty()
        tty.setraw(self.near)
        tty.setraw(self.far)
        before = set(os.listdir("/sys/class/net"))
        fcntl.ioctl(self.far, _TIOCSETD, struct.pack("i", _N_SLCAN))
        (self.name,) = set(os.listdir("/sys/class/net")) - before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._swallow)  # the driver waits until its commands have gone
        self._thread.start()

    def _swallow(self) -> None:
        while not self._stop.is_set():
            if select.select([self.near], [], [], 0.05)[0]:
                os.read(self.near, 4096)

    def say(self, text: bytes) -> None:
        os.write(self.near, text)

    def pull(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self.near)
        os.close(self.far)


@pytest.fixture
def stick() -> Iterator[Stick]:
    plugged = Stick()
    ip("set", plugged.name, "type", "can", "bitrate", "250000")
    ip("set", plugged.name, "up")
    yield plugged
    plugged.pull()


def test_a_controller_of_the_kernels(stick: Stick) -> None:
    """Bit rate and state come from the driver; its error frames change the state; bus-off without restart-ms is told
    with what to type, also to who opens it then."""
    link = can_link(stick.name)
    assert (link.is_can, link.up, link.bitrate, link.state, link.restart_ms) == (True, True, 250_000, 0, 0)
    bus = open_socketcan("can0", stick.name, CLOCK)
    assert (bus.counts()["state"], bus.counts()["bitrate"]) == (0, 250_000)
    stick.say(b"t1232AABB\rsw100000\rsp130000\rt12300\r")
    assert [frame.data for frame, _ in read(bus, 2)] == [b"\xaa\xbb", b""]
    assert [bus.counts()[name] for name in ("warning", "passive", "state")] == [1, 1, 2]
    stick.say(b"sb000255\r")
    typed = f"ip link set {stick.name} up type can bitrate 250000 restart-ms 100"
    with pytest.raises(OSError, match=typed):
        for _ in range(100):
            bus.read(0.1)
    assert (bus.counts()["bus_off"], bus.counts()["state"]) == (1, 3)
    bus.close()
    with pytest.raises(OSError, match=typed):
        open_socketcan("can0", stick.name, CLOCK)


def test_a_controller_that_is_down(stick: Stick) -> None:
    """The words for a controller's interface hold its bit rate; sending to a full queue is an error, not the end."""
    ip("set", stick.name, "down")
    with pytest.raises(OSError, match=f"ip link set {stick.name} up type can bitrate 250000 restart-ms 100"):
        open_bus("can0", "socketcan", stick.name, 250_000, CLOCK)


SITE = """site: home
buses: [{name: can0, interface: socketcan, channel: vcan0}]
packs: [{name: north, type: lfp_8s_320ah, node: 1, bus: can0, soc: 0.5}]
"""


def test_the_gateway_on_a_kernels_bus(vcan0: str, neighbour: socket.socket, tmp_path: Path) -> None:
    """`2lbms run` on vcan0 hears a node whole, allows it current, and its heartbeat and requests are on the bus."""
    (tmp_path / "site.yaml").write_text(SITE)
    command = [sys.executable, "-c", "from twolbms.cli import main; main()", "run", "site.yaml", "--once"]
    gateway = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    voice = NodeVoice(hash_of())
    voice.cycle_number = 97  # NodeInfo, due each 10 s, is due soon
    heard: set[int] = set()
    neighbour.settimeout(0)
    until = time.monotonic() + 60
    while gateway.poll() is None and time.monotonic() < until:
        for frame in voice.cycle():
            neighbour.send(pack(frame.can_id, frame.extended, frame.data))
        time.sleep(0.1)
        while select.select([neighbour], [], [], 0)[0]:
            heard.add(int.from_bytes(neighbour.recv(72)[:4], "little") & 0x1FFFFFFF)
    if gateway.poll() is None:
        gateway.send_signal(signal.SIGKILL)
    said, errors = gateway.communicate()
    assert gateway.returncode == 0, errors
    picture = json.loads(said)
    assert picture["packs"]["north"]["state"] == "closed"
    assert picture["buses"]["can0"]["up"] is True
    assert picture["buses"]["can0"]["frames"] > 20
    assert 0x0CFF8080 in heard
