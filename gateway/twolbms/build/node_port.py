"""A node's console over a serial port: lines to a running application, statements at the prompt of the service state.

Knows how bytes come and go, not what they are for. Statements go through mpremote, as MicroPython's own tools do it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from typing import Any, Protocol

Progress = Callable[[int, int], None]


class PortError(Exception):
    """The port cannot be opened or used; the text says which and why."""


class NodePort(Protocol):
    """What flashing needs of a way to a node's console."""

    def ask(self, line: str, wait_s: float = 1.0, begins: str = "2lbms ") -> str:
        """Sends a line to the application; the first line within `wait_s` that begins like that, or ""."""

    def prompt(self) -> bool:
        """Whether the node is at its prompt now; then `run` and `put` may be used."""

    def run(self, code: str) -> str:
        """What the statements print. Raises PortError with the node's traceback."""

    def put(self, path: str, data: bytes, progress: Progress) -> None:
        """Writes a file. Raises PortError."""

    def leave(self, code: str) -> None:
        """Runs statements that end the connection, such as a reset."""

    def close(self) -> None:
        """Gives the port back."""


class SerialNodePort:
    """A node on a serial device, a pty or `socket://host:port`. It may go away and come back: a reset does that."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._transport: Any = None
        self._open()

    def _open(self) -> None:
        try:
            mpremote = import_module("mpremote.transport_serial")
        except ModuleNotFoundError:
            raise PortError("flashing over a serial port needs mpremote: pip install '2lbms[firmware]'") from None
        try:
            self._transport = mpremote.SerialTransport(self.name)
            if self._transport.is_pty:
                self._transport.serial.timeout = 0.1  # a pty does not count what waits: reads must end alone
        except Exception as error:  # mpremote and pyserial have no common one
            raise PortError(f"{self.name} cannot be opened: {error}") from error

    def _again(self) -> bool:
        """The port is open, or could be opened again."""
        if self._transport is None:
            try:
                self._open()
            except PortError:
                return False
        return True

    def ask(self, line: str, wait_s: float = 1.0, begins: str = "2lbms ") -> str:
        """See NodePort. A port that is not there gives no answer; what had come before is not one."""
        end = time.monotonic() + wait_s
        if not self._again():
            time.sleep(wait_s)
            return ""
        try:
            while waiting := self._transport.serial.inWaiting():
                self._transport.serial.read(waiting)
            self._transport.serial.write(f"\r{line}\r".encode())
            return self._line(line, begins, end)
        except Exception:
            self.close()
            return ""

    def _line(self, sent: str, begins: str, end: float) -> str:
        """The answer; what was sent may come back as an echo first."""
        heard = b""
        while time.monotonic() < end:
            waiting = self._transport.serial.inWaiting()
            heard += self._transport.serial.read(max(1, waiting)) if waiting or self._transport.is_pty else b""
            for text in heard.decode(errors="replace").splitlines(keepends=True):
                if text.startswith(begins) and text.endswith("\n") and text.strip() != sent:
                    return text.strip()
            time.sleep(0.02)
        return ""

    def prompt(self) -> bool:
        """See NodePort."""
        if not self._again():
            return False
        try:
            with redirect_stdout(StringIO()):  # mpremote prints what it heard instead
                self._transport.enter_raw_repl(soft_reset=False, timeout_overall=2)
        except Exception:
            return False
        return True

    def run(self, code: str) -> str:
        """See NodePort."""
        try:
            return str(self._transport.exec(code).decode(errors="replace"))
        except Exception as error:
            raise PortError(f"the node answers: {error}") from error

    def put(self, path: str, data: bytes, progress: Progress) -> None:
        """See NodePort."""
        try:
            self._transport.fs_writefile(path, data, 1024, progress)
        except Exception as error:
            raise PortError(f"{path} could not be written: {error}") from error

    def leave(self, code: str) -> None:
        """See NodePort."""
        with suppress(Exception):
            self._transport.exec_raw_no_follow(code)
        time.sleep(0.2)
        self.close()

    def close(self) -> None:
        """See NodePort."""
        if self._transport is not None:
            with suppress(Exception):
                self._transport.close()
            self._transport = None
