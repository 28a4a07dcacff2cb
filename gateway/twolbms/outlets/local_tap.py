"""For who watches a gateway over all its lives: snapshots, acknowledgements, a way to ask. Connects again and again.

A gateway that is gone leaves the last snapshot and its age; what that means is the reader's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

_AGAIN_S = 0.1
_LONGEST_LINE = 1 << 22
_ANSWER_WITHIN_S = 20.0

Snapshot = dict[str, Any]


class Tap:
    """One gateway's local socket, over all its lives. `every_s` is in real seconds."""

    def __init__(self, socket: Path, every_s: float = 0.25) -> None:
        self._socket = socket
        self._every_s = every_s
        self._began_s = time.monotonic()
        self._received_s: float | None = None
        self.snapshot: Snapshot | None = None

    @property
    def silent_s(self) -> float:
        """Real seconds since the last snapshot, or since the beginning when there was none."""
        return time.monotonic() - (self._began_s if self._received_s is None else self._received_s)

    async def follow(self, heard: Callable[[Snapshot], None] | None = None) -> None:
        """Keeps `snapshot` fresh, for ever."""
        async for line in self._lines({"do": "follow", "every_s": self._every_s}):
            with contextlib.suppress(ValueError):
                answer = json.loads(line)
                if isinstance(answer, dict) and "packs" in answer:
                    self.snapshot, self._received_s = answer, time.monotonic()
                    if heard:
                        heard(answer)

    async def acknowledgements(self, take: Callable[[bytes], object]) -> None:
        """Gives every acknowledgement line to `take`, for ever."""
        async for line in self._lines({"do": "acknowledgements"}):
            take(line)

    async def _lines(self, request: dict[str, Any]) -> AsyncIterator[bytes]:
        while True:
            with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_unix_connection(self._socket, limit=_LONGEST_LINE)
                try:
                    writer.write(json.dumps(request).encode() + b"\n")
                    while (line := await reader.readline()).endswith(b"\n"):
                        yield line
                finally:
                    writer.close()
            await asyncio.sleep(_AGAIN_S)

    async def ask(self, pack: str, what: str, by: str) -> dict[str, Any]:
        """One request of a person; the answer. An OSError or TimeoutError when nobody answers."""
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=_LONGEST_LINE)
        try:
            writer.write(json.dumps({"do": "ask", "pack": pack, "what": what, "by": by}).encode() + b"\n")
            line = await asyncio.wait_for(reader.readline(), _ANSWER_WITHIN_S)
        finally:
            writer.close()
        answer = json.loads(line) if line else {}
        return answer if isinstance(answer, dict) else {}
