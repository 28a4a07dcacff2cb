"""The other end of the local socket, for commands: one request, one answer, or lines for as long as they are read."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ANSWER_WITHIN_S = 5.0
ASK_WITHIN_S = 60.0  # a request waits for its outcome at the node; its own expiry is shorter
_LONGEST_LINE = 1 << 24


class GatewayAbsentError(Exception):
    """No gateway answers; the text says where it was looked for."""


class LocalClient:
    """A gateway's local socket. Each call makes its own connection; GatewayAbsentError when nobody answers."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def snapshot(self) -> Json:
        """The picture of now."""
        return self._one({"do": "snapshot"}, ANSWER_WITHIN_S)

    def ask(self, pack: str, what: str, **details: Any) -> Json:
        """A person's request; waits for the node's answer: {"accepted", "text", …} or {"error"}."""
        return self._one({"do": "ask", "pack": pack, "what": what, **details}, ASK_WITHIN_S)

    def follow(self, every_s: float = 0.5) -> Iterator[Json]:
        """A snapshot every so many seconds until the gateway goes."""
        yield from self._lines({"do": "follow", "every_s": every_s}, every_s + ANSWER_WITHIN_S)

    def acknowledgements(self) -> Iterator[list[Any]]:
        """Each sample and event as the journal acknowledges it, until the gateway goes."""
        yield from self._lines({"do": "acknowledgements"}, None)

    def _one(self, request: Json, within_s: float) -> Json:
        answer: Json | None = next(self._lines(request, within_s), None)
        if answer is None:
            raise GatewayAbsentError(f"the gateway on {self._path} closed the connection without an answer")
        return answer

    def _lines(self, request: Json, within_s: float | None) -> Iterator[Any]:
        with self._connected(within_s) as connection, connection.makefile("rb") as lines:
            try:
                connection.sendall(json.dumps(request).encode() + b"\n")
                while (line := lines.readline(_LONGEST_LINE)).endswith(b"\n"):
                    yield json.loads(line)
            except TimeoutError:
                raise GatewayAbsentError(f"the gateway on {self._path} does not answer") from None
            except OSError:
                return  # it has gone in the middle of a line

    def _connected(self, within_s: float | None) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(within_s)
        try:
            connection.connect(str(self._path))
        except OSError as error:
            connection.close()
            raise GatewayAbsentError(f"no gateway answers on {self._path}: {error.strerror or error}") from None
        return connection
