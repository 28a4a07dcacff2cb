"""What a node writes, in the second bank of the STM32G474's flash: a littlefs for record, configuration and faults, and
two versions of the application, which run from where they lie.

Never updated in the field. MicroPython's own storage keeps a page of 2 KB in memory and erases and rewrites it as a
whole, with what it held before: a power cut in between loses that too. Here a page is erased and programmed only as
it is asked for, so that what was written stays. The boot files lie below, in MicroPython's storage, and are not
written again. MicroPython itself is in the first bank (runtime/); code of a version waits while a page is erased.
"""

import struct

FOLDER = "/disk/"
SLOTS = "/slots/"
FIRST = 0x0804A000  # behind 256 KB for MicroPython and 40 KB for the boot files
PAGE = 2048
PAGES = 12  # of littlefs
SLOT_PAGES = 48  # of each version, behind it: 96 KB

# RM0440, chapter 5: registers and bits of the flash interface.
_ACR, _KEYR, _SR, _CR, _OPTR = 0x40022000, 0x40022008, 0x40022010, 0x40022014, 0x40022020
_KEYS = (0x45670123, 0xCDEF89AB)
_DATA_CACHE, _RESET_DATA_CACHE = 1 << 10, 1 << 12
_BUSY = 1 << 16
_TROUBLE = 0xC3FA  # every error flag
_PROGRAM, _ERASE, _START, _LOCK = 1, 2, 1 << 16, 1 << 31
_DUAL_BANK = 1 << 22
_BANK = 0x08040000  # the second bank begins here; its pages are numbered anew, and chosen with bit 11
_EIO = -5


class Pages:
    """Block device of littlefs. `memory` is machine.mem32, `content` the pages as the processor reads them."""

    def __init__(self, memory, content, first=FIRST):
        self._memory = memory
        self._content = memoryview(content)
        self._first = first
        if not memory[_OPTR] & _DUAL_BANK:
            raise OSError(19)  # ENODEV: the pages are others

    def readblocks(self, page, buffer, offset=0):
        at = page * PAGE + offset
        buffer[:] = self._content[at:at + len(buffer)]
        return 0

    def writeblocks(self, page, buffer, offset=0):
        """Programs; only what is erased can be, and each eight bytes once."""
        at = self._first + page * PAGE + offset
        memory = self._memory
        self._open()
        memory[_CR] = _PROGRAM
        failed = 0
        for i in range(0, len(buffer), 8):
            low, high = struct.unpack_from("<II", buffer, i)
            memory[at + i] = low
            memory[at + i + 4] = high
            failed = self._wait()
            if failed:
                break
        self._close()
        return failed

    def ioctl(self, what, page):
        if what == 4:
            return len(self._content) // PAGE
        if what == 5:
            return PAGE
        if what == 6:
            return self._erase(page)
        return 0

    def _erase(self, page):
        number = (self._first - _BANK) // PAGE + page
        self._open()
        self._memory[_CR] = _ERASE | number << 3 | 1 << 11
        self._memory[_CR] = _ERASE | number << 3 | 1 << 11 | _START
        failed = self._wait()
        self._close()
        return failed

    def _open(self):
        memory = self._memory
        self._wait()
        memory[_SR] = _TROUBLE  # flags are cleared by writing ones
        if memory[_CR] & _LOCK:
            for key in _KEYS:
                memory[_KEYR] = key
        memory[_ACR] = memory[_ACR] & ~_DATA_CACHE

    def _wait(self):
        memory = self._memory
        while memory[_SR] & _BUSY:
            pass
        return _EIO if memory[_SR] & _TROUBLE else 0

    def _close(self):
        """Locks again, and lets the data cache forget what was there."""
        memory = self._memory
        memory[_CR] = _LOCK
        memory[_ACR] = memory[_ACR] | _RESET_DATA_CACHE
        memory[_ACR] = memory[_ACR] & ~_RESET_DATA_CACHE | _DATA_CACHE


def _device():
    import uctypes
    from machine import mem32

    return Pages(mem32, uctypes.bytearray_at(FIRST, PAGE * PAGES))


def _raw_slots():
    import uctypes
    from machine import mem32
    from raw_slots import RawSlots

    first = FIRST + PAGE * PAGES
    content = uctypes.bytearray_at(first, 2 * PAGE * SLOT_PAGES)
    return RawSlots(Pages(mem32, content, first), content, PAGE, 0, SLOT_PAGES)


def mount():
    """A disk that cannot be read leaves the node without a record: the service state, outputs open."""
    import vfs

    try:
        vfs.mount(vfs.VfsLfs2(_device()), FOLDER[:-1])
    except OSError:
        return False
    return True


def make():
    """Everything on it is lost. For the first installation."""
    import vfs

    try:  # noqa: SIM105 - there is no contextlib on the node
        vfs.umount(FOLDER[:-1])
    except OSError:
        pass
    vfs.VfsLfs2.mkfs(_device())
    mount()


try:
    mount()
    raw = _raw_slots()
    __import__("vfs").mount(raw, SLOTS[:-1])
except (ImportError, OSError):  # not on a node; or a chip in single-bank mode: no version, so the service state
    pass
