"""Buses that python-can opens: `virtual` within a program, `udp_multicast` between programs. Slow, and for trials."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec

import can

from twolbms.clock import Clock
from twolbms.sources.bus import BATCH, Received, wire_bits
from twolbms.wire import BusFrame

_ECHOES = 64  # an echo is read milliseconds after its frame was sent


def open_python_can(name: str, interface: str, channel: str, clock: Clock) -> PythonCanBus:
    """The channel as the bus `name`. Raises OSError, or whatever python-can does."""
    if interface == "udp_multicast" and find_spec("msgpack") is None:
        raise OSError("udp_multicast needs the package msgpack: type `pip install '2lbms[multicast]'`")
    bus = can.Bus(interface=interface, channel=channel, ignore_config=True)
    return PythonCanBus(name, bus, clock, echoes=interface == "udp_multicast")


class PythonCanBus:
    """A bus of python-can's. It gives no time that could be trusted, so frames get the time of reading.

    With `echoes` the bus gives what we send back to us, and nothing but its content tells it from others' frames: what
    is the same as one of the last 64 we sent is left out once. Ours carry counters, and so do those of our nodes.
    """

    def __init__(self, name: str, bus: can.BusABC, clock: Clock, *, echoes: bool = False) -> None:
        self._name = name
        self._bus = bus
        self._clock = clock
        self._echoes = echoes
        self._sent: deque[tuple[int, bool, bytes]] = deque(maxlen=_ECHOES)
        self._counts = {"error": 0, "remote": 0, "fd": 0, "bits": 0, "bad_lines": 0}

    def read(self, timeout_s: float) -> list[Received]:
        """See Bus."""
        message = self._receive(timeout_s)
        received: list[Received] = []
        while message is not None:
            if message.is_error_frame:
                self._counts["error"] += 1
            elif message.is_remote_frame:
                self._counts["remote"] += 1
            elif not self._is_echo(message):
                received.append((self._take(message), self._clock.mono_ns()))
            if len(received) >= BATCH:
                break
            message = self._receive(0)
        return received

    def _receive(self, timeout_s: float) -> can.Message | None:
        """None also for a datagram that is no frame, which is counted; a bus that has gone raises."""
        try:
            return self._bus.recv(timeout_s)
        except can.CanOperationError as error:
            if "unpack" not in str(error):
                raise
            self._counts["bad_lines"] += 1
            return None

    def _is_echo(self, message: can.Message) -> bool:
        sent = (message.arbitration_id, message.is_extended_id, bytes(message.data))
        if sent not in self._sent:
            return False
        self._sent.remove(sent)
        return True

    def _take(self, message: can.Message) -> BusFrame:
        data, extended = bytes(message.data), message.is_extended_id
        self._counts["fd"] += message.is_fd
        self._counts["bits"] += wire_bits(1, extended, len(data))
        return BusFrame(self._name, message.arbitration_id, extended, data)

    def send(self, frame: BusFrame, timeout_s: float) -> None:
        """See Bus."""
        if self._echoes:
            self._sent.append(frame[1:])
        self._bus.send(can.Message(arbitration_id=frame.can_id, is_extended_id=frame.extended, data=frame.data,
                                   is_fd=len(frame.data) > 8), timeout_s)

    def close(self) -> None:
        """See Bus."""
        with suppress(Exception):  # drivers raise what they like
            self._bus.shutdown()

    def counts(self) -> Mapping[str, int]:
        """See Bus."""
        return dict(self._counts)
