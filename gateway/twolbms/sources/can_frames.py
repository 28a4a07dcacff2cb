"""The kernel's CAN frames as bytes: struct can_frame and canfd_frame of linux/can.h, one at a time and in bulk.

Knows their layout only; a record is a frame's space followed by its time stamp's (see batch_receive).
"""

from __future__ import annotations

import struct
import sys

from twolbms.sources.bus import Received, wire_bits
from twolbms.sources.kernel_time import Span
from twolbms.wire import BusFrame

CLASSIC_BYTES, FD_BYTES = 16, 72  # CAN_MTU, CANFD_MTU
STAMP_BYTES = 32  # a control message's header and a struct timespec, on a 64-bit machine
EXTENDED, REMOTE, ERROR = 0x80000000, 0x40000000, 0x20000000  # CAN_EFF_FLAG, CAN_RTR_FLAG, CAN_ERR_FLAG
ID_MASK = 0x1FFFFFFF
FD_LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)

_CLASSIC = struct.Struct("=IB3x8s")
_FD = struct.Struct("=IBB2x64s")
_RECORDS = {CLASSIC_BYTES: struct.Struct("=IB3x8s16xqq"), FD_BYTES: struct.Struct("=IB3x64s16xqq")}
_FLAGS_AT = 3 if sys.byteorder == "little" else 0  # the byte of can_id that holds the three flags
_DATA_FRAME = bytes(flags for flags in range(256) if not flags & 0x60)
_STANDARD = bytes(range(0x80))
_NS = 1_000_000_000
_new = tuple.__new__  # a NamedTuple's own constructor takes twice the time


def pack(can_id: int, extended: bool, data: bytes) -> bytes:
    """A data frame for the kernel: classic up to 8 bytes, CAN FD above, filled up to a length that FD has."""
    head = can_id | EXTENDED if extended else can_id
    if len(data) <= 8:
        return _CLASSIC.pack(head, len(data), data)
    length = next(size for size in FD_LENGTHS if size >= len(data))
    return _FD.pack(head, length, 0, data)


class Bulk:
    """The records of one read. `other` holds those that are no data frames: (can_id with flags, data)."""

    __slots__ = ("bits", "fd", "other", "received")

    def __init__(self, bus: str, records: bytes, sizes: bytes, frame_bytes: int, span: Span) -> None:
        stride = frame_bytes + STAMP_BYTES
        flags, lengths = records[_FLAGS_AT::stride], records[4::stride]
        self.fd = sizes.count(FD_BYTES)
        self.bits = wire_bits(len(sizes), len(flags.translate(None, _STANDARD)), sum(lengths))
        self.other: list[tuple[int, bytes]] = []
        if flags.translate(None, _DATA_FRAME):
            records = self._sift(records, frame_bytes, stride)
        offset_ns, oldest_ns, now_ns = span
        self.received: list[Received] = [
            (_new(BusFrame, (bus, can_id & ID_MASK, can_id > ID_MASK, data[:length])),
             time_ns if oldest_ns <= (time_ns := seconds * _NS + nanoseconds + offset_ns) <= now_ns else now_ns)
            for can_id, length, data, seconds, nanoseconds in _RECORDS[frame_bytes].iter_unpack(records)]

    def _sift(self, records: bytes, frame_bytes: int, stride: int) -> bytes:
        """The records of data frames; the others are put aside."""
        kept = []
        for start in range(0, len(records), stride):
            if records[start + _FLAGS_AT] & 0x60:
                can_id, length, data = _CLASSIC.unpack_from(records, start)
                self.other.append((can_id, data[:length]))
            else:
                kept.append(records[start:start + stride])
        return b"".join(kept)
