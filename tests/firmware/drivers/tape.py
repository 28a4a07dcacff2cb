"""Records what a driver is answered on CPython and plays it again on 32-bit MicroPython with the heap locked.

The driver must take the same transfers and give the same numbers there; any memory it asks for ends it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from servers.need import need
from twolbms.files import data_path

PRELUDE = '''
import micropython
from array import array


class Tape:
    """Gives recorded answers one after the other; None is a transfer that fails."""

    def __init__(self, answers):
        self.answers = answers
        self.n = 0

    def next(self):
        answer = self.answers[self.n]
        self.n += 1
        if answer is None:
            raise OSError(5)
        return answer

    def fill(self, buffer):
        answer = self.next()
        for i in range(len(buffer)):
            buffer[i] = answer[i]

    # machine.I2C, onewire.OneWire, machine.ADC and machine.Pin by the same tape
    def readfrom_mem_into(self, address, register, buffer):
        self.fill(buffer)

    def writeto_mem(self, address, register, data):
        if self.next() != len(data):
            raise ValueError

    def readinto(self, buffer):
        self.fill(buffer)

    def reset(self):
        return self.next()

    def writebyte(self, value):
        if self.next() != value:
            raise ValueError

    def read_u16(self):
        return self.next()

    def value(self, level=None):
        answer = self.next()
        if level is not None and answer != level:
            raise ValueError
        return answer


def run(cycle, count, width):
    """`cycle(n, out, at)` puts `width` numbers into out[at:]; all cycles run with the heap locked."""
    out = array("i", [0] * (count * width))
    micropython.heap_lock()
    try:
        for n in range(count):
            cycle(n, out, n * width)
    finally:
        micropython.heap_unlock()
    for n in range(count):
        print(*out[n * width:n * width + width])
'''


class Recorder:
    """Stands between a driver and a simulated bus and keeps every answer."""

    def __init__(self, target: Any, answers: list[Any] | None = None) -> None:
        self.target = target
        self.answers: list[Any] = [] if answers is None else answers

    def _take(self, call: Callable[[], Any]) -> Any:
        try:
            answer = call()
        except OSError:
            self.answers.append(None)
            raise
        self.answers.append(answer)
        return answer

    def _fill(self, buffer: bytearray, call: Callable[[], Any]) -> None:
        def answered() -> bytes:
            call()
            return bytes(buffer)
        self._take(answered)

    def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
        self._fill(buffer, lambda: self.target.readfrom_mem_into(address, register, buffer))

    def writeto_mem(self, address: int, register: int, data: bytes) -> None:
        self._take(lambda: (self.target.writeto_mem(address, register, data), len(data))[1])

    def readinto(self, buffer: bytearray) -> None:
        self._fill(buffer, lambda: self.target.readinto(buffer))

    def reset(self) -> bool:
        return bool(self._take(lambda: self.target.reset()))

    def writebyte(self, value: int) -> None:
        self._take(lambda: (self.target.writebyte(value), value)[1])

    def read_u16(self) -> int:
        return int(self._take(lambda: self.target.read_u16()))

    def value(self, *level: int) -> Any:
        if level:
            return self._take(lambda: (self.target.value(*level), level[0])[1])
        return self._take(lambda: self.target.value())


def on_micropython(folder: Path, script: str) -> list[tuple[int, ...]]:
    """Runs PRELUDE and `script`, which ends in run(); one tuple a cycle. Skips without the 32-bit runtime."""
    program = need("micropython32").program
    path = folder / "taped.py"
    path.write_text(PRELUDE + script, encoding="utf-8")
    surroundings = {**os.environ, "MICROPYPATH": str(data_path("firmware", "src"))}
    done = subprocess.run([program, "-X", "heapsize=4m", str(path)], env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
