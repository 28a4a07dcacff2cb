"""Runs the emulated board: a process with a console, a plant and a bus, and an application in its ROMFS partition.

Python code is given to it at MicroPython's raw prompt on the console. Knows no node.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from twolbms.build.children import dies_with
from twolbms.build.emulated_board import EMULATOR, find_board
from twolbms.build.romfs import romfs_image

ROM_ADDRESS = 0x21000000  # of the partition, as in firmware/emulated/cmod/app/app.c
ROM_BYTES = 128 * 1024
REPEATABLE = ("-icount", "shift=5,align=off,sleep=off")
"""Options that make the board's time a pure function of executed instructions, 32 ns each."""

PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
"""How MicroPython's raw prompt announces itself."""

_PATIENCE_S = 60.0
_ASK_AGAIN_S = 0.5


class BoardStopped(Exception):
    """The emulated board ended, did not answer, or its code raised; the text holds what it printed."""


class _NotYet(BoardStopped):
    """It has not said within the time what was waited for."""


class Emulator:
    """One emulated board, from power-on until `close`; it dies with the thread that started it.

    `files` are (path, content) of the application. `plant` and `bus` are "host:port" of a TCP server that the board
    connects to; without one the plant is the socket `plant`, and the bus leads nowhere.
    """

    def __init__(self, files: Iterable[tuple[str, bytes]] = (), plant: str | None = None, bus: str | None = None,
                 options: Sequence[str] = (), program: Path | None = None) -> None:
        rom = romfs_image(files)
        if len(rom) > ROM_BYTES:
            raise ValueError(f"an application of {len(rom)} bytes: expected at most {ROM_BYTES}")
        program = program or find_board()
        self._said = bytearray()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the rest
        self.console, console = socket.socketpair()
        self.plant, plant_end = socket.socketpair()
        with tempfile.TemporaryDirectory(prefix="twolbms-board-") as folder, console, plant_end:
            path = Path(folder, "app.romfs")
            path.write_bytes(rom)
            command = board_command(
                program, serial("console", f"fd={console.fileno()}"),
                client("plant", plant) if plant else serial("plant", f"fd={plant_end.fileno()}"), client("bus", bus),
                ("-device", f"loader,file={path},addr={ROM_ADDRESS},force-raw=on", *options))
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._errors,
                pass_fds=(console.fileno(), plant_end.fileno()), preexec_fn=dies_with(os.getpid()))
            console.close()
            plant_end.close()
            try:
                self._reach_prompt()  # from here on it has read the files
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def start(self, code: str) -> None:
        """Lets it begin with `code`. Raises BoardStopped."""
        self._send(code.encode() + b"\x04")
        self._until(b"OK", _PATIENCE_S)

    def run(self, code: str, patience_s: float = _PATIENCE_S) -> str:
        """What `code` prints. Raises BoardStopped with the traceback when it raises."""
        self.start(code)
        return self.finish(patience_s)

    def finish(self, patience_s: float = _PATIENCE_S) -> str:
        """What the code that was started has printed, when it has ended. Raises BoardStopped with its traceback."""
        printed, _, trouble = self._until(b"\x04>", patience_s).partition(b"\x04")
        if trouble:
            raise BoardStopped((printed + trouble).decode(errors="replace").strip())
        return printed.decode(errors="replace")

    def interrupt(self) -> str:
        """Ends a node that waits for its plant; what its code has printed. Raises BoardStopped with its traceback."""
        self._send(b"\x03")
        return self.finish()

    def soft_reset(self) -> None:
        """MicroPython begins anew; the ROMFS partition stays. Raises BoardStopped."""
        self._send(b"\x04")
        self._until(PROMPT, _PATIENCE_S)

    def last_words(self) -> str:
        """Why it does not answer any more; ends it."""
        try:
            return self.finish(1.0) or "its code has ended"
        except BoardStopped as error:
            return str(error)
        finally:
            self.close()

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        for each in (self.console, self.plant, self._errors):
            each.close()

    def _reach_prompt(self) -> None:
        """Asks for the raw prompt again and again: a byte sent while the board starts may be lost."""
        for _ in range(round(_PATIENCE_S / _ASK_AGAIN_S)):
            self._send(b"\x01")
            try:
                self._until(PROMPT, _ASK_AGAIN_S)
                return
            except _NotYet:
                continue
        raise BoardStopped(f"no prompt within {_PATIENCE_S:.0f} s")

    def _send(self, data: bytes) -> None:
        try:
            self.console.sendall(data)
        except OSError as error:
            raise BoardStopped(self._end()) from error

    def _until(self, end: bytes, patience_s: float) -> bytes:
        """What the console says before `end`. Raises BoardStopped."""
        before_s = time.monotonic()
        looked = 0
        while (at := self._said.find(end, max(0, looked - len(end)))) < 0:
            looked = len(self._said)
            left_s = before_s + patience_s - time.monotonic()
            if left_s <= 0 or not select.select([self.console], [], [], left_s)[0]:
                last = self._said[-2000:].decode(errors="replace")
                raise _NotYet(f"nothing more within {patience_s:.0f} s; it said: {last}")
            try:
                heard = self.console.recv(65536)
            except OSError:
                heard = b""
            if not heard:
                raise BoardStopped(self._end())
            self._said += heard
        said = bytes(self._said[:at])
        del self._said[:at + len(end)]
        return said

    def _end(self) -> str:
        status = self._process.wait(_PATIENCE_S)
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip()
        return lines or f"{EMULATOR} ended with status {status}"


def board_command(program: Path, console: Sequence[str], plant: Sequence[str], bus: Sequence[str],
                  more: Sequence[str] = (), machine: str = "") -> list[str]:
    """The emulator's command line; the three serial ports as `serial` and `client` give them."""
    return [EMULATOR, "-machine", f"mps2-an385{machine}", "-nographic", "-monitor", "null", "-semihosting",
            *console, *plant, *bus, *more, "-kernel", str(program)]


def serial(name: str, far_side: str) -> tuple[str, ...]:
    """A serial port that leads to a socket."""
    return "-chardev", f"socket,id={name},{far_side}", "-serial", f"chardev:{name}"


def client(name: str, address: str | None) -> tuple[str, ...]:
    """A serial port that connects to the server "host:port"; without one it leads nowhere."""
    if address is None:
        return "-serial", "null"
    host, _, port = address.rpartition(":")
    return serial(name, f"host={host},port={port},server=off,nodelay=on")
