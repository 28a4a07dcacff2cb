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
ESTOP_CLOSED, SMOKE, LEAK, CLEAR_PRESSED, WAKE_KEY = 256, 512, 1024, 2048, 4096
MONITOR_SOUND, MEMORY_BAD = 8192, 16384
"""Bits of a reading's `flags`; the first four are also those of an output."""
ASLEEP, LIGHT_ON = 16, 32
"""More bits of an output: the node has put itself to sleep; its status light is lit."""
HEALTHY = INTERLOCK_CLOSED | ESTOP_CLOSED | MONITOR_SOUND

_HEAD = struct.Struct("<BBH")
_READING = struct.Struct("<IHHiiiiHHBBBBBBBB")
_ABSENT_16 = -0x8000
_ABSENT_U16, _ABSENT_U8 = 0xFFFF, 0xFF
_LENGTHS = {READING: range(_READING.size, _READING.size + 2 * 2 * 128 + 1), OUTPUT: (17,), HELLO: (3,), FRAME: (12,)}


class Reading(NamedTuple):
    """Integer readings of one moment; None where a sensor is missing. mV, mA, 0.1 °C, ms (wrapping at 2^30).

    `second_ma` is the second current sensor; `monitor_age` counts cycles since the cell monitor last answered;
    `monitor_trips` are its own trips (bit 0: short circuit), `restarts` those without a healthy minute in between,
    `wear_percent` what earlier lives of the node have taken from the outputs' life.
    """

    time_ms: int
    scan: int
    flags: int
    pack_mv: int | None
    link_mv: int | None
    current_ma: int | None
    cells_mv: tuple[int | None, ...]
    temps_dc: tuple[int | None, ...]
    second_ma: int | None = None
    supply_mv: int | None = None
    insulation_kohm: int | None = None
    humidity_percent: int | None = None
    monitor_age: int = 0
    open_wires: int = 0
    monitor_trips: int = 0
    restarts: int = 0
    wear_percent: int = 0

    def packet(self) -> bytes:
        """The READING packet; values beyond their field are held at its ends."""
        wide = [NOT_AVAILABLE if v is None else max(NOT_AVAILABLE + 1, min((1 << 28) - 1, v))
                for v in (self.pack_mv, self.link_mv, self.current_ma, self.second_ma)]
        narrow = [_ABSENT_16 if v is None else max(_ABSENT_16 + 1, min(0x7FFF, v))
                  for v in (*self.cells_mv, *self.temps_dc)]
        more = [_ABSENT_U16 if v is None else max(0, min(_ABSENT_U16 - 1, v))
                for v in (self.supply_mv, self.insulation_kohm)]
        humidity = _ABSENT_U8 if self.humidity_percent is None else self.humidity_percent
        head = _READING.pack(self.time_ms, self.scan, self.flags, *wide, *more, humidity, min(255, self.monitor_age),
                             self.open_wires, self.monitor_trips, self.restarts, self.wear_percent,
                             len(self.cells_mv), len(self.temps_dc))
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
    (time_ms, scan, flags, pack_mv, link_mv, current_ma, second_ma, supply_mv, insulation_kohm, humidity, age, wires,
     trips, restarts, wear, cells, sensors) = _READING.unpack_from(payload)
    if len(payload) != _READING.size + 2 * (cells + sensors):
        raise ValueError(f"reading of {len(payload)} bytes: expected {cells} cells and {sensors} sensors")
    narrow = tuple(None if value == _ABSENT_16 else value
                   for value in struct.unpack_from(f"<{cells + sensors}h", payload, _READING.size))
    return Reading(time_ms, scan, flags, _known(pack_mv), _known(link_mv), _known(current_ma),
                   narrow[:cells], narrow[cells:], _known(second_ma), None if supply_mv == _ABSENT_U16 else supply_mv,
                   None if insulation_kohm == _ABSENT_U16 else insulation_kohm,
                   None if humidity == _ABSENT_U8 else humidity, age, wires, trips, restarts, wear)


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
