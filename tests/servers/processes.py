"""Starts a server program for tests on a free port of the loopback, and ends it by its own process id."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

START_SECONDS = 30.0


class Process:
    """One server program, which may be killed and started again on the same port and data."""

    def __init__(
        self, arguments: Sequence[str], log: Path, health_url: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._arguments = list(arguments)
        self._log = log
        self._health_url = health_url
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the server answers; raises RuntimeError with its last words when it does not."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self._environment
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            if answers(self._health_url):
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"{self._arguments[0]} does not answer: {self._log.read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def answers(url: str) -> bool:
    """Whether a GET of `url` succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
