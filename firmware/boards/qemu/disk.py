"""Where the emulated board's two versions lie: in the upper pages of its flash, which is memory to the processor.

The lower pages hold the file system that power_on.py mounts. Never updated in the field.
"""

import uctypes
import vfs
from raw_slots import RawSlots

FOLDER = "/"
SLOTS = "/slots/"
FIRST = 0x21110000  # behind 32 pages for boot files, record, configuration and faults
PAGE = 2048
PAGES = 48  # for a version, as on the NUCLEO-G474RE


class Pages:
    """Flash that is programmed and erased as asked; never twice without an erase, as a chip would refuse it."""

    def __init__(self, content):
        self._content = content

    def writeblocks(self, page, buffer, offset=0):
        at = page * PAGE + offset
        if self._content[at:at + len(buffer)] != b"\xff" * len(buffer):
            return -5
        self._content[at:at + len(buffer)] = buffer
        return 0

    def ioctl(self, what, page):
        if what == 6:
            for at in range(page * PAGE, (page + 1) * PAGE, 64):
                self._content[at:at + 64] = b"\xff" * 64
        return 0


def _mount():
    content = memoryview(uctypes.bytearray_at(FIRST, 2 * PAGES * PAGE))
    raw = RawSlots(Pages(content), content, PAGE, 0, PAGES)
    vfs.mount(raw, SLOTS[:-1])
    return raw


raw = _mount()
