"""SocketCanBus where the kernel may have no CAN: the same frames as datagrams of a loopback socket, stamps and all.

What only a CAN interface can show is in tests/uml.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twolbms.clock import StoryClock, SystemClock
from twolbms.sources import batch_receive
from twolbms.sources.can import Received, open_bus
from twolbms.sources.can_frames import FD_BYTES, pack
from twolbms.sources.can_link import CanLink
from twolbms.sources.socketcan import SocketCanBus
from twolbms.wire import BusFrame

CLOCK = SystemClock(boot_id="0" * 32)
CLASSIC, ERROR = struct.Struct("=IB3x8s"), 0x20000000
PATIENCE_S = 5.0


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        yield sock


@pytest.fixture(params=["recvmmsg", "recvmsg"])
def bus(request: pytest.FixtureRequest, sender: socket.socket, monkeypatch: pytest.MonkeyPatch) -> SocketCanBus:
    """A bus on datagrams, once each way of receiving them."""
    if request.param == "recvmsg":
        monkeypatch.setattr(batch_receive.struct, "calcsize", lambda layout: 4)
    opened = bus_on(sender)
    monkeypatch.undo()
    request.addfinalizer(opened.close)
    return opened


def bus_on(sender: socket.socket, clock: SystemClock | StoryClock = CLOCK, fd: bool = False) -> SocketCanBus:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    sender.connect(receiver.getsockname())
    return SocketCanBus("can0", receiver, clock, fd=fd)


def read(bus: SocketCanBus, count: int) -> list[Received]:
    found: list[Received] = []
    until = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < until:
        found += bus.read(0.1)
    return found


def wait_for_stamps(bus: SocketCanBus, sender: socket.socket) -> None:
    """The kernel begins to stamp some time after the first socket asked for it; until then it stamps what is read."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        sender.send(pack(1, False, b""))
        sent = CLOCK.mono_ns()
        time.sleep(0.005)
        if read(bus, 1)[0][1] < sent + 1_000_000:
            return
    raise AssertionError("this kernel stamps no datagram")


def test_frames_and_their_times(bus: SocketCanBus, sender: socket.socket) -> None:
    """A thousand frames come once, in order, each with the kernel's time of its coming, which never falls."""
    wait_for_stamps(bus, sender)
    before = CLOCK.mono_ns()
    for number in range(1000):
        sender.send(pack(0x0CFF0000 + number, True, number.to_bytes(2, "big")))
    sent = CLOCK.mono_ns()
    time.sleep(0.02)  # so that the times of reading are not those of coming
    found = read(bus, 1000)
    assert [frame for frame, _ in found] == [
        BusFrame("can0", 0x0CFF0000 + number, True, number.to_bytes(2, "big")) for number in range(1000)]
    times = [time_ns for _, time_ns in found]
    assert before - 100_000 <= times[0] and times[-1] <= sent + 100_000  # two clocks: microseconds apart
    assert times == sorted(times) and len(set(times)) > 500
    assert bus.read(0) == []


