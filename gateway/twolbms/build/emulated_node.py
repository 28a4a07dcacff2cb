"""A node on the emulated board as it lies on a bench: flash that outlasts power, a console on a TCP port, a reset.

`python -m twolbms.build.emulated_node --flash FILE --port PORT` is one until it is ended. Knows no application.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from twolbms.build.children import dies_with
from twolbms.build.emulated_board import find_board
from twolbms.build.emulator import PROMPT, board_command, client, serial
from twolbms.files import data_path

FLASH_BYTES = 16 << 20  # all of the board's PSRAM
_ENDED = b"\x04>"  # of what was given to the raw prompt
_PATIENCE_S = 20.0
_START_S = 2.0  # from power-up to the application; a service start is noticed before


class EmulatedNode:
    """Serves one client at a time on `address`; a reset of the board does not close the connection.

    `flash` is a file: a new one is an empty board. `plant` and `bus` are "host:port" of servers the board connects to.
    """

    def __init__(self, flash: Path, port: int = 0, plant: str | None = None, bus: str | None = None) -> None:
        self._program = find_board()
        self._flash = flash
        self._wires = client("plant", plant), client("bus", bus)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._client: socket.socket | None = None
        self._board: subprocess.Popen[bytes] | None = None
        self._console: socket.socket | None = None
        self._closed = self._starting = False
        self._last = b""  # of what the board said
        self.starts = 0
        if not flash.exists():
            flash.write_bytes(b"\xff")
            os.truncate(flash, FLASH_BYTES)

    @property
    def address(self) -> str:
        """As a serial port's name: socket://host:port."""
        host, port = self._listener.getsockname()[:2]
        return f"socket://{host}:{port}"

    def serve(self) -> None:
        """Runs the board, from power-up to power-up, until close()."""
        try:
            while not self._closed:
                self._power_up()
                self._carry()
        except (OSError, ValueError):  # what it waits on was closed
            if not self._closed:
                raise
        finally:
            self.close()

    def close(self) -> None:
        """Power off. Also from another thread."""
        self._closed = True
        if self._board is not None:
            self._board.kill()
            self._board.wait()
        for each in (self._console, self._client, self._listener):
            if each is not None:
                each.close()

    def _power_up(self) -> None:
        self._console, inside = socket.socketpair()
        with inside:
            memory = f"memory-backend-file,id=flash,size={FLASH_BYTES},mem-path={self._flash},share=on"
            command = board_command(self._program, serial("console", f"fd={inside.fileno()}"), *self._wires,
                                    more=("-object", memory), machine=",memory-backend=flash")
            self._board = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                           pass_fds=(inside.fileno(),), preexec_fn=dies_with(os.getpid()))
        self.starts += 1
        self._run_start()

    def _run_start(self) -> None:
        """The board's own MicroPython ends at its prompt: what others do at power-up is given to it there."""
        assert self._console is not None
        code = data_path("firmware", "boards", "qemu", "power_on.py").read_bytes()
        end = time.monotonic() + _PATIENCE_S
        while PROMPT not in self._hear(0.5):
            if time.monotonic() > end:
                raise TimeoutError("the emulated board shows no prompt")
            self._console.sendall(b"\x01")
        self._console.sendall(code + b"\x04")
        self._hear(2.0, b"OK")
        self._starting, self._last = True, b""

    def _hear(self, wait_s: float, until: bytes = PROMPT) -> bytes:
        assert self._console is not None
        heard, end = b"", time.monotonic() + wait_s
        while until not in heard and (left := end - time.monotonic()) > 0:
            if select.select([self._console], [], [], left)[0]:
                heard += self._console.recv(1 if until == b"OK" else 4096)
        return heard

    def _carry(self) -> None:
        """Bytes both ways until the board has reset. A client waits while the board starts."""
        assert self._console is not None
        begun = time.monotonic()
        while True:
            busy = self._starting and time.monotonic() - begun < _START_S
            outside = [] if busy else [self._client or self._listener]
            ready = select.select([self._console, *outside], [], [], 0.2 if busy else None)[0]
            if self._console in ready:
                data = _receive(self._console)
                if not data:
                    return
                self._notice_prompt(data)
                self._to_client(data)
            elif self._listener in ready:
                self._client = self._listener.accept()[0]
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            elif self._client is not None and self._client in ready:
                self._from_client(_receive(self._client))

    def _from_client(self, data: bytes) -> None:
        assert self._client is not None and self._console is not None
        if not data:
            self._client.close()
            self._client = None
        else:
            with suppress(OSError):
                self._console.sendall(data)

    def _notice_prompt(self, data: bytes) -> None:
        """What was given at power-up has ended in the service state: the prompt is a person's now."""
        self._last = (self._last + data)[-4096:]
        if self._starting and _ENDED in self._last and self._console is not None:
            self._starting = False
            self._console.sendall(b"\x02")

    def _to_client(self, data: bytes) -> None:
        if self._client is not None:
            try:
                self._client.sendall(data)
            except OSError:
                self._client.close()
                self._client = None


def _receive(one: socket.socket) -> bytes:
    try:
        return one.recv(4096)
    except OSError:
        return b""


def main() -> None:
    """Tells its address on the first line, and serves."""
    parser = argparse.ArgumentParser(prog="emulated_node", description="A node on the emulated board.")
    parser.add_argument("--flash", type=Path, required=True, help="file that keeps the board's flash")
    parser.add_argument("--port", type=int, default=0, help="TCP port of the console; default: a free one")
    parser.add_argument("--plant", help="host:port of a plant's server")
    parser.add_argument("--bus", help="host:port of an slcan bus's server")
    given = parser.parse_args()
    node = EmulatedNode(given.flash, given.port, given.plant, given.bus)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(node.address, flush=True)
    node.serve()


if __name__ == "__main__":
    main()
