"""A block: header with checksums, then the compressed records. The unit of writing, acknowledging and reading.

Knows how a block looks, not in which file it lies.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from twolbms.journal.frames import FrameColumns, unpack_frames
from twolbms.journal.payload import PACK, REFUSALS, UNPACK
from twolbms.journal.records import Record

MAGIC = b"\xb22LJ"
VERSION = 1
# magic, version, family, kind, 0, records, raw length, stored length, first ns, last ns, boot id, CRC of the payload
_FIELDS = struct.Struct("<4sBBBxIIIqq16sI")
_CRC = struct.Struct("<I")
HEADER_SIZE = _FIELDS.size + _CRC.size  # 60

FAMILY_NUMBERS = {"frame": 1, "reading": 2, "sample": 3, "event": 4}
_FAMILY_NAMES = {number: name for name, number in FAMILY_NUMBERS.items()}

STORED, DEFLATED, SUMMARY, HOLE, BY_BYTES = 0, 1, 2, 3, 4  # BY_BYTES: of frames, compressed
WITHOUT_RECORDS = (SUMMARY, HOLE)
MOST_BYTES = 64 << 20  # a block that says it is larger is not one of ours
_LEVEL, _MEMORY_LEVEL = 1, 6
_MOST_TIME_NS = 1 << 62  # so that the difference of two times fits 64 bits


class Header(NamedTuple):
    """What the first 60 bytes of a block say; the times are of the boot's monotonic clock."""

    family: str
    kind: int
    records: int
    raw_size: int
    stored_size: int
    first_ns: int
    last_ns: int
    boot_id: str
    payload_crc: int

    @property
    def size(self) -> int:
        """Bytes of the whole block."""
        return HEADER_SIZE + self.stored_size


def pack_header(header: Header) -> bytes:
    """The 60 bytes of a header."""
    fields = _FIELDS.pack(MAGIC, VERSION, FAMILY_NUMBERS[header.family], header.kind, *header[2:7],
                          bytes.fromhex(header.boot_id), header.payload_crc)
    return fields + _CRC.pack(zlib.crc32(fields))


def read_header(raw: bytes) -> Header | None:
    """The header at the front of `raw`; None when there is none of this version with a right checksum."""
    if len(raw) < HEADER_SIZE or not raw.startswith(MAGIC):
        return None
    fields = raw[:_FIELDS.size]
    if zlib.crc32(fields) != _CRC.unpack_from(raw, _FIELDS.size)[0]:
        return None
    _, version, family, kind, records, raw_size, stored_size, first_ns, last_ns, boot, crc = _FIELDS.unpack(fields)
    if version != VERSION or family not in _FAMILY_NAMES or max(raw_size, stored_size) > MOST_BYTES:
        return None
    return Header(_FAMILY_NAMES[family], kind, records, raw_size, stored_size, first_ns, last_ns, boot.hex(), crc)


def is_of_later_version(raw: bytes) -> bool:
    """Whether a block of a format that this program does not know yet begins here; not to be taken for a torn one."""
    return raw.startswith(MAGIC) and raw[4:5] > bytes([VERSION])


def pack_block(family: str, boot_id: str, records: Sequence[Any]) -> tuple[Header, bytes]:
    """A whole block of at least one record; one of `payload.REFUSALS` when a record cannot be held."""
    raw, first_ns, last_ns, by_bytes = PACK[family](records)
    kind, stored = BY_BYTES if by_bytes else DEFLATED, _deflate(raw)
    if len(stored) >= len(raw) and not by_bytes:
        kind, stored = STORED, raw
    if first_ns <= -_MOST_TIME_NS or last_ns >= _MOST_TIME_NS:
        raise ValueError("time beyond 146 years from the clock's zero")
    header = Header(family, kind, len(records), len(raw), len(stored), first_ns, last_ns, boot_id, zlib.crc32(stored))
    return header, pack_header(header) + stored


def pack_what_fits(family: str, boot_id: str, records: Sequence[Any]) -> tuple[Header, bytes, Sequence[Any]] | None:
    """A block of those records that the format can hold, and these records; None when it can hold none of them."""
    packed = _try_pack(family, boot_id, records)
    if packed is None:
        records = [record for record in records if _try_pack(family, boot_id, [record])]
        packed = _try_pack(family, boot_id, records)
    return (*packed, records) if packed else None


def _try_pack(family: str, boot_id: str, records: Sequence[Any]) -> tuple[Header, bytes] | None:
    try:
        return pack_block(family, boot_id, records)
    except REFUSALS:
        return None


def pack_summary(family: str, boot_id: str, records: int, first_ns: int, last_ns: int) -> bytes:
    """The header without payload that ends a full segment: number and time range of all its records."""
    return pack_header(Header(family, SUMMARY, records, 0, 0, first_ns, last_ns, boot_id, 0))


def pack_hole(family: str, boot_id: str, size: int, time_ns: int) -> bytes:
    """What a repair puts in the place of `size` damaged bytes, at least a header's, so that cursors stay good."""
    zeros = bytes(size - HEADER_SIZE)
    return pack_header(Header(family, HOLE, 0, 0, len(zeros), time_ns, time_ns, boot_id, zlib.crc32(zeros))) + zeros


def _deflate(raw: bytes) -> bytes:
    # A third of the time of zlib.compress for a small block, whose tables are larger than the block, and no larger.
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY_LEVEL)
    return deflater.compress(raw) + deflater.flush()


def unpack_records(header: Header, payload: bytes, shift_ns: int = 0) -> list[Record]:
    """The records of a block whose checksum was right, their times plus `shift_ns`; one of `payload.NONSENSE`."""
    if header.family == "frame":
        return unpack_frame_columns(header, payload, shift_ns).frames()
    return UNPACK[header.family](_inflate(header, payload), header.records, shift_ns)


def unpack_frame_columns(header: Header, payload: bytes, shift_ns: int = 0) -> FrameColumns:
    """The frames of a block of that family as columns; else as `unpack_records`."""
    return unpack_frames(_inflate(header, payload), header.records, shift_ns, header.kind == BY_BYTES)


def _inflate(header: Header, payload: bytes) -> bytes:
    if header.kind == STORED:
        return payload
    if header.kind != DEFLATED and (header.kind, header.family) != (BY_BYTES, "frame"):
        raise ValueError(f"unknown kind of block {header.kind}")
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(payload, header.raw_size or 1)
    except zlib.error as error:
        raise ValueError(f"payload does not inflate: {error}") from error
    if len(raw) != header.raw_size:
        raise ValueError("payload inflates to another length")
    return raw
