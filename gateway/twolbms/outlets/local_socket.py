"""The local socket: snapshots, the stream of acknowledgements, and requests of people on this machine.

A client sends one JSON line and gets JSON lines. One that does not read is told and dropped; it holds up nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from twolbms.journal.records import Event, Record, Sample

Json = dict[str, Any]
Ask = Callable[[Json, str], Awaitable[Json]]

_LONGEST_REQUEST = 1 << 16
_MOST_WAITING = 4 << 20  # bytes an acknowledgement client may leave unread: minutes of a busy site
_GOODBYE_S = 5.0
_EXPECTED = "expected do: snapshot, follow, acknowledgements, or ask with pack and what"
_LEAST_EVERY_S, _MOST_EVERY_S = 0.02, 3600.0


class SocketInUseError(Exception):
    """Another gateway answers on this socket."""


class LocalSocket:
    """The server. `snapshot` makes a picture, `ask(request, by)` takes a person's request and waits for its outcome."""

    def __init__(self, path: Path, snapshot: Callable[[], Json], ask: Ask) -> None:
        self._path = path
        self._snapshot = snapshot
        self._ask = ask
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.Task[None]] = set()
        self.dropped = 0

    async def start(self) -> None:
        """Listens; a socket file that nobody answers on is replaced. Raises SocketInUseError, OSError."""
        self._loop = asyncio.get_running_loop()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if answers(self._path):
            raise SocketInUseError(f"another gateway answers on {self._path}")
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)  # 0600 from the first moment
        try:
            listening.bind(str(self._path))
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=_LONGEST_REQUEST)

    async def stop(self) -> None:
        """Ends all connections and removes the socket file."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        with contextlib.suppress(OSError):
            self._path.unlink()

    # --- acknowledgements ---

    def acknowledged(self, records: Iterable[Record]) -> None:
        """Records that the journal has written; called on its thread, so the lines go over to the loop."""
        if self._listeners and self._loop is not None:
            lines = b"".join(line for record in records if (line := acknowledgement(record)))
            if lines:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    self._loop.call_soon_threadsafe(self._stream, lines)

    def _stream(self, lines: bytes) -> None:
        for writer in list(self._listeners):
            if writer.is_closing():
                self._listeners.discard(writer)
            elif writer.transport.get_write_buffer_size() + len(lines) > _MOST_WAITING:
                self._drop(writer)
            else:
                writer.write(lines)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        """Says goodbye behind what waits already, and cuts the line if even that is not read."""
        self.dropped += 1
        self._listeners.discard(writer)
        writer.write(_line({"dropped": f"more than {_MOST_WAITING >> 20} MiB were not read"}))
        writer.close()
        asyncio.get_running_loop().call_later(_GOODBYE_S, writer.transport.abort)

    # --- requests ---

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            while line := await reader.readline():
                await self._answer(_request(line), reader, writer)
        except (ConnectionError, asyncio.CancelledError, ValueError):  # ValueError: a line without an end
            pass
        finally:
            self._clients.discard(task)
            self._listeners.discard(writer)
            writer.close()

    async def _answer(self, request: Json, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match request:
            case {"do": "snapshot"}:
                writer.write(_line(self._snapshot()))
            case {"do": "follow"}:
                await self._follow(request.get("every_s", 0.5), reader, writer)
            case {"do": "acknowledgements"}:
                self._listeners.add(writer)
                await reader.read()  # until the client goes
            case {"do": "ask", "pack": str(), "what": str()}:
                writer.write(_line(await self._ask(request, _who(request, writer))))
            case {"error": _}:
                writer.write(_line(request))
            case _:
                writer.write(_line({"error": _EXPECTED}))
        await writer.drain()

    async def _follow(self, every_s: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A snapshot every so often until the client goes; one that reads slowly gets fewer."""
        if not isinstance(every_s, int | float) or isinstance(every_s, bool):
            writer.write(_line({"error": "expected every_s: seconds"}))
            return
        pause_s = min(max(float(every_s), _LEAST_EVERY_S), _MOST_EVERY_S)
        gone = asyncio.ensure_future(reader.read())
        try:
            while not gone.done():
                writer.write(_line(self._snapshot()))
                await writer.drain()
                await asyncio.wait([gone], timeout=pause_s)
        finally:
            gone.cancel()


def acknowledgement(record: Record) -> bytes | None:
    """The line of an acknowledged sample or event, None for other families."""
    if isinstance(record, Sample):
        series = record.series
        return _line(["sample", record.time_ns, series.quantity, series.pack, series.cell, record.value])
    if isinstance(record, Event):
        return _line(["event", record.time_ns, record.kind, record.pack, record.data])
    return None


def _line(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"


def _request(line: bytes) -> Json:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {"error": "expected one line of JSON"}
    return request if isinstance(request, dict) and "error" not in request else {"error": "expected a JSON object"}


def _who(request: Mapping[str, Any], writer: asyncio.StreamWriter) -> str:
    """The name given, else the user at the other end: only this gateway's user and root can open the socket."""
    name = request.get("by")
    if isinstance(name, str) and 0 < len(name) <= 60 and name.isprintable():
        return name
    peer = writer.get_extra_info("socket")
    uid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def answers(path: Path) -> bool:
    """Whether a live server listens on the socket file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