@given(st.integers(0, 0x1FFFFFFF), st.booleans(), st.binary(max_size=64))
def test_any_frame(can_id: int, extended: bool, data: bytes) -> None:
    """Every id and length goes through, CAN FD too; FD data is filled up to a length that FD has."""
    if not extended:
        can_id &= 0x7FF
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        bus = bus_on(sender, fd=True)
        sender.send(pack(can_id, extended, data))
        ((frame, _),) = read(bus, 1)
        assert frame[:3] == ("can0", can_id, extended)
        assert frame.data[:len(data)] == data and not any(frame.data[len(data):])
        assert len(frame.data) == len(data) if len(data) <= 8 else len(frame.data) in (12, 16, 20, 24, 32, 48, 64)
        assert bus.counts()["fd"] == (len(data) > 8)
        bus.close()


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=FD_BYTES + 8), min_size=1, max_size=20), st.booleans())
def test_no_datagram_raises(datagrams: list[bytes], fd: bool) -> None:
    """Whatever the kernel hands over, of any length and content: no exception, and the frame after it is whole."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        bus = bus_on(sender, fd=fd)
        for datagram in datagrams:
            sender.send(datagram)
        sender.send(pack(0x1234567, True, b"end"))
        frame = None
        while frame is None or frame.can_id != 0x1234567:
            frame = read(bus, 1)[-1][0]
        assert frame.data == b"end"
        assert len(frame.data) <= (64 if fd else 8)
        bus.close()


def test_other_frames_are_counted(bus: SocketCanBus, sender: socket.socket) -> None:
    """Remote and error frames between others are counted and left out; a short FD frame counts as one."""
    sender.send(pack(1, False, b"\1"))
    sender.send(CLASSIC.pack(0x40000002, 8, b""))
    sender.send(CLASSIC.pack(ERROR | 0x20, 8, bytes(8)))
    sender.send(CLASSIC.pack(ERROR | 0x04, 8, bytes((0, 0x20, 0, 0, 0, 0, 0, 0))))
    sender.send(pack(3, True, b"\3"))
    assert [frame.can_id for frame, _ in read(bus, 2)] == [1, 3]
    counts = bus.counts()
    assert {key: counts[key] for key in ("remote", "error", "no_ack", "passive", "state")} == {
        "remote": 1, "error": 2, "no_ack": 1, "passive": 1, "state": 2}


def test_what_the_kernel_dropped(sender: socket.socket) -> None:
    """What found the buffer full is counted exactly, without waiting for a next frame."""
    bus = bus_on(sender)
    bus._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for number in range(500):
        sender.send(pack(number, False, bytes(8)))
    dropped = bus.counts()["dropped"]
    assert dropped > 0
    assert len(read(bus, 500 - dropped)) + dropped == 500
    bus.close()


def test_a_frame_without_a_stamp(bus: SocketCanBus, sender: socket.socket) -> None:
    """A frame without a stamp has the time of reading, never that of one before; the next stamp counts again."""
    for _ in range(20):
        sender.send(pack(1, False, b""))
    assert len(read(bus, 20)) == 20
    bus._socket.setsockopt(socket.SOL_SOCKET, batch_receive.SO_TIMESTAMPNS, 0)
    sender.send(pack(2, False, b""))
    before = CLOCK.mono_ns()
    ((_, time_ns),) = read(bus, 1)
    assert before <= time_ns <= CLOCK.mono_ns()
    bus._socket.setsockopt(socket.SOL_SOCKET, batch_receive.SO_TIMESTAMPNS, 1)
    sender.send(pack(3, False, b""))
    after = CLOCK.mono_ns()
    time.sleep(0.05)
    ((_, time_ns),) = read(bus, 1)
    assert time_ns <= after + 1_000_000


def test_no_two_frames_have_one_time(bus: SocketCanBus, sender: socket.socket) -> None:
    """Frames without stamps that are read together still rise in time: a database takes equal times for one point."""
    bus._socket.setsockopt(socket.SOL_SOCKET, batch_receive.SO_TIMESTAMPNS, 0)
    for number in range(50):
        sender.send(pack(7, False, bytes([number])))
    times = [time_ns for _, time_ns in read(bus, 50)]
    assert all(earlier < later for earlier, later in pairwise(times))


def test_an_error_after_frames() -> None:
    """Where each frame is a call of its own, those before an error are given, and the error with the next read."""
    class Ending:
        answers: ClassVar[list[object]] = [16, 16, OSError(errno.ENETDOWN, "down")]

        def recvmsg_into(self, *_: object) -> tuple[int, list[object], int, None]:
            answer = self.answers.pop(0) if self.answers else BlockingIOError()
            if isinstance(answer, Exception):
                raise answer
            return 16, [], 0, None

    receiver = batch_receive.ByRecvmsg(Ending(), 16, 8)  # type: ignore[arg-type]
    assert receiver.receive() == 2
    with pytest.raises(OSError, match="down"):
        receiver.receive()
    assert receiver.receive() == 0


def test_the_buffer_is_enlarged(bus: SocketCanBus) -> None:
    """The receive buffer is larger than the kernel's own, and the size that was got is told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        assert bus.counts()["buffer_bytes"] > plain.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def test_a_full_batch_is_followed_at_once(bus: SocketCanBus, sender: socket.socket,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    """While more waits than a batch holds, the next read waits for nothing."""
    for number in range(1100):
        sender.send(pack(number, False, b""))
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert [len(bus.read(PATIENCE_S)) for _ in range(3)] == [512, 512, 76]
    assert len(pauses) == 1


