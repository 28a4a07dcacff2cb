"""Versions of the application come, fail, are rolled back and are kept, while the power goes; see power_cut_device.py.

After the number of cuts comes the kind of flash: "pages"; "raw", where the versions lie behind the file system in raw
pages; or "cached", which is MicroPython's own storage on an stm32: it keeps a page of 2 KB in memory and erases and
rewrites it as a whole.
"""

import hashlib
import struct
import sys

import power_cut_device as device
from power_cut_device import BLOCK, BLOCKS, MIXED, NEW, NONE, OLD

kind = sys.argv[2]
sys.path[:] = [path[:-3] + "boot" for path in sys.path if path.endswith("firmware/src")] + sys.path

import slot_record  # noqa: E402 - after the path is set
import slots  # noqa: E402
from raw_slots import RawSlots  # noqa: E402
from store.image import ImageWriter  # noqa: E402
from version import _HEAD, FORMAT, HASH, HEAD, MAGIC  # noqa: E402

slot_record.FOLDER = device.FOLDER


class Safe:
    BOARD = b"bench"

    @staticmethod
    def arming():
        return True


class CachedFlash(device.CutFlash):
    """Blocks of 512 bytes; their page is erased and rewritten when another page is wanted, or on sync."""

    SIZE = 512

    def __init__(self):
        self.held = bytearray(BLOCK)
        super().__init__()

    def power_on(self):
        super().power_on()
        self.page = -1

    def _flush(self):
        page = self.page
        self.page = -1
        return 0 if page < 0 else self._erase(page) or super().writeblocks(page, self.held)

    def readblocks(self, block, buffer, offset=0):
        at = block * self.SIZE + offset
        if at // BLOCK != self.page:
            return super().readblocks(0, buffer, at)
        for i in range(len(buffer)):
            buffer[i] = self.held[at % BLOCK + i]
        return 0

    def writeblocks(self, block, buffer, offset=0):
        at = block * self.SIZE + offset
        failed = 0
        if at // BLOCK != self.page:
            failed = self._flush()
            super().readblocks(at // BLOCK, self.held)
            self.page = at // BLOCK
        for i in range(len(buffer)):
            self.held[at % BLOCK + i] = buffer[i]
        return failed

    def ioctl(self, operation, argument):
        if operation == 3:
            return self._flush()
        if operation == 4:
            return BLOCKS * BLOCK // self.SIZE
        return self.SIZE if operation == 5 else 0


class RawFlash(device.CutFlash):
    """A littlefs below, as mkfs makes it, and two slots above."""

    LITTLEFS, SLOT = 20, 6  # pages

    def ioctl(self, operation, argument):
        return self.LITTLEFS if operation == 4 else super().ioctl(operation, argument)


def mount_both(flash):
    device.vfs.mount(device.vfs.VfsLfs2(flash), device.FOLDER[:-1])
    device.vfs.mount(RawSlots(flash, flash.memory, BLOCK, flash.LITTLEFS, flash.SLOT), slot_record.SLOTS[:-1])


def unmount_both():
    for folder in (device.FOLDER, slot_record.SLOTS):
        try:  # noqa: SIM105 - no contextlib on MicroPython
            device.vfs.umount(folder[:-1])
        except OSError:
            pass


def made(name, version):
    """A version of some 3 KB; odd ones have other limits than even ones, so that arming is met too."""
    content = f"{name} {version} ".encode() * 300
    size = HEAD + len(content) + HASH
    limits = bytes([1 + version % 2, 0, 0, 0])
    head = struct.pack(_HEAD, MAGIC, FORMAT, bytes(3), 0, b"", limits, size, b"some_pack", Safe.BOARD, b"")
    whole = head + content
    return whole + hashlib.sha256(whole).digest()


def start():
    """A start: the slot and the version's bytes that the boot would run."""
    chosen = slots.choose(Safe)
    if chosen is None:
        return -1, b""
    with open(chosen[1].path, "rb") as file:
        return chosen[0], file.read()


def prove(slot):
    """The healthy minute of what runs in that slot."""
    sys.path.insert(0, ("/a", "/b")[slot])
    slot_record.keep()
    sys.path.pop(0)


def bring(new):
    """A new version comes into the other slot and is to start; False when it is refused for having failed twice."""
    writer = ImageWriter(slot_record.make_room(), Safe.BOARD, 100000)
    for at in range(0, len(new), 500):
        if writer.feed(new[at:at + 500]):
            raise OSError(5)
    while not writer.step():
        pass
    answer = slot_record.start_other(Safe.BOARD)
    if answer not in (slot_record.TRIED, slot_record.WAITING, slot_record.FAILED_TWICE):
        raise OSError(5)
    return answer != slot_record.FAILED_TWICE


class Update:
    survivor = None

    def first(self):
        with open(slot_record.path(0), "wb") as file:
            file.write(made("good", 0))
        prove(start()[0])

    def change(self, version):
        """A good version crashes once and is kept; then one that crashes twice is rolled back."""
        prove(start()[0])
        bring(made("good", version))
        start()
        prove(start()[0])
        if bring(made("bad", version)):
            for _ in range(3):
                start()

    def judge(self, version):
        """A version on trial that will be rolled back is whole; what comes back after it counts."""
        slot, ran = start()
        if ran == made("bad", version):
            start()
            slot, ran = start()
        if slot < 0:
            return NONE
        return {made("good", version - 1): OLD, made("good", version): NEW}.get(ran, MIXED)


if kind == "cached":
    device.CutFlash = CachedFlash
if kind == "raw":
    device.CutFlash = RawFlash
    device.mount, device.unmount = mount_both, unmount_both
    slot_record.SLOTS = "/raw/"
device.main(Update())
