"""Vector BLF, object by object: the measure for `blf_bulk`, which must give the same."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from twolbms.importing.frames import DATA, ERROR, MOST_TIME_NS, REMOTE, Damage, LogFrame
from twolbms.importing.readers.blf_objects import BODY_AT, CAN_OBJECTS, BlfFile, Broken, next_object

TEN_MICROSECONDS = 1  # flag of the object: unit of its time stamp, else nanoseconds
MOST_BYTES = 64

_TIME = struct.Struct("<L4xQ")  # flags, time stamp
_CLASSIC = struct.Struct("<HBBL8s")  # channel, flags, dlc, id, data
_ERROR = struct.Struct("<H14xL")  # channel, id
_FD = struct.Struct("<HBxL6xB5x64s")  # channel, flags, id, valid bytes, data
_FD64 = struct.Struct("<BxBxL4xL19xB4x")  # channel, valid bytes, id, flags, offset of what follows the data


def read_blf(blocks: Iterator[bytes], damage: Damage) -> Iterator[list[LogFrame]]:
    """The frames of a BLF file, up to the first place that cannot be read."""
    file = BlfFile(blocks, damage)
    tail = b""
    for piece in file.pieces():
        data = tail + piece
        frames, tail, sound = _frames(data, file)
        if frames:
            yield frames
        if not sound:
            file.broken()
            break
    if b"LOBJ" in tail:
        file.broken()  # an object that has no end
    file.note_absurd()


def rounded_us(time_ns: int) -> int:
    """Whole microseconds: loggers write them, and some writers cut a float where they should round."""
    return (time_ns + 500) // 1000 * 1000


def _frames(data: bytes, file: BlfFile) -> tuple[list[LogFrame], bytes, bool]:
    """The frames of a piece, what is left for the next one, and whether the chain of objects was sound."""
    frames = []
    at = 0
    try:
        while found := next_object(data, at):
            start, head_size, version, size, kind = found
            if kind in CAN_OBJECTS and version in BODY_AT:
                frame = _frame(data, start, head_size, BODY_AT[version], size, CAN_OBJECTS[kind][0], file.start_ns)
                if frame.time_ns < MOST_TIME_NS - 500:
                    frames.append(frame)
                else:
                    file.absurd += 1
            at = start + size
    except Broken:
        return frames, b"", False
    return frames, data[at:], True


def _frame(data: bytes, start: int, head_size: int, body_at: int, size: int, kind: str, start_ns: int) -> LogFrame:
    flags, stamp = _TIME.unpack_from(data, start + 16)
    time_ns = rounded_us(start_ns + stamp * (10_000 if flags == TEN_MICROSECONDS else 1))
    body = start + body_at
    if kind == "classic":
        channel, flags, dlc, can_id, octets = _CLASSIC.unpack_from(data, body)
        return _new(time_ns, channel, can_id, octets[:dlc], bool(flags & 0x80))
    if kind == "error":
        channel, can_id = _ERROR.unpack_from(data, body)
        return _new(time_ns, channel, can_id, b"", False)._replace(kind=ERROR)
    if kind == "fd":
        channel, flags, can_id, valid, octets = _FD.unpack_from(data, body)
        return _new(time_ns, channel, can_id, octets[:valid], bool(flags & 0x80))
    channel, valid, can_id, flags, extra_at = _FD64.unpack_from(data, body)
    # python-can issue 1905: more bytes may be called valid than there are; the rest is 0.
    there = min(valid, (extra_at or size) - head_size - _FD64.size, size - body_at - _FD64.size, MOST_BYTES)
    at = body + _FD64.size
    octets = data[at : at + max(0, there)].ljust(min(valid, MOST_BYTES), b"\0")
    return _new(time_ns, channel, can_id, octets, bool(flags & 0x10))


def _new(time_ns: int, channel: int, can_id: int, octets: bytes, remote: bool) -> LogFrame:
    """Vector counts channels from 1; channel 0, which nothing should use, is bus 0 too."""
    kind, data = (REMOTE, b"") if remote else (DATA, octets)
    return LogFrame(time_ns, f"can{max(0, channel - 1)}", can_id & 0x1FFFFFFF, bool(can_id >> 31), data, kind)
