"""The files of a version as a folder to import from. It stays in memory while the application runs, so it is small."""

import io
import struct

from version import HEAD

_BUFFER = 128


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


class Folder:
    """What MicroPython mounts: `vfs.mount(Folder(version), "/a")`."""

    def __init__(self, version):
        self._path = version.path
        with open(version.path, "rb") as file:
            file.seek(HEAD)
            self._list = file.read(version.listed)

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def _find(self, path):
        """Where it begins and its size; -1 for a folder."""
        name = path.encode()[1:]
        names = self._list
        at = HEAD + len(names)
        i = 0
        while i < len(names):
            end = i + 1 + names[i]
            this = names[i + 1:end]
            size = struct.unpack_from("<I", names, end)[0]
            if this == name:
                return at, size
            if this.startswith(name + b"/"):
                return at, -1
            at += size
            i = end + 4
        raise OSError(2)  # ENOENT

    def stat(self, path):
        size = self._find(path)[1]
        return (0x4000 if size < 0 else 0x8000, 0, 0, 0, 0, 0, max(0, size), 0, 0, 0)

    def open(self, path, mode):
        at, size = self._find(path)
        return _Part(self._path, at, size)
