"""CAN buses opened with python-can: one thread reads, one sends, both for ever; a bus that goes is opened again.

Knows frames as bytes; hands them over in batches with the time they were read.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import can

from twolbms.clock import Clock
from twolbms.wire import BusFrame

Received = tuple[BusFrame, int]
OpenBus = Callable[[], can.BusABC]

READ_TIMEOUT_S = 0.2  # how soon a stop is noticed
SEND_TIMEOUT_S = 0.5  # a serial port that takes longer is as good as gone
BATCH = 256
_QUEUE_FRAMES = 64  # to send; older ones are worth nothing once 64 newer wait
_RETRY_S = (0.5, 1.0, 2.0, 4.0, 5.0)
_SETTLED_FRAMES = 10  # a bus that gave so many frames was really open: its next failure is a first one


def open_bus(interface: str, channel: str, bitrate: int) -> can.BusABC:
    """A bus of site.yaml. Raises whatever python-can does when it cannot be opened."""
    if interface == "slcan":
        from twolbms.sources.slcan import ChunkedSlcanBus
        # Adapters on USB answer at once; python-can's 2 s are for boards that reboot when they are opened.
        wait_s = 0.0 if "://" in channel else 0.2
        return ChunkedSlcanBus(channel, bitrate=bitrate, sleep_after_open=wait_s)
    settings: dict[str, Any] = {} if interface in ("virtual", "socketcan", "udp_multicast") else {"bitrate": bitrate}
    return can.Bus(interface=interface, channel=channel, ignore_config=True, **settings)


class CanSource:
    """One bus. `deliver` gets batches of data frames, `changed` gets (up, why not); both on the reading thread."""

    def __init__(self, name: str, open_it: OpenBus, clock: Clock, deliver: Callable[[list[Received]], None],
                 changed: Callable[[bool, str | None], None]) -> None:
        self.name = name
        self._open = open_it
        self._clock = clock
        self._deliver = deliver
        self._changed = changed
        self._bus: can.BusABC | None = None
        self._stop = threading.Event()
        self._outgoing: deque[BusFrame] = deque()
        self._wake = threading.Condition()
        self._counts = {"error": 0, "other": 0, "sent": 0, "send_errors": 0}
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
        """`error` frames, `other` (remote and FD frames), `sent` and `send_errors` since start."""
        return dict(self._counts)

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
        before = self._counts["error"]
        read = 0
        bus = None
        try:
            bus = self._open()
            with self._wake:
                self._outgoing.clear()
                self._bus = bus
            self._changed(True, None)
            while not self._stop.is_set():
                read += self._read_batch(bus)
            return read, "stopped"
        except Exception as error:
            return read + self._counts["error"] - before, f"{error}" or type(error).__name__
        finally:
            with self._wake:
                self._bus = None
            if bus is not None:
                with suppress(Exception):
                    bus.shutdown()

    def _read_batch(self, bus: can.BusABC) -> int:
        message = bus.recv(READ_TIMEOUT_S)
        batch: list[Received] = []
        while message is not None:
            if message.is_error_frame:
                self._counts["error"] += 1
            elif message.is_remote_frame or message.is_fd:
                self._counts["other"] += 1
            else:
                frame = BusFrame(self.name, message.arbitration_id, message.is_extended_id, bytes(message.data))
                batch.append((frame, self._clock.mono_ns()))
            if len(batch) >= BATCH:
                break
            message = bus.recv(0)
        if batch:
            self._deliver(batch)
        return len(batch)

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

    def _send_one(self, bus: can.BusABC, frame: BusFrame) -> None:
        message = can.Message(arbitration_id=frame.can_id, is_extended_id=frame.extended, data=frame.data)
        try:
            bus.send(message, SEND_TIMEOUT_S)
            self._counts["sent"] += 1
        except Exception:
            self._counts["send_errors"] += 1
