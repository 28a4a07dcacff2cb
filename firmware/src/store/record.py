"""One record that survives a power cut: two copies written in turn, each of them whole or not there at all.

A new copy is written beside the older one and renamed over it, which littlefs does in one step. Knows no content and
checks no range.
"""

import os
import struct
from binascii import crc32

from drivers.const import const

MOST_BYTES = 4096  # a longer payload is none of ours
_HEAD = "<4sBBHI"  # magic, format, nothing, bytes of payload, sequence number; then the payload, then its CRC-32
_HEAD_BYTES = const(12)
_MAGIC = b"2LRC"
_FORMAT = const(1)
_MISSING = const(2)  # ENOENT
_PIECE = const(64)


class Record:
    """`path` without the copy's number. `bad` counts the copies that the last read() found damaged, `sequence` is the
    number of the copy it gave."""

    def __init__(self, path):
        self.path = path
        self.bad = 0
        self.sequence = 0
        self._newest = -1
        self._looked = False

    def read(self):
        """The payload of the newer whole copy, or None. Never raises."""
        self.bad = self.sequence = 0
        self._newest = -1
        self._looked = True
        best = None
        for copy in range(2):
            payload = self._load(copy)
            if payload is None or (best is not None and self._found < self.sequence):
                continue
            best = payload
            self.sequence = self._found
            self._newest = copy
        return best

    def _load(self, copy):
        """The payload of one copy, its number in `_found`; None when it is missing, or damaged, which is counted."""
        try:
            with open(f"{self.path}.{copy}", "rb") as file:
                head = file.read(_HEAD_BYTES)
                length = self._judge(head)
                payload = file.read(length) if length >= 0 else b""
                if len(payload) == length and file.read(5) == _check(crc32(payload, crc32(head))):
                    return payload
        except (OSError, MemoryError) as error:
            if error.args and error.args[0] == _MISSING:
                return None
        self.bad += 1
        return None

    def _judge(self, head):
        """Bytes of payload that follow a head, -1 when it is none of ours."""
        if len(head) != _HEAD_BYTES:
            return -1
        magic, made, nothing, length, self._found = struct.unpack(_HEAD, head)
        return length if magic == _MAGIC and made == _FORMAT and not nothing and length <= MOST_BYTES else -1

    def write(self, payload, more=b"", more_bytes=0):
        """Puts `payload`, and `more` of so many bytes behind it, over the older copy, and reads it back.

        False when that failed; the newer copy is untouched. It takes little memory, however long they are.
        """
        length = len(payload) + more_bytes
        if length > MOST_BYTES:
            return False
        if not self._looked:
            self.read()
        copy = 1 if self._newest == 0 else 0
        head = struct.pack(_HEAD, _MAGIC, _FORMAT, 0, length, self.sequence + 1)
        check = _check(crc32(more, crc32(payload, crc32(head))))
        try:
            self._put(head, payload, more, check, copy)
            if not self._equals(copy, head, length, check):
                return False
        except (OSError, MemoryError):
            return False
        self._newest = copy
        self.sequence += 1
        return True

    def _put(self, head, payload, more, check, copy):
        new = self.path + ".new"
        with open(new, "wb") as file:
            for part in (head, payload, more, check):
                file.write(part)
            if hasattr(os, "fsync"):  # CPython; littlefs has all on the medium when the file is closed
                file.flush()
                os.fsync(file.fileno())
        os.rename(new, f"{self.path}.{copy}")
        if hasattr(os, "sync") and not hasattr(os, "fsync"):
            os.sync()

    def _equals(self, copy, head, length, check):
        """Whether the medium gives back what it was given, by its check, in small pieces."""
        with open(f"{self.path}.{copy}", "rb") as file:
            if file.read(_HEAD_BYTES) != head:
                return False
            found = crc32(head)
            while length:
                piece = file.read(min(length, _PIECE))
                if not piece:
                    return False
                found = crc32(piece, found)
                length -= len(piece)
            return file.read(5) == check == _check(found)


def _check(value):
    """A CRC-32 as bytes; five are read where they should be, so that one too many is seen."""
    return struct.pack("<I", value & 0xFFFFFFFF)
