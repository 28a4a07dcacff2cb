"""Two versions in flash that the processor reads as memory, one behind the other: their code runs from where it lies.

What MicroPython mounts as a folder of slot_a.2lb and slot_b.2lb, so that everybody else deals with files. Never updated
in the field. Of a version it knows only how its head tells its size.
"""

import struct

from version import HASH, HEAD, MAGIC

NAMES = ("slot_a.2lb", "slot_b.2lb")
_FREE = 2
_ENOENT, _EBUSY = 2, 16


class _Reader:
    """A version, open for reading."""

    def __init__(self, content):
        self._content = content
        self._at = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        pass

    def close(self):
        pass

    def readinto(self, buffer):
        n = min(len(buffer), len(self._content) - self._at)
        memoryview(buffer)[:n] = self._content[self._at : self._at + n]
        self._at += n
        return n

    def read(self, most=-1):
        most = len(self._content) - self._at if most < 0 else min(most, len(self._content) - self._at)
        self._at += most
        return bytes(self._content[self._at - most : self._at])


class RawSlots:
    """`flash` is a block device as littlefs has it, `content` its bytes as the processor reads them.

    Its pages of `page_bytes` from number `first` on are the slots', `pages` for each.
    """

    def __init__(self, flash, content, page_bytes, first, pages):
        self._flash = flash
        self._content = memoryview(content)
        self._page_bytes = page_bytes
        self._first = first
        self._pages = pages
        self._runs = _FREE

    def run(self, slot, size):
        """The modules of the version of `size` bytes, as memory. From now on nothing can be written into that slot."""
        self._runs = slot
        return self._slot(slot)[HEAD : size - HASH]

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def ilistdir(self, path):
        return iter([(NAMES[slot], 0x8000, 0, size) for slot in (0, 1) if (size := self._size(slot))])

    def stat(self, path):
        if path in ("", "/"):
            return (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        return (0x8000, 0, 0, 0, 0, 0, len(self._there(path)), 0, 0, 0)

    def remove(self, path):
        self._there(path)
        self._erase(self._number(path))

    def open(self, path, mode):
        if "r" in mode:
            return _Reader(self._there(path))
        from slot_writer import SlotWriter  # only an update needs it

        slot = self._number(path)
        self._erase(slot)
        return SlotWriter(self._flash, self._page_bytes, self._first + slot * self._pages, self._pages)

    def _number(self, path):
        if path[1:] not in NAMES:
            raise OSError(_ENOENT)
        return NAMES.index(path[1:])

    def _slot(self, slot):
        size = self._pages * self._page_bytes
        at = self._first * self._page_bytes + slot * size
        return self._content[at : at + size]

    def _size(self, slot):
        """What the head says, 0 when there is none."""
        content = self._slot(slot)
        size = struct.unpack_from("<I", content, 16)[0]
        return size if bytes(content[:4]) == MAGIC and size <= len(content) else 0

    def _there(self, path):
        """The bytes of that version. Raises OSError."""
        slot = self._number(path)
        size = self._size(slot)
        if not size:
            raise OSError(_ENOENT)
        return self._slot(slot)[:size]

    def _erase(self, slot):
        """Its head is gone, and so the version; the other pages are erased when they are written."""
        if slot == self._runs:
            raise OSError(_EBUSY)  # code that runs from here
        if self._flash.ioctl(6, self._first + slot * self._pages):
            raise OSError(5)  # EIO
