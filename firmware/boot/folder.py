"""The modules of a version as a folder to import from, for a board that cannot run them from where they lie.

What is imported is read into memory. The folder stays while the application runs, so it is small.
"""

import io
import struct

from version import HASH, HEAD

_BUFFER = 128
_FOLDER, _FILE = 4, 5  # kinds of MicroPython's ROMFS records; a number has seven bits a byte, the highest first


class _Part(io.IOBase):
    """One file of a version, open for reading."""

    def __init__(self, path, at, size):
        self._file = open(path, "rb")  # noqa: SIM115 - closed by whoever reads it
        self._file.seek(at)
        self._left = size

    def readinto(self, buffer):
        n = min(len(buffer), self._left)
        if n < len(buffer):
            buffer = memoryview(buffer)[:n]
        n = self._file.readinto(buffer) if n else 0
        self._left -= n
        return n

    def ioctl(self, what, _):
        if what == 4:  # close
            self._file.close()
            return 0
        return _BUFFER if what == 11 else -22  # the size of buffer it likes; EINVAL


def _number(file):
    value = 0
    while True:
        byte = file.read(1)[0]
        value = value << 7 | byte & 127
        if byte < 128:
            return value


def _walk(file, end, place, found):
    """Adds to `found` the files from here to `end`, which lie in `place`: length of the name, name, where, size."""
    while file.tell() < end:
        kind = _number(file)
        after = _number(file) + file.tell()
        if kind in (_FOLDER, _FILE):
            name = place + file.read(_number(file))
            if kind == _FOLDER:
                _walk(file, after, name + b"/", found)
            else:
                _number(file)  # the kind of what a file holds: its bytes
                size = _number(file)
                found.append(len(name))
                found.extend(name + struct.pack("<II", file.tell(), size))
        file.seek(after)


class Folder:
    """What MicroPython mounts: `vfs.mount(Folder(version), "/a")`."""

    def __init__(self, version):
        self._path = version.path
        self._list = bytearray()
        with open(version.path, "rb") as file:
            file.seek(HEAD)
            _number(file)  # the kind of the outermost record: a file system
            _number(file)
            _walk(file, version.size - HASH, b"", self._list)

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def _find(self, path):
        """Where it begins and its size; -1 for a folder."""
        name = path.encode()[1:]
        names = self._list
        i = 0
        while i < len(names):
            end = i + 1 + names[i]
            this = names[i + 1:end]
            if this == name:
                return struct.unpack_from("<II", names, end)
            if this.startswith(name + b"/"):
                return 0, -1
            i = end + 8
        raise OSError(2)  # ENOENT

    def stat(self, path):
        size = self._find(path)[1]
        return (0x4000 if size < 0 else 0x8000, 0, 0, 0, 0, 0, max(0, size), 0, 0, 0)

    def open(self, path, mode):
        at, size = self._find(path)
        return _Part(self._path, at, size)
