"""A node's file system in a folder: the boot files, a safe.py that tells what it does, versions of an application."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from twolbms.build.image import Image
from twolbms.build.micropython import Runtime
from twolbms.files import data_path

BOARD = "bench"
RESET_STATUS = 3

_SAFE = """
import os, sys
BOARD = b"bench"
def there(name):
    try:
        os.stat(name)
        return True
    except OSError:
        return False
def drop():
    print("drop")
def service():
    return there("service_jumper")
def arming():
    return there("arming_jumper")
def outputs_open():
    return True
def reset():
    print("reset")
    sys.exit(3)
"""
_MACHINE = """
class WDT:
    def __init__(self, timeout):
        print("guard", timeout)
"""
APP = """
import safe
import slot_record
NAME = {name!r}
def main():
    print("app", NAME, safe.slot_state)
    {body}
"""


def version(name: str, body: str = "pass", limits: int = 7, board: str = BOARD, architecture: int = 0) -> Image:
    """A small application that tells that it runs and then does `body`."""
    shared = data_path("firmware", "boot")
    files = {
        "app.py": APP.format(name=name, body=body.replace("\n", "\n    ")).encode(),
        "slot_record.py": (shared / "slot_record.py").read_bytes(),
        "version.py": (shared / "version.py").read_bytes(),
    }
    return Image(board, "some_pack", (1, 2, 3), architecture, limits.to_bytes(4, "little"), tuple(files.items()))


@dataclass
class BootFolder:
    """`start()` is a power-up; what it printed comes back, line by line."""

    path: Path
    runtime: Runtime

    def __post_init__(self) -> None:
        shutil.copytree(data_path("firmware", "boot"), self.path, ignore=shutil.ignore_patterns("__pycache__"))
        (self.path / "safe.py").write_text(_SAFE)
        (self.path / "machine.py").write_text(_MACHINE)

    def put(self, slot: str, image: Image) -> None:
        """A whole version in slot "a" or "b"."""
        (self.path / f"slot_{slot}.2lb").write_bytes(image.data())

    def jumper(self, name: str, there: bool = True) -> None:
        """The service or the arming jumper."""
        file = self.path / f"{name}_jumper"
        file.touch() if there else file.unlink()

    def run(self, code: str) -> list[str]:
        """Statements as at the prompt of the service state."""
        return self._run("-c", code)[1]

    def start(self) -> list[str]:
        """boot.py, then main.py. A reset comes back as "reset", the prompt as "prompt"."""
        lines = self._run("boot.py")[1]
        status, told = self._run("main.py")
        assert status in (0, RESET_STATUS), told
        return lines + told + ([] if status == RESET_STATUS else ["prompt"])

    def offer(self, slot: str, image: Image) -> list[str]:
        """A version put beside and offered, as the flash tool does it."""
        self.put(slot, image)
        return self.run("import safe, slot_record; print(slot_record.start_other(safe.BOARD))")

    def _run(self, *arguments: str) -> tuple[int, list[str]]:
        done = subprocess.run([self.runtime.program, "-X", "heapsize=96k", *arguments], cwd=self.path,
                              capture_output=True, text=True, timeout=30)
        return done.returncode, (done.stdout + done.stderr).splitlines()
