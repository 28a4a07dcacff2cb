"""The packets of the plant link as bytes: readings to a node, outputs and frames from it.

0xB5, type, u16 length, payload, 8-bit sum of all before it; little-endian. Knows no socket and no clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

START = 0xB5
READING, OUTPUT, HELLO, FRAME = b"ROHC"
NOT_AVAILABLE = -(1 << 28)
_HEAD = struct.Struct("<BBH")
_READING = struct.Struct("<IHHiiiBB")
_ABSENT_16 = -0x8000
LONGEST = 600


class Reading(NamedTuple):
    """Integer readings of one moment; None where a sensor is missing. mV, mA, 0.1 °C, ms (wrapping at 2^30)."""

    time_ms: int
    scan: int
    flags: int
    pack_mv: int | None
    link_mv: int | None
    current_ma: int | None
    cells_mv: tuple[int | None, ...]
    temps_dc: tuple[int | None, ...]

    def packet(self) -> bytes:
        """The READING packet."""
        wide = [NOT_AVAILABLE if v is None else max(-(1 << 28) + 1, min((1 << 28) - 1, v))
                for v in (self.pack_mv, self.link_mv, self.current_ma)]
        narrow = [_ABSENT_16 if v is None else max(_ABSENT_16 + 1, min(0x7FFF, v)) for v in (*self.cells_mv, *self.temps_dc)]
        head = _READING.pack(self.time_ms, self.scan, self.flags, *wide, len(self.cells_mv), len(self.temps_dc))
        return packet(READING, head + struct.pack(f"<{len(narrow)}h", *narrow))


class Output(NamedTuple):
    """What a node commands: bits of `outputs` are charge path, discharge path, precharge, heater."""

    outputs: int
    balancing: bytes


def packet(kind: int, payload: bytes) -> bytes:
    """One packet around `payload`."""
    body = _HEAD.pack(START, kind, len(payload)) + payload
    return body + bytes((sum(body) & 0xFF,))


def frame_packet(can_id: int, data: bytes) -> bytes:
    """A FRAME packet: one CAN frame with a 29-bit id and eight bytes."""
    return packet(FRAME, struct.pack("<I8s", can_id, data))


def parse_output(payload: bytes) -> Output:
    """The payload of an OUTPUT packet."""
    return Output(payload[0], payload[1:17])


def parse_frame(payload: bytes) -> tuple[int, bytes]:
    """The payload of a FRAME packet: id and data."""
    return int.from_bytes(payload[:4], "little"), payload[4:12]


class PacketReader:
    """Cuts a byte stream into packets; what does not fit is skipped and counted in `bad`."""

    def __init__(self) -> None:
        self.bad = 0
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yields (type, payload) of every whole packet."""
        self._buffer += data
        while True:
            start = self._buffer.find(START)
            if start:
                self.bad += 1 if self._buffer else 0
                del self._buffer[: start if start > 0 else len(self._buffer)]
            if len(self._buffer) < _HEAD.size:
                return
            _, kind, length = _HEAD.unpack_from(self._buffer)
            end = _HEAD.size + length
            if length > LONGEST:
                self.bad += 1
                del self._buffer[0]
                continue
            if len(self._buffer) <= end:
                return
            if sum(self._buffer[:end]) & 0xFF != self._buffer[end]:
                self.bad += 1
                del self._buffer[0]
                continue
            payload = bytes(self._buffer[_HEAD.size:end])
            del self._buffer[: end + 1]
            yield kind, payload
