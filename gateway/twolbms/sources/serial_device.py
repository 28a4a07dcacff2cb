"""One device on a serial port or a TCP port: a thread reads it for ever, asks where its kind asks, and opens it again.

Knows ports; what bytes mean is the conversation's of the device's kind. A device that hangs holds up nothing else.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Callable, Mapping

import serial

from twolbms.clock import Clock
from twolbms.devices.kinds import DeviceSetup, Line
from twolbms.devices.reading import DeviceReading, Talk
from twolbms.sources.serial_port import close_port, open_port

Heard = tuple[DeviceReading, int]
OpenPort = Callable[[str, Line], serial.SerialBase]

LOOK_S = 0.1  # how soon a stop is noticed, and how often a kind is asked whether it has something to send
_CHUNK = 4096
_RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)


class SerialDevice:
    """One device. `deliver` gets readings with the time they came, `changed` gets (up, why not); both on its thread."""

    def __init__(self, setup: DeviceSetup, clock: Clock, deliver: Callable[[list[Heard]], None],
                 changed: Callable[[bool, str | None], None], open_it: OpenPort = open_port) -> None:
        self.name = setup.name
        self._setup = setup
        self._clock = clock
        self._deliver = deliver
        self._changed = changed
        self._open = open_it
        self._stop = threading.Event()
        self._counts: Mapping[str, int] = {"bytes": 0, "readings": 0, "damaged": 0, "opened": 0, "sent": 0}
        self._thread = threading.Thread(target=self._listen_for_ever, name=f"device-{setup.name}", daemon=True)

    def start(self) -> None:
        """Begins to open the port and to read."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Ends the thread; False when it still hangs in a driver after the time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def counts(self) -> Mapping[str, int]:
        """Since start: `bytes`, `readings`, `damaged`, times `opened`, bytes `sent`, and what the kind counts."""
        return self._counts

    def _count(self, **more: int) -> None:
        """Replaces the counts as a whole: another thread reads them."""
        self._counts = {**self._counts, **{name: self._counts.get(name, 0) + count for name, count in more.items()}}

    def _listen_for_ever(self) -> None:
        failures = 0
        while not self._stop.is_set():
            readings = self._counts["readings"]
            error = self._listen()
            if self._stop.is_set():
                return
            failures = 1 if self._counts["readings"] > readings else failures + 1
            self._changed(False, error)
            self._stop.wait(_RETRY_S[min(failures, len(_RETRY_S)) - 1] / max(1.0, self._clock.speed))

    def _listen(self) -> str:
        """One life of the port, until the words for why it ended. Drivers raise what they like."""
        port = None
        try:
            port = self._open(self._setup.port, self._setup.kind.line)
            self._count(opened=1)
            self._changed(True, None)
            talk = self._setup.kind.talk()
            while not self._stop.is_set():
                self._turn(port, talk)
            return "stopped"
        except Exception as error:
            return _words(error)
        finally:
            if port is not None:
                close_port(port)

    def _turn(self, port: serial.SerialBase, talk: Talk) -> None:
        before = dict(talk.counts)
        question = talk.poll(self._clock.mono_ns())
        if question:
            port.write(question)
        chunk = _read(port.fileno())
        now_ns = self._clock.mono_ns()
        readings = talk.feed(chunk) if chunk else ()
        if chunk or question:
            grown = {name: count - before.get(name, 0) for name, count in talk.counts.items()}
            self._count(bytes=len(chunk), sent=len(question), readings=len(readings), **grown)
        if readings:
            self._deliver([(reading, now_ns) for reading in readings])


def _read(fd: int) -> bytes:
    """What has come, after at most LOOK_S. pyserial's own read waits until the buffer is full or the time is up."""
    if not select.select([fd], [], [], LOOK_S)[0]:
        return b""
    try:
        chunk = os.read(fd, _CHUNK)
    except BlockingIOError:
        return b""
    if not chunk:
        raise ConnectionError("the port has gone")
    return chunk


def _words(error: Exception) -> str:
    """Why, without the wrapping that pyserial puts around the system's own words."""
    inner = error.__context__ if isinstance(error.__context__, OSError) else error
    text = getattr(inner, "strerror", None) or f"{inner}" or type(inner).__name__
    hint = _HINTS.get(getattr(inner, "errno", None) or 0)
    return f"{text} ({hint})" if hint else text


_HINTS = {
    errno.EAGAIN: "another program has it open",  # of pyserial's lock
    errno.EBUSY: "another program has it open",  # of TIOCEXCL
    errno.EACCES: "may this user read it? Serial ports belong to the group dialout",
    errno.EIO: "was it unplugged?", errno.ENODEV: "was it unplugged?", errno.ENXIO: "was it unplugged?",
    errno.ENOENT: "is it plugged in?",
}
