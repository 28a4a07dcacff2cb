"""The asyncio shell of the simulated bus: each TCP connection or pty is one slcan adapter on it.

Wakes every few milliseconds while there is traffic and not at all on an idle bus; writes once a client and wake.
Listens on loopback only.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Any, Protocol

from twolbms.clock import Clock
from twolbms.sim.bus import Bus
from twolbms.sim.bus_faults import FaultSettings
from twolbms.sim.bus_port import UNREAD_BYTES, SlcanPort
from twolbms.sim.bus_pty import PtyClient

WAKE_S = 0.003
"""Real seconds between two wakes under traffic; frames keep their own story times, so this only delays delivery."""

_READ_BYTES = 65536
_GONE_KEPT = 32  # counters of this many clients that have left
_NEW_USER = (b"C\r", b"O\r", b"L\r")  # what a client says first


class BusClient(Protocol):
    """A connected adapter user, whatever the stream; `group` is the name of the TCP port or pty it came by."""

    port: SlcanPort
    group: str

    def write(self, data: bytes) -> None:
        """Sends without blocking."""

    def close(self) -> None:
        """Ends the connection."""


class BusHub:
    """Joins clients to one `Bus`; the story time of a frame is when its bytes were read."""

    def __init__(self, clock: Clock, bus: Bus, *, wake_s: float = WAKE_S, letter_answers: bool = False) -> None:
        self.bus = bus
        self._clock = clock
        self._wake_s = wake_s
        self._letters = letter_answers
        self._servers: list[asyncio.Server] = []
        self._clients: list[BusClient] = []
        self._joined: Counter[str] = Counter()
        self._gone: dict[str, dict[str, Any]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def listen(self, port: int = 0, name: str = "tcp") -> int:
        """Opens a TCP port on loopback (0 = any free one) and returns it; its clients are called `name-1`, `name-2`…"""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _TcpClient(self, name), "127.0.0.1", port)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def add_pty(self, name: str) -> str:
        """Makes a pty for one client and returns the path that the client opens."""
        client = PtyClient(self, name)
        self._clients.append(client)
        return client.path

    def new_port(self, name: str) -> SlcanPort:
        """The adapter of a new client."""
        return SlcanPort(self.bus, self.bus.attach(name), letter_answers=self._letters)

    def joined(self, client: BusClient) -> None:
        """A client has connected."""
        self._clients.append(client)

    def next_name(self, name: str) -> str:
        """A name no client had before."""
        self._joined[name] += 1
        return f"{name}-{self._joined[name]}"

    def left(self, client: BusClient) -> None:
        """A client has gone: its controller leaves the bus, its counters are kept."""
        if client in self._clients:
            self._clients.remove(client)
            controller = client.port.controller
            self.bus.detach(controller)
            self._gone[controller.name] = controller.counters() | {"bad_lines": client.port.bad_lines}
            if len(self._gone) > _GONE_KEPT:
                del self._gone[next(iter(self._gone))]
            self.wake()

    def took(self, client: BusClient, data: bytes) -> None:
        """Bytes have come from a client."""
        client.port.feed(data, self._clock.mono_ns())
        self.wake()

    def wake(self) -> None:
        """Sees to it that the bus runs soon; call it after changing a fault from outside."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._wake_s, self._run)

    def _run(self) -> None:
        self._timer = None
        if self.bus.advance(self._clock.mono_ns()):
            self.wake()
        for client in self._clients:
            if data := client.port.take():
                client.write(data)

    def set_faults(self, settings: FaultSettings) -> None:
        """Replaces the faults of the bus."""
        self.bus.faults.settings = settings
        self.wake()

    def disconnect(self, name: str) -> bool:
        """Cuts the connection of a client, or of all clients of a port, as if the cable were pulled; False if none."""
        found = [client for client in self._clients if name in (client.port.controller.name, client.group)]
        for client in found:
            client.close()
        return bool(found)

    def status(self) -> dict[str, Any]:
        """Counters of the bus and of all clients, those that have left included; JSON-able."""
        counters = self.bus.counters(self._clock.mono_ns())
        for client in self._clients:
            counters["clients"][client.port.controller.name]["bad_lines"] = client.port.bad_lines
        return counters | {"gone": dict(self._gone)}

    async def close(self) -> None:
        """Closes all ports and connections."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for server in self._servers:
            server.close()
        for client in tuple(self._clients):
            client.close()
        self._servers.clear()
        await asyncio.sleep(0)  # lets the transports report their end


class _TcpClient(asyncio.Protocol):
    """A TCP connection of a client."""

    port: SlcanPort

    def __init__(self, hub: BusHub, name: str) -> None:
        self._hub = hub
        self.group = name
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=UNREAD_BYTES)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        self.port = self._hub.new_port(self._hub.next_name(self.group))
        self._hub.joined(self)

    def data_received(self, data: bytes) -> None:
        self._hub.took(self, data)

    def pause_writing(self) -> None:
        self.port.controller.deaf = True

    def resume_writing(self) -> None:
        self.port.controller.deaf = False

    def connection_lost(self, error: Exception | None) -> None:
        self._hub.left(self)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
