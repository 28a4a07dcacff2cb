"""What every kind of bus is to its source: something that gives frames in batches, takes frames, counts, and may go.

Knows no kind of bus. Whatever a bus raises means that it has gone; its text is told to people as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from twolbms.wire import BusFrame, Received

__all__ = ["ACTIVE", "BATCH", "BUS_OFF", "GAUGES", "PASSIVE", "WARNING", "Bus", "Received", "wire_bits"]

BATCH = 512  # frames a read gives at most, where the bus decides it: 114 ms of a full 500 kbit/s bus

GAUGES = frozenset({"state", "bitrate", "buffer_bytes"})
"""Counts that are not counts: what holds now, for a bus that is open now."""

ACTIVE, WARNING, PASSIVE, BUS_OFF = range(4)
"""The count `state`, numbered as the kernel does (enum can_state); the key is left out where nobody knows."""


class Bus(Protocol):
    """One open bus. `read` is called by one thread, `send` by another, `counts` by any."""

    def read(self, timeout_s: float) -> list[Received]:
        """Frames that have come, in order; none after `timeout_s` without any. Raises when the bus has gone."""

    def send(self, frame: BusFrame, timeout_s: float) -> None:
        """Sends one frame; raises when that is not done within `timeout_s`."""

    def close(self) -> None:
        """Lets go of the device; never raises for one that has gone."""

    def counts(self) -> Mapping[str, int]:
        """What has happened since it was opened, by the names of docs/buses.md."""


def wire_bits(frames: int, extended: int, data_bytes: int) -> int:
    """About how long frames are on the wire: 47 bits or, extended, 67, 8 a data byte, and a twentieth of stuff bits.

    A frame's own stuff bits would cost more to count than everything else that is done with it; on our own frames the
    twentieth is right within 3 %.
    """
    return (47 * frames + 20 * extended + 8 * data_bytes) * 21 // 20
