"""How much of a board's heap stays free with a version's modules imported: measured, not estimated.

The version starts as on a node, through the files of `firmware/boot/`, in the 32-bit unix port with a heap of the
board's size; hardware modules are stand-ins. Knows no board by name.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from twolbms.build.image import BuildError, Image
from twolbms.build.micropython import Runtime
from twolbms.files import data_path

LEAST_FREE_BYTES = 20 * 1024  # of 96 KiB: the design's figure

_SAFE = 'BOARD = b"{board}"\n\ndef arming():\n    return True\n'
# Enough for `from machine import Pin, CAN` and for what a module makes while it is imported.
_HARDWARE = """
class _Anything:
    def __init__(self, *_, **__):
        pass

    def __call__(self, *_, **__):
        return self

    def __getattr__(self, _):
        return _Anything()

def __getattr__(name):
    if name == "WDT":
        raise AttributeError(name)
    return _Anything
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
    import built
    import app
    __import__("generated.limits_" + built.PACK)
    gc.collect()
    print("free", gc.mem_free())
"""


# The emulated board has both in its ROMFS, which cannot be written.
_EMULATED = """
import slot_record, slots
slots.save = lambda record: None
slot_record.FOLDER = "/rom/"
del slot_record
"""


def free_after_import(image: Image, heap_bytes: int, runtime: Runtime) -> int:
    """Bytes free with everything of `image` imported, of a heap of `heap_bytes`.

    `image` is a portable one, `runtime` a 32-bit one. Raises BuildError with what the runtime said.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in data_path("firmware", "boot").glob("*.py"):
            shutil.copy(path, folder)
        (folder / "safe.py").write_text(_SAFE.replace("{board}", image.board))
        for module in ("machine", "pyb", "rp2", "stm"):
            (folder / f"{module}.py").write_text(_HARDWARE)
        (folder / "slot_a.2lb").write_bytes(image.data())
        (folder / "weigh.py").write_text(_WEIGH)
        (folder / "start.py").write_text(_START)
        done = subprocess.run([runtime.program, "-X", f"heapsize={heap_bytes}", "start.py"], cwd=folder,
                              capture_output=True, text=True, timeout=60)
    return _told(done.stdout, done.stderr)


def free_on_emulated_board(image: Image) -> int:
    """The same on the emulated Cortex-M3 with its 96 KiB, where that is at hand. Raises BuildError, RuntimeMissing."""
    from twolbms.build.emulator import BoardStopped, Emulator

    files = [(path.name, path.read_bytes()) for path in sorted(data_path("firmware", "boot").glob("*.py"))]
    files += [("safe.py", _SAFE.replace("{board}", image.board).encode()), ("weigh.py", _WEIGH.encode()),
              ("slot_a.2lb", image.data())]
    try:
        with Emulator(files) as board:
            return _told(board.run(_EMULATED + _START), "")
    except BoardStopped as error:
        raise BuildError(f"the version does not start on the emulated board: {error}") from error


def _told(printed: str, trouble: str) -> int:
    found = re.search(r"^free (\d+)\r?$", printed, re.MULTILINE)
    if found is None:
        raise BuildError(f"the version does not start: {(trouble or printed)[-400:]}")
    return int(found[1])
