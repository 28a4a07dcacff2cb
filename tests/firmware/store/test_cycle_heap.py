"""What the store does in a cycle, on 32-bit MicroPython with the heap locked: it takes no memory, and agrees."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from servers.need import need
from twolbms.files import data_path

SCRIPT = Path(__file__).with_name("memory_on_micropython.py")


def played(program: list[str], variable: str, source: Path, folder: Path) -> list[str]:
    """What the script prints, run in a folder of its own."""
    folder.mkdir()
    done = subprocess.run([*program, str(SCRIPT)], env={**os.environ, variable: str(source)}, cwd=folder,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.need("micropython32")
def test_no_cycle_takes_memory(tmp_path: Path) -> None:
    """800 cycles with trips, clears, wear, restarts and calibration: no allocation, and the same as on CPython."""
    source = data_path("firmware", "src")
    on_chip = played([need("micropython32").program, "-X", "heapsize=96k"], "MICROPYPATH", source, tmp_path / "chip")
    assert on_chip == played([sys.executable], "PYTHONPATH", source, tmp_path / "here")
    cycles = [line for line in on_chip if " True [" in line or " False [" in line]
    assert len(cycles) == 800 and sum(" True [" in line for line in cycles) > 4
    assert len({line.split()[-4] for line in cycles}) > 20  # what is held has changed often


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("file, line", [
    ("faults.py", "        self.trips.note(row, value, minutes, self.life.boot)\n"),
    ("faults.py", "        small[0] = SMALL | self._flags()\n"),
    ("config.py", "            offset = self.temp_offset_dc\n")])
def test_an_allocation_would_be_found(file: str, line: str, tmp_path: Path) -> None:
    """A store that takes four bytes in a cycle dies here."""
    source = tmp_path / "src"
    shutil.copytree(data_path("firmware", "src"), source, ignore=shutil.ignore_patterns("__pycache__"))
    path = source / "store" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(line) == 1
    indent = line[: len(line) - len(line.lstrip())]
    path.write_text(text.replace(line, f"{line}{indent}bytearray(4)\n"), encoding="utf-8")
    with pytest.raises(AssertionError, match="MemoryError"):
        played([need("micropython32").program], "MICROPYPATH", source, tmp_path / "chip")
