"""A bus as a source: opened again and again, read in batches, never blocking who sends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import can
import pytest

from twolbms.clock import StoryClock
from twolbms.sources.can import CanSource, Received, open_bus
from twolbms.wire import BusFrame

PATIENCE_S = 10.0


class FakeBus(can.BusABC):
    """A driver that gives what is put in, and raises what is put in."""

    def __init__(self) -> None:
        self.incoming: deque[can.Message | Exception] = deque()
        self.sent: list[can.Message] = []
        self.sending: Exception | None = None
        self.hang = threading.Event()
        self.hang.set()
        self.closed = False
        super().__init__("fake")

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        if not self.incoming:
            threading.Event().wait(min(timeout or 0, 0.005))
            return None, False
        found = self.incoming.popleft()
        if isinstance(found, Exception):
            raise found
        return found, False

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        self.hang.wait(PATIENCE_S)
        if self.sending:
            raise self.sending
        self.sent.append(msg)

    def shutdown(self) -> None:
        self.closed = True
        super().shutdown()


class Listener:
    """What the shell would hear, with a way to wait for it."""

    def __init__(self) -> None:
        self.frames: list[Received] = []
        self.states: list[tuple[bool, str | None]] = []
        self._changed = threading.Condition()

    def deliver(self, batch: list[Received]) -> None:
        with self._changed:
            self.frames += batch
            self._changed.notify_all()

    def changed(self, up: bool, error: str | None) -> None:
        with self._changed:
            self.states.append((up, error))
            self._changed.notify_all()

    def wait(self, done: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(done, PATIENCE_S)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def start(listener: Listener) -> Iterator[Callable[[Callable[[], can.BusABC]], CanSource]]:
    sources: list[CanSource] = []
    clock = StoryClock.begin(speed=50)  # waits between tries shrink with it

    def started(opening: Callable[[], can.BusABC]) -> CanSource:
        source = CanSource("can0", opening, clock, listener.deliver, listener.changed)
        sources.append(source)
        source.start()
        return source

    yield started
    assert all(source.stop() for source in sources)


def message(can_id: int = 0x0CFF1001, **options: Any) -> can.Message:
    return can.Message(arbitration_id=can_id, is_extended_id=True, data=b"\1\2", **options)


def test_frames_come_with_bus_and_time(listener: Listener, start: Callable[..., CanSource]) -> None:
    """Each data frame is handed over once, in order, with the bus's name and the time it was read."""
    bus = FakeBus()
    bus.incoming.extend(message(n) for n in range(1000))
    start(lambda: bus)
    listener.wait(lambda: len(listener.frames) == 1000)
    assert [frame.can_id for frame, _ in listener.frames] == list(range(1000))
    assert listener.frames[0][0] == BusFrame("can0", 0, True, b"\1\2")
    times = [time_ns for _, time_ns in listener.frames]
    assert times == sorted(times)


def test_other_frames_are_counted(listener: Listener, start: Callable[..., CanSource]) -> None:
    """Error, remote and FD frames are counted and not handed over."""
    bus = FakeBus()
    bus.incoming.extend([message(is_error_frame=True), message(is_remote_frame=True), message(is_fd=True), message()])
    source = start(lambda: bus)
    listener.wait(lambda: listener.frames)
    assert (source.counts()["error"], source.counts()["other"], len(listener.frames)) == (1, 2, 1)


@pytest.mark.parametrize("error", [can.CanError("gone"), OSError("gone"), RuntimeError("gone")])
def test_a_bus_that_goes_is_opened_again(listener: Listener, start: Callable[..., CanSource], error: Exception) -> None:
    """Whatever a driver raises: the bus is told down, closed, and opened again."""
    first, second = FakeBus(), FakeBus()
    first.incoming.append(error)
    second.incoming.append(message())
    buses = iter([first, second])
    start(lambda: next(buses))
    listener.wait(lambda: listener.frames)
    assert listener.states == [(True, None), (False, "gone"), (True, None)]
    assert first.closed


def test_a_bus_that_cannot_be_opened_is_tried_again(listener: Listener, start: Callable[..., CanSource]) -> None:
    """Every failure to open is told, and trying goes on."""
    tries: list[int] = []
    bus = FakeBus()

    def opening() -> can.BusABC:
        tries.append(1)
        if len(tries) < 4:
            raise OSError("no such device")
        return bus

    start(opening)
    listener.wait(lambda: listener.states[-1:] == [(True, None)])
    assert listener.states[:3] == [(False, "no such device")] * 3


def test_sending_never_waits(listener: Listener, start: Callable[..., CanSource]) -> None:
    """A driver that hangs holds up nobody: the newest 64 frames wait, older ones are dropped and counted."""
    bus = FakeBus()
    bus.hang.clear()
    source = start(lambda: bus)
    listener.wait(lambda: listener.states)
    for n in range(100):
        source.send(BusFrame("can0", n, True, b""))
    assert source.counts()["send_errors"] in (35, 36)  # one is in the driver's hands, if it came to that already
    bus.hang.set()


def test_send_errors_are_counted(listener: Listener, start: Callable[..., CanSource]) -> None:
    """A frame the driver refuses is counted; one for a bus that is down is too."""
    bus = FakeBus()
    bus.sending = can.CanError("no buffer")
    closed = CanSource("can1", lambda: bus, StoryClock.begin(1), listener.deliver, listener.changed)
    closed.send(BusFrame("can1", 1, True, b""))
    assert closed.counts()["send_errors"] == 1
    source = start(lambda: bus)
    listener.wait(lambda: listener.states)
    source.send(BusFrame("can0", 1, True, b""))
    bus.incoming.append(message())
    listener.wait(lambda: listener.frames)
    while not source.counts()["send_errors"]:
        threading.Event().wait(0.001)


def test_virtual_buses_of_the_site_file(listener: Listener, start: Callable[..., CanSource]) -> None:
    """A bus named in site.yaml is opened by python-can and talks to its neighbours there, both ways."""
    neighbour = can.Bus(interface="virtual", channel="garden")
    source = start(lambda: open_bus("virtual", "garden", 500_000))
    listener.wait(lambda: listener.states)
    neighbour.send(message())
    listener.wait(lambda: listener.frames)
    source.send(BusFrame("can0", 0x0CFF8080, True, b"\7"))
    heard = neighbour.recv(PATIENCE_S)
    assert heard is not None
    assert (heard.arbitration_id, bytes(heard.data)) == (0x0CFF8080, b"\7")
    neighbour.shutdown()
