"""Vector BLF through python-can's reader, and how far the file was whole. Knows the object headers, not the objects."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from twolbms.importing.frames import DATA, ERROR, MOST_TIME_NS, REMOTE, Damage, LogFrame

if TYPE_CHECKING:
    from can import Message

_BATCH = 5000
_OBJECT_HEAD = 16  # "LOBJ", header size (2 bytes), header version (2), object size (4), object type (4)


def read_blf(file: BinaryIO, size: int, damage: Damage) -> Iterator[list[LogFrame]]:
    """The frames of a BLF file of `size` bytes, up to the first place that cannot be read."""
    from can.io.blf import BLFParseError, BLFReader

    broken_at = _first_break(file, size)
    file.seek(0)
    logging.getLogger("can.io.blf").setLevel(logging.ERROR)
    batch: list[LogFrame] = []
    failed, absurd = False, 0
    try:
        for message in BLFReader(file):
            frame = _frame(message)
            if not 0 <= frame.time_ns < MOST_TIME_NS:
                absurd += 1
                continue
            batch.append(frame)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    except (BLFParseError, struct.error, zlib.error, ValueError, OverflowError):
        failed = True
    if batch:
        yield batch
    if absurd:
        damage.malformed_lines += absurd
        damage.note(f"frames of the BLF file with a time before 1970 or after 2116, left out: {absurd}")
    if failed or broken_at is not None:
        damage.malformed_lines += 1
        where = f" from byte {broken_at} on" if broken_at is not None else ""
        damage.note(f"the BLF file is cut off or damaged{where}; what follows was not read")


def _frame(message: Message) -> LogFrame:
    """python-can truncates the time stamp to a float: rounded to whole microseconds it is the logged one again."""
    time_ns = round(message.timestamp * 1e6) * 1000
    # Vector counts channels from 1 and python-can takes that off; channel 0, which nothing should use, is bus 0 too.
    channel = message.channel if isinstance(message.channel, int) else 0
    kind = ERROR if message.is_error_frame else REMOTE if message.is_remote_frame else DATA
    data = bytes(message.data) if kind == DATA else b""
    return LogFrame(time_ns, f"can{max(0, channel)}", message.arbitration_id, message.is_extended_id, data, kind)


def _first_break(file: BinaryIO, size: int) -> int | None:
    """The byte where the chain of objects does not go on as it should; None if it reaches the end of the file."""
    file.seek(0)
    head = file.read(8)
    if len(head) < 8:
        return 0
    position: int = struct.unpack("<4sL", head)[1]
    while position < size:
        file.seek(position)
        head = file.read(_OBJECT_HEAD)
        if len(head) < _OBJECT_HEAD:
            return position
        signature, object_size = head[:4], int.from_bytes(head[8:12], "little")
        if signature != b"LOBJ" or object_size < _OBJECT_HEAD or position + object_size > size:
            return position
        position += object_size + object_size % 4
    return None
