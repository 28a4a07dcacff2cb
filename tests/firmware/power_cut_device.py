"""A flash that loses its power in the middle of what it does, and stories told on it: runs on MicroPython.

A story is an object with `first()`, which writes version 0 of its things on the empty, mounted file system in FOLDER;
`change(version)`, which does what a node does from its boot to having written that version; and `judge(version)`, which
boots anew, reads everything back and returns OLD, NEW, NONE or MIXED. `run(story, cuts)` cuts the power in change().
`survivor`, an array or None, is memory with a supply of its own: a cut leaves it as it is.
"""

import json
import os
import sys

import vfs

OLD, NEW, NONE, MIXED = "old", "new", "none", "mixed"
FOLDER = "/cut/"
BLOCK = 2048  # a page of the STM32G4's flash
BLOCKS = 32
INTO = (0, 1, 8, 16, 100)  # bytes of a write or erase that are done when the power goes
ROUNDS = 8  # versions over which the cuts are spread, so that the file system is met at several ages
NEVER = 1 << 29
FAILED = -5  # EIO


class CutFlash:
    """NOR flash as MicroPython's extended block device: a write only clears bits, an erase sets a block's bytes to FF.

    The write or erase after `until` more of them stops `into` bytes in, with the byte under way half done; from then
    on everything fails until `power_on`. Nothing here allocates: the garbage collector may be what closes a file.
    """

    def __init__(self):
        self.memory = bytearray(b"\xff" * (BLOCK * BLOCKS))
        self.lengths = []  # of each write and erase while `watching`
        self.watching = False
        self.power_on()

    def power_on(self):
        self.until = NEVER
        self.into = 0
        self.off = False
        self.met_dirt = 0  # bytes that a write could not give the value it wanted

    def cut(self, until, into):
        self.until = until
        self.into = into

    def _count(self, length):
        """How many bytes of this write or erase are done."""
        if self.watching:
            self.lengths.append(length)
        if self.until:
            self.until -= 1
            return length
        self.off = True
        return min(length, self.into)

    def readblocks(self, block, buffer, offset=0):
        if self.off:
            return FAILED
        memory = self.memory
        at = block * BLOCK + offset
        for i in range(len(buffer)):
            buffer[i] = memory[at + i]
        return 0

    def writeblocks(self, block, buffer, offset=0):
        if self.off:
            return FAILED
        done = self._count(len(buffer))
        memory = self.memory
        at = block * BLOCK + offset
        for i in range(done):
            if buffer[i] & ~memory[at + i]:
                self.met_dirt += 1
            memory[at + i] &= buffer[i]
        if self.off and done < len(buffer):
            memory[at + done] &= buffer[done] | 0xAA
        return FAILED if self.off else 0

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return BLOCK
        if operation == 6:
            return self._erase(argument)
        return 0

    def _erase(self, block):
        if self.off:
            return FAILED
        done = self._count(BLOCK)
        memory = self.memory
        at = block * BLOCK
        for i in range(done):
            memory[at + i] = 0xFF
        if self.off and done < BLOCK:
            memory[at + done] |= 0x55
        return FAILED if self.off else 0


def mount(flash):
    vfs.mount(vfs.VfsLfs2(flash), FOLDER[:-1])


def unmount():
    try:  # noqa: SIM105 - no contextlib on MicroPython
        vfs.umount(FOLDER[:-1])
    except OSError:
        pass


def points(flash, story, version):
    """Every (operation, bytes into it) of writing `version`; flash then has the state after it."""
    del flash.lengths[:]
    mount(flash)
    flash.watching = True
    story.change(version)
    flash.watching = False
    unmount()
    return [(n, into) for n in range(len(flash.lengths)) for into in INTO if into < flash.lengths[n]]


def put_back(flash, story, base, survivor):
    flash.memory[:] = base
    for k in range(len(survivor)):
        story.survivor[k] = survivor[k]


def cut_once(flash, story, version, point):
    """One power cut and the boot after it; what the story finds, or "stuck" when it cannot be written any more."""
    mount(flash)
    flash.cut(point[0], point[1])
    try:  # noqa: SIM105
        story.change(version)
    except OSError:
        pass
    cut = flash.off
    flash.power_on()
    unmount()
    if not cut:
        return "uncut"
    try:
        mount(flash)
    except OSError:
        return NONE
    try:
        found = story.judge(version)
        if found in (OLD, NEW):
            story.change(version + 1)
            if story.judge(version + 1) != NEW:
                found = "stuck"
    except OSError:
        found = "stuck"
    unmount()
    return found


def run(story, cuts):
    """Cuts the power `cuts` times, spread over ROUNDS versions, and prints the counts as one line of JSON."""
    flash = CutFlash()
    vfs.VfsLfs2.mkfs(flash)
    mount(flash)
    story.first()
    unmount()
    counts = {"cuts": 0, OLD: 0, NEW: 0, NONE: 0, MIXED: 0, "stuck": 0, "uncut": 0, "operations": 0, "met_dirt": 0}
    version = 1
    while counts["cuts"] < cuts:
        base = bytes(flash.memory)
        survivor = list(story.survivor or ())
        places = points(flash, story, version)
        after = bytes(flash.memory)
        survivor_after = list(story.survivor or ())
        counts["operations"] = max(counts["operations"], len(flash.lengths))
        share = min(len(places), cuts - counts["cuts"], max(1, -(-cuts // ROUNDS)))
        for k in range(share):
            put_back(flash, story, base, survivor)
            found = cut_once(flash, story, version, places[k * len(places) // share])
            counts["cuts"] += 1
            counts[found] += 1
            counts["met_dirt"] += 1 if flash.met_dirt else 0
        put_back(flash, story, after, survivor_after)
        version += 1
    counts["versions"] = version - 1
    print(json.dumps(counts))


def main(story):
    """The end of a story's script: the number of cuts is its argument."""
    os.chdir("/")
    run(story, int(sys.argv[1]))
