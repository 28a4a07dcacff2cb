"""A version of the application in one file, checked as a whole.

The file: a head of 64 bytes, the modules as a ROMFS image, and the SHA-256 of everything before it. Knows nothing of
slots.
"""

import hashlib
import os
import struct
import sys

HEAD = 64
HASH = 32
MAGIC = b"2LBM"
FORMAT = 2
_HEAD = "<4sB3sB3s4sI24s16s4s"  # magic, format, firmware, arch, nothing, limits, size, pack, board, nothing
_PIECE = 512


def runs_here(arch):
    """Whether machine code for `arch` runs here; 0 is none. Each Thumb core runs what is for a smaller one."""
    own = getattr(sys.implementation, "_mpy", 0) >> 10 & 15
    return arch == 0 or arch == own or 4 <= arch <= own <= 8


class Version:
    """What a head says. Raises ValueError for bytes that are none, or none that this code can read."""

    def __init__(self, head):
        if len(head) != HEAD:
            raise ValueError("too short")
        magic, made, self.firmware, self.arch, _, self.limits, self.size, pack, board, _ = struct.unpack(_HEAD, head)
        if magic != MAGIC or made != FORMAT:
            raise ValueError("not a version of the application")
        self.pack = pack.rstrip(b"\0")
        self.board = board.rstrip(b"\0")
        self.id = b""
        self.path = ""

    def fits(self, board):
        """Whether it is made for this board and this core."""
        return self.board == board and runs_here(self.arch)


class Check:
    """Reads a file and compares its hash, a piece at a time: `step()` until it returns True; then `version` or None."""

    def __init__(self, path):
        self.version = None
        self._found = None
        self._file = open(path, "rb")  # noqa: SIM115 - it stays open between the steps
        self._hash = hashlib.sha256()
        self._buffer = memoryview(bytearray(_PIECE))
        try:
            head = self._file.read(HEAD)
            found = Version(head)
            found.path = path
            if os.stat(path)[6] == found.size:
                self._found = found
                self._hash.update(head)
                self._left = found.size - HEAD - HASH
        except ValueError:
            pass

    def step(self, pieces=4):
        """Reads at most that many pieces of 512 bytes. True when there is nothing left to do."""
        for _ in range(pieces):
            if self._found is None:
                self._file.close()
                return True
            if self._left <= 0:
                self._end()
            else:
                n = self._file.readinto(self._buffer[: min(_PIECE, self._left)])
                self._hash.update(self._buffer[:n])
                self._left = self._left - n if n else -1
        return False

    def _end(self):
        told = self._file.read(HASH)
        if self._left == 0 and told == self._hash.digest():
            self.version = self._found
            self.version.id = told[:4]
        self._found = None


def look(path):
    """The version in that file, or None when there is none or it is not whole."""
    try:
        check = Check(path)
        while not check.step(64):
            pass
        return check.version
    except OSError:
        return None
