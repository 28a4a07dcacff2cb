"""How much of a board's heap stays free with a version's modules imported, and with its node made: measured.

The version starts as on a node, through the files of `firmware/boot/`, in the 32-bit unix port with a heap of the
board's size. A real board's hardware is there but dead: its node is made, with sensors that do not start. Knows no
board by name.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from twolbms.build.image import HASH_BYTES, HEAD, Board, BuildError, Image
from twolbms.build.micropython import Runtime
from twolbms.files import data_path

LEAST_FREE_BYTES = 20 * 1024  # the design's figure
RUNTIME_ARCHITECTURE = "x86"  # of the 32-bit unix port; its machine code takes a little more than a Cortex-M's

_SAFE = 'BOARD = b"{board}"\n\ndef arming():\n    return True\n'
_HARDWARE = """
class _Dead:
    def __init__(self, *_, **__):
        pass

    def __getattr__(self, name):
        return _nothing if name[0].islower() else 0

def _nothing(*_, **__):
    return 0

def _broken(*_, **__):
    raise OSError(5)

class SoftI2C(_Dead):
    readfrom_mem_into = writeto_mem = readfrom_into = writeto = _broken

class CAN(_Dead):
    TX_QUEUE_LEN = 3
    init = _broken

I2C = SoftI2C
mem32 = [0] * 8

class Pin(_Dead):
    IN, OUT, OPEN_DRAIN, PULL_UP, PULL_DOWN, IRQ_FALLING, IRQ_RISING = range(7)

ADC = SPI = Timer = UART = WDT = _Dead
reset_cause = idle = lightsleep = _nothing
def mem_backup():
    from array import array
    return memoryview(array("I", [0] * 8))
"""
# As firmware/boot/main.py, up to the application: what that still holds when it calls, this holds too.
_START = """
import gc
gc.threshold(2048)
import safe
import slots
service = slots.prepare(safe)
del slots
if not service:
    __import__("weigh").main()
"""
_WEIGH = """
import gc
def main():
    gc.collect()
    before = gc.mem_free()
    for name in NAMES:
        __import__(name)
        gc.collect()
        free = gc.mem_free()
        print("module", name, before - free)
        before = free
    print("free", before)
    made = make()
    if made:
        gc.collect()
        print("made", gc.mem_free())
"""
_NOT_MADE = "def make():\n    return None\n"
_EMULATED_MADE = "def make():\n    return __import__('app').make_loop()\n"
_REAL_MADE = "def make():\n    from board import Board\n    from running.begin import make\n    return make(Board())\n"
# A disk of raw slots, as a board has it that runs versions from where they lie. On the unix port that is memory too, so
# the heap there is made larger by it; on the emulated board the file is in its ROMFS, which is memory to the processor.
_DISK = """
class _Raw:
    def run(self, slot, size):
        return memoryview(CONTENT)[{head}:size - {hash}]

SLOTS = {folder!r}
raw = _Raw()
"""
_CONTENT = """
with open("slot_a.2lb", "rb") as file:
    CONTENT = bytearray({size})
    file.readinto(CONTENT)
"""
_ROM = "/rom/"
_ROM_CONTENT = 'CONTENT = open("/rom/slot_a.2lb", "rb")\n'
_ROM_IS_READ_ONLY = "import slots\nslots.save = lambda record: None\n"


class Free(NamedTuple):
    """Bytes of heap after import, and with the node made, which is None where that takes hardware that answers.

    `modules` are (name, bytes it takes), those it was the first to import included.
    """

    imported: int
    made: int | None
    modules: tuple[tuple[str, int], ...] = ()


def free_heap(image: Image, board: Board, runtime: Runtime, names: Sequence[str] = ("app",)) -> Free:
    """With the modules `names` of `image`, which is one for RUNTIME_ARCHITECTURE or portable, on a 32-bit runtime.

    Raises BuildError with what the runtime said.
    """
    data = image.data()
    heap_bytes = board.heap_bytes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in data_path("firmware", "boot").glob("*.py"):
            shutil.copy(path, folder)
        disk = 'FOLDER = ""\n'
        if board.in_place:
            disk += _CONTENT.format(size=len(data)) + _disk("")
            heap_bytes += len(data) * 65 // 64 + 64  # two bits a block of 16 bytes say what is in use
        (folder / "disk.py").write_text(disk)
        (folder / "safe.py").write_text(_SAFE.replace("{board}", image.board))
        for module in ("machine", "pyb", "rp2", "stm"):
            (folder / f"{module}.py").write_text(_HARDWARE)
        (folder / "slot_a.2lb").write_bytes(data)
        made = _REAL_MADE if "running.begin" in image.modules and tuple(names) == ("app",) else _NOT_MADE
        (folder / "weigh.py").write_text(_weigh(names, made))
        (folder / "start.py").write_text(_START)
        done = subprocess.run([runtime.program, "-X", f"heapsize={heap_bytes}", "start.py"], cwd=folder,
                              capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise BuildError(f"the version does not start: {(done.stderr or done.stdout)[-400:]}")
    return _told(done.stdout)


def free_on_emulated_board(image: Image) -> Free:
    """The same on the emulated Cortex-M3 with its 96 KiB, the node made too. Raises BuildError, RuntimeMissing."""
    from twolbms.build.emulator import BoardStopped, Emulator

    files = [(path.name, path.read_bytes()) for path in sorted(data_path("firmware", "boot").glob("*.py"))]
    files += [("safe.py", _SAFE.replace("{board}", image.board).encode()),
              ("weigh.py", _weigh(("app",), _EMULATED_MADE).encode()), ("slot_a.2lb", image.data()),
              ("disk.py", (f'FOLDER = "{_ROM}"\n' + _ROM_CONTENT + _disk(_ROM)).encode())]
    try:
        with Emulator(files) as board:
            return _told(board.run(_ROM_IS_READ_ONLY + _START))
    except BoardStopped as error:
        raise BuildError(f"the version does not start on the emulated board: {error}") from error


def _weigh(names: Sequence[str], made: str) -> str:
    return f"NAMES = {tuple(names)!r}\n{made}{_WEIGH}"


def _disk(folder: str) -> str:
    return _DISK.format(head=HEAD.size, hash=HASH_BYTES, folder=folder)


def _told(printed: str) -> Free:
    """What `_WEIGH` printed."""
    told = {word: int(number) for word, number in re.findall(r"^(free|made) (\d+)\r?$", printed, re.MULTILINE)}
    modules = re.findall(r"^module (\S+) (-?\d+)\r?$", printed, re.MULTILINE)
    return Free(told["free"], told.get("made"), tuple((name, int(number)) for name, number in modules))
