"""What every device becomes: readings, and the conversation that makes them from bytes. Knows no device and no port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class DeviceReading(NamedTuple):
    """One whole answer or block of a device, judged good.

    `values` are in the units of `fields.py`; None is "the device itself does not know". What the answer does not speak
    of is not in it. `texts` are the words that are no quantity. `alarms` are the device's own alarms in words, None
    where this answer does not speak of alarms.
    """

    raw: bytes
    values: Mapping[str, float | None]
    texts: Mapping[str, str]
    alarms: tuple[str, ...] | None = None


class Talk(Protocol):
    """One conversation over one opened port: bytes in, readings and questions out. It reads no clock and never raises.

    `counts` has at least `damaged`: how often something came that was refused. With the port it begins anew.
    """

    counts: dict[str, int]

    def feed(self, chunk: bytes) -> Sequence[DeviceReading]:
        """Takes bytes as they come, cut anywhere; the readings that they complete."""

    def poll(self, now_ns: int) -> bytes:
        """What is to be sent now, b"" for nothing. Asked again and again, several times a second and after each feed.

        A device that speaks unasked has nothing to send. One that is asked keeps its own pauses and patience here.
        """