def test_a_clock_of_another_speed_gets_the_time_of_reading(sender: socket.socket) -> None:
    """In a story that runs faster than the machine a frame's time is the story's time of reading."""
    story = StoryClock.begin(speed=12)
    bus = bus_on(sender, story)
    sender.send(pack(1, False, b""))
    time.sleep(0.05)
    before = story.mono_ns()
    ((_, time_ns),) = read(bus, 1)
    assert before <= time_ns <= story.mono_ns()
    bus.close()


class Failing:
    """A socket of a CAN interface that has trouble."""

    def __init__(self, sock: socket.socket, error: int) -> None:
        self._socket, self._error, self.sends = sock, error, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._socket, name)

    def send(self, data: bytes, flags: int) -> int:
        self.sends += 1
        raise OSError(self._error, "trouble")


def test_a_full_transmit_queue_is_tried_again(bus: SocketCanBus) -> None:
    """ENOBUFS is waited out for a moment and then raised; anything else is raised at once."""
    bus._socket = full = Failing(bus._socket, errno.ENOBUFS)  # type: ignore[assignment]
    with pytest.raises(OSError, match="trouble"):
        bus.send(BusFrame("can0", 1, False, b""), 0.5)
    assert full.sends > 1
    bus._socket = down = Failing(full._socket, errno.ENETDOWN)  # type: ignore[assignment]
    with pytest.raises(OSError, match="trouble"):
        bus.send(BusFrame("can0", 1, False, b""), 0.5)
    assert down.sends == 1


def link(**facts: object) -> CanLink:
    return CanLink("can0", True, True, "can", 16, 0, 500_000, 0)._replace(**facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("restart_ms", "comes_back"), [(0, False), (None, False), (100, True)])
def test_bus_off(sender: socket.socket, restart_ms: int | None, comes_back: bool) -> None:
    """With restart-ms a bus-off is counted and seen to end; without, the bus is down and told what to type."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    sender.connect(receiver.getsockname())
    now = link()
    bus = SocketCanBus("can0", receiver, CLOCK, lambda: now)
    now = link(state=3, restart_ms=restart_ms)
    sender.send(pack(1, False, b""))
    sender.send(CLASSIC.pack(ERROR | 0x40, 8, bytes(8)))
    assert len(read(bus, 1)) == 1
    assert (bus.counts()["state"], bus.counts()["bus_off"], bus.counts()["bitrate"]) == (3, 1, 500_000)
    sender.send(CLASSIC.pack(ERROR | 0x100, 8, bytes(8)))
    sender.send(pack(2, False, b""))
    if comes_back:
        assert len(read(bus, 1)) == 1
        assert (bus.counts()["state"], bus.counts()["restarted"]) == (0, 1)
    else:
        with pytest.raises(OSError, match="ip link set can0 up type can bitrate 500000 restart-ms 100"):
            bus.read(1.0)
    bus.close()


def test_what_cannot_be_opened_is_a_sentence() -> None:
    """No interface, one that is no CAN interface: the words say which, and what to look at."""
    with pytest.raises(OSError, match="there is no interface can77: is the adapter plugged in"):
        open_bus("can0", "socketcan", "can77", 500_000, CLOCK)
    with pytest.raises(OSError, match="lo is no CAN interface"):
        open_bus("can0", "socketcan", "lo", 500_000, CLOCK)


def test_records_of_both_kinds(sender: socket.socket) -> None:
    """On an FD bus classic and FD frames of the same length are told apart by their size."""
    bus = bus_on(sender, fd=True)
    sender.send(pack(1, False, b"\1"))
    sender.send(pack(1, False, bytes(12))[:4] + b"\1\0\0\0" + b"\2" + bytes(FD_BYTES - 9))
    assert [frame.data for frame, _ in read(bus, 2)] == [b"\1", b"\2"]
    assert bus.counts()["fd"] == 1
    bus.close()
