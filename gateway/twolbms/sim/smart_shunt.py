"""A simulated Victron SmartShunt on a pty or a TCP port: its two blocks in turn, and a cable to pull.

Knows the text of VE.Direct and how to be a far end; it is not the parser turned round and imports nothing of it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import termios
import threading
import tty
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType

PERIOD_S = 0.5  # between blocks: the main one and the history take turns, each once a second
Amount = float | Callable[[], float]

_HISTORY = {"H1": "-32914", "H2": "0", "H3": "0", "H4": "3", "H5": "0", "H6": "-35652", "H7": "12041", "H8": "14282",
            "H9": "0", "H10": "0", "H11": "0", "H12": "0", "H17": "46", "H18": "48"}


def block(fields: Mapping[str, str]) -> bytes:
    """One block on the wire: CR LF label TAB value …, and the byte that makes the sum of all 0 modulo 256."""
    text = b"".join(b"\r\n%s\t%s" % (label.encode(), value.encode()) for label, value in fields.items())
    text += b"\r\nChecksum\t"
    return text + bytes([-sum(text) % 256])


class SmartShunt:
    """Speaks as long as it is entered. `path` is what opens it: a pty's name or socket://127.0.0.1:port.

    `voltage_v` and `current_a` (positive charges) are numbers or functions; `more` are fields to add or to change, such
    as {"AR": "5", "Alarm": "ON"}. It may be changed while it runs. `period_s` is the time from block to block.
    """

    def __init__(self, voltage_v: Amount = 26.5, current_a: Amount = -2.5, *, soc: float = 0.9, tcp: bool = False,
                 period_s: float = PERIOD_S, more: Mapping[str, str] | None = None) -> None:
        self.voltage_v, self.current_a, self.soc = voltage_v, current_a, soc
        self.more = dict(more or {})
        self.quiet = False
        self._period_s = period_s
        self._far: _TcpEnd | _PtyEnd = _TcpEnd() if tcp else _PtyEnd()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)

    @property
    def path(self) -> str:
        """Where it is found; a pty's name is another one after each `plug`."""
        return self._far.path

    def __enter__(self) -> SmartShunt:
        self.plug()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(5)
        self.pull()

    def plug(self) -> None:
        """Puts the cable in."""
        self._far.plug()

    def pull(self) -> None:
        """Takes the cable out: whoever reads finds the port gone, and cannot open it."""
        self._far.pull()

    def send(self, data: bytes) -> None:
        """Puts these bytes on the wire, between two blocks or in the middle of none."""
        self._far.write(data)

    def fields(self) -> dict[str, str]:
        """The main block of this moment."""
        volts, amperes = (amount() if callable(amount) else amount for amount in (self.voltage_v, self.current_a))
        return {
            "PID": "0xA389", "V": str(round(volts * 1000)), "I": str(round(amperes * 1000)),
            "P": str(round(volts * amperes)), "CE": str(round((self.soc - 1) * 320_000)),
            "SOC": str(round(self.soc * 1000)), "TTG": "-1" if amperes >= 0 else "2880", "Alarm": "OFF", "AR": "0",
            "BMV": "SmartShunt 500A/50mV", "FW": "0414", "MON": "0", **self.more}

    def _speak(self) -> None:
        turns: Iterable[Callable[[], Mapping[str, str]]] = (self.fields, lambda: _HISTORY)
        while True:
            for fields in turns:
                if not self.quiet:
                    self.send(block(fields()))
                if self._stop.wait(self._period_s):
                    return


class _PtyEnd:
    """A pty; what nobody reads in time is lost, as on a wire."""

    def __init__(self) -> None:
        self._near: int | None = None
        self._far: int | None = None
        self._lock = threading.Lock()
        self.path = ""

    def plug(self) -> None:
        with self._lock:
            if self._near is None:
                self._near, self._far = os.openpty()  # held open, so that a reader may come and go
                tty.setraw(self._far)
                os.set_blocking(self._near, False)
                self.path = os.ttyname(self._far)

    def pull(self) -> None:
        with self._lock:
            for fd in (self._near, self._far):
                if fd is not None:
                    os.close(fd)
            self._near = self._far = None

    def write(self, data: bytes) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._near is not None and self._far is not None:
                try:
                    os.write(self._near, data)
                except BlockingIOError:
                    termios.tcflush(self._far, termios.TCIFLUSH)


class _TcpEnd:
    """A listening port of loopback that keeps its number while the cable is out."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as found:
            self._port: int = found.getsockname()[1]
        self.path = f"socket://127.0.0.1:{self._port}"
        self._server: socket.socket | None = None
        self._clients: list[socket.socket] = []
        self._lock = threading.Lock()

    def plug(self) -> None:
        with self._lock:
            if self._server is None:
                self._server = socket.create_server(("127.0.0.1", self._port))
                threading.Thread(target=self._accept, args=[self._server], daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                with self._lock:
                    self._clients.append(client)

    def pull(self) -> None:
        with self._lock:
            for each in (self._server, *self._clients):
                if each is not None:
                    with contextlib.suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
                    each.close()
            self._server, self._clients = None, []

    def write(self, data: bytes) -> None:
        with self._lock:
            for client in list(self._clients):
                try:
                    client.send(data, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    continue
                except OSError:
                    self._clients.remove(client)
                    client.close()
