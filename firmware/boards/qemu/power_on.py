"""What the MicroPython of a real board does by itself at power-up: mounts its file system, runs boot.py and main.py.

The emulated board's flash is in its PSRAM, behind the ROMFS partition; whoever starts the emulator keeps it in a file.
"""

import os

import uctypes
import vfs


class Flash:
    """Flash as littlefs wants it: erased and programmed as asked."""

    PAGE = 2048
    PAGES = 32  # 40 KB for the boot files, 24 KB for record, configuration and faults; disk.py has the pages above

    def __init__(self):
        self.memory = memoryview(uctypes.bytearray_at(0x21100000, self.PAGE * self.PAGES))
        self.blank = b"\xff" * 64

    def readblocks(self, block, buffer, offset=0):
        at = block * self.PAGE + offset
        buffer[:] = self.memory[at:at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        at = block * self.PAGE + offset
        self.memory[at:at + len(buffer)] = buffer

    def ioctl(self, what, block):
        if what == 4:
            return self.PAGES
        if what == 5:
            return self.PAGE
        if what == 6:
            for at in range(block * self.PAGE, (block + 1) * self.PAGE, 64):
                self.memory[at:at + 64] = self.blank
        return 0


flash = Flash()
try:
    vfs.mount(vfs.VfsLfs2(flash), "/")
except OSError:
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/")
for name in ("boot.py", "main.py"):
    try:
        os.stat(name)
    except OSError:
        break  # a bare board
    execfile(name, {"__name__": "__main__"})  # noqa: F821 - as every port does it
