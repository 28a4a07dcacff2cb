"""An HTTP server for benchmarks that takes every write, counts its lines and answers 204: `python sink.py`.

It prints its port. GET /count answers lines, those of frames (with the tag bus=can0), bytes as they came and requests.
Its CPU is nobody's figure.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    counts: ClassVar[dict[str, int]] = {"lines": 0, "frames": 0, "bytes": 0, "requests": 0}

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.counts["requests"] += 1
        self.counts["bytes"] += len(body)
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.counts["lines"] += body.count(b"\n") + (not body.endswith(b"\n") and bool(body))
        self.counts["frames"] += body.count(b",bus=can0,") - body.count(b"bus,bus=can0,")
        self.send_response(204)
        self.end_headers()

    def do_GET(self) -> None:
        text = json.dumps(self.counts).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Sink:
    """A running sink."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def counts(self) -> dict[str, int]:
        """`lines`, `frames`, `bytes` and `requests` so far."""
        with urllib.request.urlopen(self.url + "/count", timeout=10) as answer:
            counts: dict[str, int] = json.load(answer)
        return counts


@contextmanager
def running_sink() -> Iterator[Sink]:
    """A sink in a process of its own for as long as the block lasts."""
    process = subprocess.Popen([sys.executable, str(Path(__file__))], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield Sink(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
