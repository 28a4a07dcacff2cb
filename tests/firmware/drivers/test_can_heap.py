"""Every CAN back end on 32-bit MicroPython with the heap locked: no cycle takes memory, and it counts as on CPython."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers.need import need
from twolbms.files import data_path

SCRIPT = Path(__file__).with_name("can_on_micropython.py")
BACK_ENDS = ("machine", "pyb_bxcan", "pyb_fdcan", "mcp2515", "slcan")


def played(program: list[str], variable: str, source: Path | str, name: str) -> list[list[int]]:
    """The numbers of each cycle."""
    done = subprocess.run([*program, str(SCRIPT), name], env={**os.environ, variable: str(source)}, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [[int(word) for word in line.split()] for line in done.stdout.splitlines()]


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("name", BACK_ENDS)
def test_no_cycle_takes_memory(name: str) -> None:
    """120 cycles through sound, deaf, shorted and failing controllers and floods: no allocation, the same numbers."""
    source = data_path("firmware", "src")
    on_chip = played([need("micropython32").program, "-X", "heapsize=256k"], "MICROPYPATH", source, name)
    assert on_chip == played([sys.executable], "PYTHONPATH", source, name)
    assert len(on_chip) == 120
    _, received, state, _, _, stale, dropped, restarts, overruns = zip(*on_chip, strict=True)
    assert sum(received) > 0 and dropped[-1] > 0 and restarts[-1] > 0 and overruns[-1] > 0
    assert {0, 1, 3} <= set(state) and (name == "slcan" or (4 in state and stale[-1] > 0))


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("file, line", [("can_controller.py", "        self._load()\n"),
                                        ("slcan_reader.py", "        self._scan()\n")])
def test_an_allocation_would_be_found(file: str, line: str, tmp_path: Path) -> None:
    """A back end that takes four bytes in a cycle dies here."""
    drivers = tmp_path / "drivers"
    drivers.mkdir()
    source = data_path("firmware", "src")
    for path in (source / "drivers").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name == file:
            assert line in text
            text = text.replace(line, line + "        bytearray(4)\n")
        (drivers / path.name).write_text(text, encoding="utf-8")
    name = "slcan" if "slcan" in file else "machine"
    with pytest.raises(AssertionError, match="MemoryError"):
        played([need("micropython32").program], "MICROPYPATH", f"{tmp_path}:{source}", name)
