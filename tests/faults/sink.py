"""A database that behaves as it is told: well, slowly, badly, or not at all. It keeps every line it has taken."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from servers.fake_influx import FakeInflux, answer, hang, raw, store

Step = Callable[[Any], None]


BUCKET = "bms"


class _Server(FakeInflux):
    """Remembers its connections, so that a server that goes takes them with it. Buckets beside BUCKET (minute values)
    are kept apart, in `other`."""

    def __init__(self, port: int, behaviour: Step) -> None:
        self.open: set[socket.socket] = set()
        self.busy = 0
        self.other: list[bytes] = []
        self._bucket = threading.local()
        super().__init__(otherwise=behaviour, port=port)

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self.open.discard(request)

    def serve(self, handler: Any) -> None:
        self.busy += 1
        self._bucket.own = f"bucket={BUCKET}&" in handler.path
        try:
            super().serve(handler)
        finally:
            self.busy -= 1


    def take(self, lines: list[bytes]) -> None:
        if self._bucket.own:
            super().take(lines)
        else:
            self.other += lines


class Sink:
    """One address for all its lives."""

    def __init__(self) -> None:
        self.behaviour: Step = store
        self.lines: list[bytes] = []
        self.other: list[bytes] = []
        self.requests = 0
        self._server: _Server | None = _Server(0, self._step)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.down()

    def _step(self, handler: Any) -> None:
        self.requests += 1
        self.behaviour(handler)

    @property
    def busy(self) -> int:
        """Requests that are being answered now."""
        return 0 if self._server is None else self._server.busy

    def down(self) -> None:
        """Goes, and cuts every connection; what it has taken stays taken."""
        server, self._server = self._server, None
        if server is not None:
            for connection in list(server.open):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            server.__exit__()
            self.lines += server.stored
            self.other += server.other

    def up(self, behaviour: Step = store) -> None:
        """Comes back on the same port, or changes its behaviour."""
        self.behaviour = behaviour
        if self._server is None:
            self._server = _Server(self.port, self._step)

    def taken(self) -> list[bytes]:
        """All lines of BUCKET so far, in the order of their coming."""
        return self.lines + (self._server.stored if self._server else [])

    def taken_elsewhere(self) -> list[bytes]:
        """All lines of other buckets."""
        return self.other + (self._server.other if self._server else [])


def slow(seconds: float) -> Step:
    """Takes the lines at once and says so late: whoever is killed meanwhile sends them again."""
    def step(handler: Any) -> None:
        handler.server.take(handler.lines)
        time.sleep(seconds)
        with contextlib.suppress(OSError):
            answer(204)(handler)
    return step


GARBAGE = raw(b"\x00\xff\x13 what HTTP/9.9\r\n\r\n" * 3)
NO_TOKEN = answer(401, "unauthorized access")
BUSY = answer(503, "try again", Retry_After="2")
HANGS = hang
GOOD = store
