"""A bus as a source: opened again and again, read in batches, never blocking who sends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping

import pytest

from twolbms.clock import StoryClock
from twolbms.sources.can import CanSource, OpenBus, Received
from twolbms.wire import BusFrame
from voices.waiting import PATIENCE_S, Listener

Start = Callable[[OpenBus], CanSource]


class FakeBus:
    """A driver that gives what is put in, and raises what is put in."""

    def __init__(self, **counts: int) -> None:
        self.incoming: deque[list[Received] | Exception] = deque()
        self.sent: list[BusFrame] = []
        self.sending: Exception | None = None
        self.hang = threading.Event()
        self.hang.set()
        self.closed = threading.Event()
        self.counted = counts

    def read(self, timeout_s: float) -> list[Received]:
        if not self.incoming:
            threading.Event().wait(0.005)
            return []
        found = self.incoming.popleft()
        if isinstance(found, Exception):
            raise found
        return found

    def send(self, frame: BusFrame, timeout_s: float) -> None:
        self.hang.wait(PATIENCE_S)
        if self.sending:
            raise self.sending
        self.sent.append(frame)

    def close(self) -> None:
        self.closed.set()

    def counts(self) -> Mapping[str, int]:
        return self.counted


def received(number: int) -> Received:
    return BusFrame("can0", number, True, b"\1\2"), number


def test_batches_are_handed_over_as_they_come(listener: Listener, start: Start) -> None:
    """Each frame is handed over once, in order, as the bus gave it."""
    bus = FakeBus()
    bus.incoming.extend([received(n), received(n + 1)] for n in range(0, 1000, 2))
    start(lambda: bus)
    listener.wait(lambda: len(listener.heard) == 1000)
    assert listener.heard == [received(n) for n in range(1000)]


@pytest.mark.parametrize("error", [OSError(19, "gone"), OSError("gone"), RuntimeError("gone"), ValueError("gone")])
def test_a_bus_that_goes_is_opened_again(listener: Listener, start: Start, error: Exception) -> None:
    """Whatever a driver raises: the bus is told down in its words, closed, and opened again."""
    first, second = FakeBus(), FakeBus()
    first.incoming.append(error)
    second.incoming.append([received(1)])
    buses = iter([first, second])
    start(lambda: next(buses))
    listener.wait(lambda: listener.heard)
    assert listener.states == [(True, None), (False, "gone"), (True, None)]
    assert first.closed.is_set()


def test_a_bus_that_cannot_be_opened_is_tried_again(listener: Listener, start: Start) -> None:
    """Every failure to open is told, and trying goes on."""
    tries: list[int] = []
    bus = FakeBus()

    def opening() -> FakeBus:
        tries.append(1)
        if len(tries) < 4:
            raise OSError("no such device")
        return bus

    start(opening)
    listener.wait(lambda: listener.states[-1:] == [(True, None)])
    assert listener.states[:3] == [(False, "no such device")] * 3


def test_counts_go_on_over_a_new_opening(listener: Listener, start: Start) -> None:
    """Counts are summed over every opening; a state is that of the bus that is open, and of none when none is."""
    first, second = FakeBus(error=3, dropped=5, state=2), FakeBus(error=1, state=0)
    first.incoming.append(OSError("gone"))
    buses = iter([first, second])
    source = start(lambda: next(buses))
    listener.wait(lambda: len(listener.states) == 3)
    counts = source.counts()
    assert (counts["error"], counts["dropped"], counts["opened"], counts["state"]) == (4, 5, 2, 0)
    second.incoming.append(OSError("gone"))
    listener.wait(lambda: len(listener.states) >= 4)
    assert "state" not in source.counts()


def test_sending_never_waits(listener: Listener, start: Start) -> None:
    """A driver that hangs holds up nobody: the newest 64 frames wait, older ones are dropped and counted."""
    bus = FakeBus()
    bus.hang.clear()
    source = start(lambda: bus)
    listener.wait(lambda: listener.states)
    for n in range(100):
        source.send(BusFrame("can0", n, True, b""))
    assert source.counts()["send_errors"] in (35, 36)  # one is in the driver's hands, if it came to that already
    bus.hang.set()


def test_send_errors_are_counted(listener: Listener, start: Start) -> None:
    """A frame the driver refuses is counted and the bus goes on; one for a bus that is down is counted too."""
    bus = FakeBus()
    bus.sending = OSError(105, "no buffer space available")
    closed = CanSource("can1", lambda: bus, StoryClock.begin(1), listener.deliver, listener.changed)
    closed.send(BusFrame("can1", 1, True, b""))
    assert closed.counts()["send_errors"] == 1
    source = start(lambda: bus)
    listener.wait(lambda: listener.states)
    source.send(BusFrame("can0", 1, True, b""))
    while not source.counts()["send_errors"]:
        threading.Event().wait(0.001)
    bus.incoming.append([received(1)])
    listener.wait(lambda: listener.heard)
    assert listener.states == [(True, None)]


def test_a_flood_does_not_starve_sending(listener: Listener, start: Start) -> None:
    """A bus that always has a full batch waiting still gets every frame sent."""
    bus = FakeBus()
    flood = [received(n) for n in range(500)]
    bus.read = lambda timeout_s: flood  # type: ignore[method-assign]
    source = start(lambda: bus)
    listener.wait(lambda: len(listener.heard) > 5000)
    for n in range(50):
        source.send(BusFrame("can0", n, True, b""))
    listener.wait(lambda: len(bus.sent) == 50)
    assert [frame.can_id for frame in bus.sent] == list(range(50))
