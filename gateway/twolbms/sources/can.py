"""CAN buses as sources: one thread reads, one sends, both for ever; a bus that goes is opened again.

Knows frames as bytes and no kind of bus beyond which module opens it; hands frames over in batches with their times.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress

from twolbms.clock import Clock
from twolbms.sources.bus import GAUGES, Bus, Received
from twolbms.wire import BusFrame

__all__ = ["Bus", "CanSource", "OpenBus", "Received", "open_bus"]

OpenBus = Callable[[], Bus]

READ_TIMEOUT_S = 0.2  # how soon a stop is noticed
SEND_TIMEOUT_S = 0.5  # a serial port that takes longer is as good as gone
_QUEUE_FRAMES = 64  # to send; older ones are worth nothing once 64 newer wait
_RETRY_S = (0.5, 1.0, 2.0, 4.0, 5.0)
_SETTLED_FRAMES = 10  # a bus that gave so many frames was really open: its next failure is a first one


def open_bus(name: str, interface: str, channel: str, bitrate: int, clock: Clock) -> Bus:
    """The bus `name` of site.yaml. Raises OSError with a sentence, or whatever a driver does."""
    if interface == "slcan":
        from twolbms.sources.slcan import open_slcan
        return open_slcan(name, channel, bitrate, clock)
    if interface == "socketcan":
        from twolbms.sources.socketcan import open_socketcan
        return open_socketcan(name, channel, clock)
    from twolbms.sources.python_can import open_python_can
    return open_python_can(name, interface, channel, clock)


class CanSource:
    """One bus. `deliver` gets batches of data frames, `changed` gets (up, why not); both on the reading thread."""

    def __init__(self, name: str, open_it: OpenBus, clock: Clock, deliver: Callable[[list[Received]], None],
                 changed: Callable[[bool, str | None], None]) -> None:
        self.name = name
        self._open = open_it
        self._clock = clock
        self._deliver = deliver
        self._changed = changed
        self._bus: Bus | None = None
        self._stop = threading.Event()
        self._outgoing: deque[BusFrame] = deque()
        self._wake = threading.Condition()
        self._counts = {"opened": 0, "sent": 0, "send_errors": 0}
        self._past: Counter[str] = Counter()  # of buses that have gone
        self._reader = threading.Thread(target=self._read_for_ever, name=f"can-{name}-read", daemon=True)
        self._sender = threading.Thread(target=self._send_for_ever, name=f"can-{name}-send", daemon=True)

    def start(self) -> None:
        """Begins to open the bus, read and send."""
        self._reader.start()
        self._sender.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Ends both threads; False when one still hangs in a driver after the time."""
        self._stop.set()
        with self._wake:
            self._wake.notify_all()
        for thread in (self._sender, self._reader):
            if thread.is_alive():
                thread.join(timeout_s)
        return not (self._reader.is_alive() or self._sender.is_alive())

    def send(self, frame: BusFrame) -> None:
        """Takes a frame to send; never waits. While the bus is down or slow the oldest are dropped and counted."""
        with self._wake:
            if self._bus is None:
                self._counts["send_errors"] += 1
                return
            if len(self._outgoing) >= _QUEUE_FRAMES:
                self._outgoing.popleft()
                self._counts["send_errors"] += 1
            self._outgoing.append(frame)
            self._wake.notify()

    def counts(self) -> Mapping[str, int]:
        """All that docs/buses.md lists: counts since start over every opening, and what holds now for an open bus."""
        with self._wake:
            bus, counts = self._bus, Counter(self._past)
        now: dict[str, int] = {}
        if bus is not None:
            with suppress(Exception):  # it may be closing
                now = dict(bus.counts())
        counts.update({key: value for key, value in now.items() if key not in GAUGES})
        return {"error": 0, **self._counts, **counts, **{key: now[key] for key in GAUGES & now.keys()}}

    # --- reading ---

    def _read_for_ever(self) -> None:
        failures = 0
        while not self._stop.is_set():
            read, error = self._open_and_read()
            if self._stop.is_set():
                return
            failures = 1 if read >= _SETTLED_FRAMES else failures + 1
            self._changed(False, error)
            self._stop.wait(_RETRY_S[min(failures, len(_RETRY_S)) - 1] / max(1.0, self._clock.speed))

    def _open_and_read(self) -> tuple[int, str]:
        """One life of the bus: how many frames it gave, and why it ended. Drivers raise what they like."""
        read = 0
        bus = None
        try:
            bus = self._open()
            with self._wake:
                self._outgoing.clear()
                self._bus = bus
                self._counts["opened"] += 1
            self._changed(True, None)
            while not self._stop.is_set():
                received = bus.read(READ_TIMEOUT_S)
                if received:
                    read += len(received)
                    self._deliver(received)
            return read, "stopped"
        except Exception as error:
            return read, _words(error)
        finally:
            if bus is not None:
                self._retire(bus)

    def _retire(self, bus: Bus) -> None:
        """Keeps what a bus has counted and closes it."""
        counts: Mapping[str, int] = {}
        with suppress(Exception):
            counts = dict(bus.counts())
        with self._wake:
            self._bus = None
            self._past.update({key: value for key, value in counts.items() if key not in GAUGES})
        with suppress(Exception):
            bus.close()

    # --- sending ---

    def _send_for_ever(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._outgoing or self._stop.is_set())
                if self._stop.is_set():
                    return
                frame, bus = self._outgoing.popleft(), self._bus
            if bus is not None:
                self._send_one(bus, frame)

    def _send_one(self, bus: Bus, frame: BusFrame) -> None:
        try:
            bus.send(frame, SEND_TIMEOUT_S)
            self._counts["sent"] += 1
        except Exception:
            self._counts["send_errors"] += 1


def _words(error: Exception) -> str:
    """What went wrong without the number that OSError puts before its text."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{error}" or type(error).__name__
