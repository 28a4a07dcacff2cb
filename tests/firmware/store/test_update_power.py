"""Power cuts during an update, at every write of it: the node always starts a whole version, and can be updated again.

TWOLBMS_POWER_CUTS sets how many cuts are made; they are spread over all writes.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from firmware.power_cuts import run_power_cuts, sound
from twolbms.build.image import read_board
from twolbms.build.micropython import find_runtime
from twolbms.files import data_path

CUTS = int(os.environ.get("TWOLBMS_POWER_CUTS", "60"))
STORY = Path(__file__).with_name("update_cuts.py")


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("flash", ["pages", "raw"])
def test_a_whole_version_after_every_cut(flash: str) -> None:
    """The old or the new one, never none and never a mixture; the next update goes through. Also in raw pages."""
    found = run_power_cuts(STORY, CUTS, flash)
    print(found)
    assert sound(found) and found["cuts"] == CUTS
    assert found["old"] and found["new"] and found["versions"] == 8


@pytest.mark.need("micropython32")
def test_the_proof_can_fail() -> None:
    """On storage that rewrites whole pages from memory, as MicroPython's own on an stm32, cuts do lose the node."""
    found = run_power_cuts(STORY, 24, "cached")
    print(found)
    assert not sound(found) and found["none"] + found["mixed"] + found["stuck"] > 0


@pytest.mark.need("micropython32")
def test_what_a_node_keeps_has_room() -> None:
    """On the NUCLEO's disk: configuration, faults, record and the last error, beside slots of the build's limit."""
    disk = data_path("firmware", "boards", "nucleo_g474re", "disk.py").read_text(encoding="utf-8")
    told = {name: int(number) for name, number in re.findall(r"^(\w*PAGES?) = (\d+)\b", disk, re.MULTILINE)}
    assert told["SLOT_PAGES"] * told["PAGE"] == read_board("nucleo_g474re").slot_bytes
    script = Path(__file__).with_name("room_of_disk.py")
    command = [find_runtime(need_32_bit=True).program, "-X", "heapsize=4m", str(script), str(told["PAGES"])]
    surroundings = {**os.environ, "MICROPYPATH": str(script.parents[1])}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=120)
    assert done.stdout == "fits\n", done.stderr
