"""The heap-locked replay itself: a proof that finds nothing must be able to find something."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.drivers.tape import Recorder, on_micropython
from twolbms.sim.chips.gpio import GpioPin

CYCLE = """
t = Tape([1, None, 1])
def cycle(n, out, at):
    try:
        out[at] = t.value()
    except OSError:
        out[at] = -1
    GREEDY
run(cycle, 3, 1)
"""


@pytest.mark.need("micropython32")
def test_a_tape_is_played_with_its_failures(tmp_path: Path) -> None:
    """Answers come back in order, and a failed transfer raises OSError although the heap is locked."""
    assert on_micropython(tmp_path, CYCLE.replace("GREEDY", "pass")) == [(1,), (-1,), (1,)]


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("greedy", ["bytearray(4)", "out[at:at + 1]", "out[at] = (n + 1 << 29) * 4 >> 31", "t.value",
                                    "float(n) * 1.5"])
def test_any_memory_is_found(greedy: str, tmp_path: Path) -> None:
    """Bytes, a slice, a large product, a bound method or a float in a cycle ends the replay."""
    with pytest.raises(AssertionError, match="MemoryError"):
        on_micropython(tmp_path, CYCLE.replace("GREEDY", greedy))


@pytest.mark.need("micropython32")
def test_another_transfer_is_found(tmp_path: Path) -> None:
    """A driver that drives another level than it did on CPython ends the replay."""
    script = "t = Tape([1])\ndef cycle(n, out, at):\n    t.value(0)\nrun(cycle, 1, 1)\n"
    with pytest.raises(AssertionError, match="ValueError"):
        on_micropython(tmp_path, script)


def test_a_failure_is_recorded() -> None:
    """What raised for the driver stands as a failure on the tape, and is passed on."""
    pin = GpioPin(level=1)
    tape = Recorder(pin)
    tape.value()
    pin.broken = OSError(5)
    with pytest.raises(OSError):
        tape.value()
    assert tape.answers == [1, None]
