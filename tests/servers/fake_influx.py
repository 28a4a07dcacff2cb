"""A scripted stand-in for InfluxDB's write path: for the faults that a real server does not show on demand."""

from __future__ import annotations

import gzip
import json
import socketserver
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

Step = Callable[["_Handler"], None]


def answer(status: int, message: str = "", **headers: str) -> Step:
    """A whole answer as InfluxDB words it; a header's `_` stands for `-`."""

    def step(handler: _Handler) -> None:
        body = json.dumps({"code": "x", "message": message}).encode() if message else b""
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return step


def raw(data: bytes) -> Step:
    """These bytes, then the connection is cut."""

    def step(handler: _Handler) -> None:
        handler.wfile.write(data)
        handler.wfile.flush()
        handler.close_connection = True

    return step


def store_then_cut(handler: _Handler) -> None:
    """Takes the lines and cuts the connection before the answer: the client cannot know."""
    handler.server.take(handler.lines)
    handler.close_connection = True


def hang(handler: _Handler) -> None:
    """Says nothing until the server is closed."""
    handler.server.closing.wait(60)
    handler.close_connection = True


def drip(handler: _Handler) -> None:
    """An answer that never ends, a byte at a time, each in time."""
    for byte in b"HTTP/1.1 204 No Content\r\n" + b"X-Slow: " + b"z" * 600:
        try:
            handler.wfile.write(bytes([byte]))
        except OSError:
            break
        if handler.server.closing.wait(0.05):
            break
    handler.close_connection = True


def store(handler: _Handler) -> None:
    """Takes the lines and says so."""
    handler.server.take(handler.lines)
    answer(204)(handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeInflux
    lines: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.lines = body.split(b"\n") if body else []
        self.server.serve(self)

    def log_message(self, *arguments: Any) -> None:
        """Silent."""


class FakeInflux(socketserver.ThreadingTCPServer):
    """Each request takes the next step of `script`; when it is used up `otherwise` decides, by default `store`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self, *script: Step, otherwise: Step | None = None, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.tls = tls
        self.connections = 0
        self.script = list(script)
        self.otherwise = otherwise or store
        self.poison: bytes | None = None
        self.stored: list[bytes] = []
        self.requests: list[tuple[str, dict[str, str], int]] = []
        self.closing = threading.Event()
        self._lock = threading.Condition()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Address of this server."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.server_address[1]}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        """One connection, in a thread of its own."""
        self.connections += 1
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what these tests are about."""

    def wait_for_requests(self, count: int) -> None:
        """Returns when so many requests have come; fails after 30 s."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.requests) >= count, 30), (
                f"{len(self.requests)} of {count} requests came"
            )

    def serve(self, handler: _Handler) -> None:
        """One request: a batch with `poison` in a line is refused as InfluxDB refuses it."""
        with self._lock:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.requests.append((handler.path, headers, len(handler.lines)))
            step = self.script.pop(0) if self.script else self.otherwise
            self._lock.notify_all()
        if self.poison and any(self.poison in line for line in handler.lines):
            step = answer(400, "unable to parse")
        step(handler)

    def take(self, lines: list[bytes]) -> None:
        """Remembers lines as stored."""
        with self._lock:
            self.stored += lines

    def __exit__(self, *details: object) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
