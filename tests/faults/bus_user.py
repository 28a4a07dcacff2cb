"""The harness's end of a feeder process, and what the far side of the bus heard of the gateway meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

HEARTBEAT_ID = 0x0CFF8080
REQUEST_ID = 0x08FF8101
SILENT_NS = 1_000_000_000  # from here on a node counts the gateway as silent (docs/architecture.md, silence)


class Heard(NamedTuple):
    """One frame that the gateway sent, at a monotonic time of this machine."""

    time_ns: int
    can_id: int
    data: bytes


class Beats(NamedTuple):
    """Heartbeats and requests to node 1 in a stretch of time, and the longest wait for a heartbeat in it."""

    heartbeats: int
    requests: int
    longest_s: float

    @property
    def kept(self) -> bool:
        """Whether no node would have counted the gateway as silent."""
        return self.heartbeats > 0 and self.longest_s * 1e9 <= SILENT_NS

    def __str__(self) -> str:
        return f"{self.heartbeats} heartbeats, {self.requests} requests, longest wait {self.longest_s:.2f} s"


def beats(heard: Iterable[Heard], from_ns: int, to_ns: int) -> Beats:
    """What a node heard between two times; both ends count as a wait."""
    times = [frame.time_ns for frame in heard if frame.can_id == HEARTBEAT_ID and from_ns <= frame.time_ns <= to_ns]
    waits = [b - a for a, b in zip([from_ns, *times], [*times, to_ns], strict=True)]
    requests = sum(frame.can_id == REQUEST_ID and from_ns <= frame.time_ns <= to_ns for frame in heard)
    return Beats(len(times), requests, max(waits) / 1e9)


class FeederProcess:
    """A running feeder. `heard` grows with each command."""

    def __init__(self, *nodes: int, connect: int | None = None, program: str = "feeder.py") -> None:
        self.heard: list[Heard] = []
        self.sent = 0
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(program)), *map(str, nodes or (1,)),
             *(["--connect", str(connect)] if connect else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port: int = self._answer()["port"]

    def __enter__(self) -> FeederProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the feeder has ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, **command: Any) -> dict[str, Any]:
        """One command and its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.sent = answer.get("sent", self.sent)
        self.heard += [Heard(time_ns, can_id, bytes.fromhex(data)) for time_ns, can_id, data in answer.pop("heard", [])]
        return answer

    def listen(self) -> list[Heard]:
        """Everything heard until now."""
        self.ask(do="status")
        return self.heard
