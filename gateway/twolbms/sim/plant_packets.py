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
TIME_WRAP_MS = 1 << 30

CHARGE_CLOSED, DISCHARGE_CLOSED, PRECHARGE_CLOSED, HEATER_ON = 1, 2, 4, 8
INTERLOCK_CLOSED, ARMING_HELD, CHARGER_PRESENT, FEEDBACK_BROKEN = 16, 32, 64, 128
"""Bits of a reading's `flags`; the first four are also those of an output."""

_HEAD = struct.Struct("<BBH")
_READING = struct.Struct("<IHHiiiBB")
_ABSENT_16 = -0x8000
_LENGTHS = {READING: range(_READING.size, _READING.size + 2 * 2 * 128 + 1), OUTPUT: (17,), HELLO: (3,), FRAME: (12,)}


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
        """The READING packet; values beyond their field are held at its ends."""
        wide = [NOT_AVAILABLE if v is None else max(NOT_AVAILABLE + 1, min((1 << 28) - 1, v))
                for v in (self.pack_mv, self.link_mv, self.current_ma)]
        narrow = [_ABSENT_16 if v is None else max(_ABSENT_16 + 1, min(0x7FFF, v))
                  for v in (*self.cells_mv, *self.temps_dc)]
        head = _READING.pack(self.time_ms, self.scan, self.flags, *wide, len(self.cells_mv), len(self.temps_dc))
        return packet(READING, head + struct.pack(f"<{len(narrow)}h", *narrow))


class Output(NamedTuple):
    """What a node commands: bits of `outputs` are charge path, discharge path, precharge, heater."""

    outputs: int
    balancing: bytes

    def packet(self) -> bytes:
        """The OUTPUT packet; the balancing mask has 16 bytes."""
        return packet(OUTPUT, bytes((self.outputs,)) + self.balancing)


class Hello(NamedTuple):
    """How a node introduces itself: its number, and how many cells and sensors it expects."""

    node: int
    cells: int
    sensors: int

    def packet(self) -> bytes:
        """The HELLO packet."""
        return packet(HELLO, bytes(self))


def packet(kind: int, payload: bytes) -> bytes:
    """One packet around `payload`."""
    body = _HEAD.pack(START, kind, len(payload)) + payload
    return body + bytes((sum(body) & 0xFF,))


def frame_packet(can_id: int, data: bytes) -> bytes:
    """A FRAME packet: one CAN frame with a 29-bit id and eight bytes."""
    return packet(FRAME, struct.pack("<I8s", can_id, data))


def parse_reading(payload: bytes) -> Reading:
    """The payload of a READING packet; ValueError when its length is not that of its cells and sensors."""
    time_ms, scan, flags, pack_mv, link_mv, current_ma, cells, sensors = _READING.unpack_from(payload)
    if len(payload) != _READING.size + 2 * (cells + sensors):
        raise ValueError(f"reading of {len(payload)} bytes: expected {cells} cells and {sensors} sensors")
    narrow = tuple(None if value == _ABSENT_16 else value
                   for value in struct.unpack_from(f"<{cells + sensors}h", payload, _READING.size))
    return Reading(time_ms, scan, flags, _known(pack_mv), _known(link_mv), _known(current_ma),
                   narrow[:cells], narrow[cells:])


def _known(value: int) -> int | None:
    return None if value <= NOT_AVAILABLE else value


def parse_output(payload: bytes) -> Output:
    """The payload of an OUTPUT packet."""
    return Output(payload[0], payload[1:17])


def parse_hello(payload: bytes) -> Hello:
    """The payload of a HELLO packet."""
    return Hello(*payload)


def parse_frame(payload: bytes) -> tuple[int, bytes]:
    """The payload of a FRAME packet: id and data."""
    return int.from_bytes(payload[:4], "little"), payload[4:12]


class PacketReader:
    """Cuts a byte stream into packets; what does not fit is skipped, and each byte of it counted in `bad`."""

    def __init__(self) -> None:
        self.bad = 0
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yields (type, payload) of every whole packet."""
        self._buffer += data
        while (size := self._find()) is not None:
            whole = bytes(self._buffer[:size])
            if sum(whole[:-1]) & 0xFF != whole[-1]:
                self._skip(1)
                continue
            del self._buffer[:size]
            yield whole[1], whole[_HEAD.size:-1]

    def _find(self) -> int | None:
        """Size of the packet that begins the buffer, after skipping what begins none; None while it is not whole."""
        while self._buffer:
            start = self._buffer.find(START)
            self._skip(len(self._buffer) if start < 0 else start)
            if len(self._buffer) < _HEAD.size:
                return None
            _, kind, length = _HEAD.unpack_from(self._buffer)
            if length in _LENGTHS.get(kind, ()):
                size = _HEAD.size + int(length) + 1
                return size if len(self._buffer) >= size else None
            self._skip(1)
        return None

    def _skip(self, count: int) -> None:
        self.bad += count
        del self._buffer[:count]
