"""The TCP server that gives nodes their readings and takes their outputs, in lockstep, one connection a node.

A node that answers late finds the newest reading, never a queue of old ones; a node that is gone has all outputs off.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from twolbms.sim.plant_packets import HELLO, OUTPUT, Hello, Output, PacketReader, parse_hello, parse_output


class PlantEnd(Protocol):
    """The plant as the link needs it."""

    cell_count: int
    sensor_count: int

    def command(self, output: Output) -> None:
        """Takes what the node commands."""

    def drop_out(self) -> None:
        """All outputs off: the node's hardware has lost its processor."""


@dataclass(slots=True)
class LinkCounters:
    """Of one node number, over all its connections; `late` counts readings that found the last one unanswered."""

    connections: int = 0
    readings: int = 0
    outputs: int = 0
    late: int = 0
    unasked: int = 0
    skipped_bytes: int = 0


MOST_LATER = 300
"""Readings that wait for a node at most, 30 s of the story; a node that stands still for longer sees time leap."""


class NodeLine:
    """The lockstep with one node, whatever connection it has now."""

    def __init__(self, end: PlantEnd) -> None:
        self.end = end
        self.counters = LinkCounters()
        self.connection: _Connection | None = None
        self._waiting = False
        self._later: deque[bytes] = deque(maxlen=MOST_LATER)

    def begin(self, connection: _Connection) -> None:
        """A node has introduced itself; an older connection of the same number is cut."""
        if self.connection is not None and self.connection is not connection:
            self.connection.cut()
        self.connection = connection
        self.counters.connections += 1
        self._waiting = False
        self._later.clear()
        self.end.drop_out()  # it has just booted

    def end_of(self, connection: _Connection) -> None:
        """A connection is gone; nothing happens when a newer one has replaced it."""
        if self.connection is connection:
            self.connection = None
            self.end.drop_out()

    def offer(self, packet: bytes) -> None:
        """Gives the node a reading: at once, or after its answers to those before; the oldest of too many is lost.

        A host that is slow for a moment is no late cycle of the node: it catches up, reading by reading.
        """
        if self.connection is None:
            return
        if self._waiting:
            self.counters.late += 1
            self._later.append(packet)
        else:
            self._send(self.connection, packet)

    def _send(self, connection: _Connection, packet: bytes) -> None:
        self._waiting = True
        self.counters.readings += 1
        connection.write(packet)

    def answered(self, output: Output) -> None:
        """The node has answered; an answer that nobody asked for is obeyed too, and counted."""
        self.counters.outputs += 1
        self.counters.unasked += not self._waiting
        self._waiting = False
        self.end.command(output)
        if self._later and self.connection is not None:
            self._send(self.connection, self._later.popleft())


class PlantLink:
    """The server; node numbers are those of HELLO. `refused` says why the last introduction was not taken."""

    def __init__(self, ends: Mapping[int, PlantEnd]) -> None:
        self.lines = {node: NodeLine(end) for node, end in ends.items()}
        self.refused: str | None = None
        self.refusals = 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def listen(self, port: int = 0) -> int:
        """Opens the port on loopback (0 = any free one) and returns it."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)
        return int(self._server.sockets[0].getsockname()[1])

    def offer(self, node: int, packet: bytes) -> None:
        """Gives a node its newest reading, if it is connected."""
        self.lines[node].offer(packet)

    def connected(self, node: int) -> bool:
        """Whether a node has introduced itself and is still there."""
        return self.lines[node].connection is not None

    def disconnect(self, node: int) -> None:
        """Cuts a node's connection, as if it lost its supply."""
        connection = self.lines[node].connection
        if connection is not None:
            connection.cut()

    def line_of(self, hello: Hello) -> NodeLine | None:
        """The line of an introduction, None (and counted) when its number or its counts are not those of a plant."""
        line = self.lines.get(hello.node)
        if line is None:
            self._refuse(f"node {hello.node}: expected one of {sorted(self.lines)}")
            return None
        expected = Hello(hello.node, line.end.cell_count, line.end.sensor_count)
        if hello != expected:
            self._refuse(f"node {hello.node}: has {hello.cells} cells and {hello.sensors} sensors, "
                         f"expected {expected.cells} and {expected.sensors}")
            return None
        return line

    def _refuse(self, reason: str) -> None:
        self.refused, self.refusals = reason, self.refusals + 1

    def opened(self, connection: _Connection) -> None:
        """A connection has begun."""
        self._connections.add(connection)

    def closed(self, connection: _Connection) -> None:
        """A connection has ended."""
        self._connections.discard(connection)

    def status(self) -> dict[str, Any]:
        """Counters by node number, JSON-able."""
        nodes = {str(node): asdict(line.counters) | {"connected": line.connection is not None}
                 for node, line in self.lines.items()}
        return {"nodes": nodes, "refused": self.refused, "refusals": self.refusals}

    async def close(self) -> None:
        """Closes the port and all connections."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.cut()
        await asyncio.sleep(0)  # lets the transports report their end


class _Connection(asyncio.Protocol):
    """A TCP connection; nobody until its HELLO."""

    def __init__(self, link: PlantLink) -> None:
        self._link = link
        self._line: NodeLine | None = None
        self._packets = PacketReader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        self._link.opened(self)

    def data_received(self, data: bytes) -> None:
        before = self._packets.bad
        for kind, payload in self._packets.feed(data):
            if kind == HELLO:
                self._introduce(parse_hello(payload))
            elif kind == OUTPUT and self._line is not None and self._line.connection is self:
                self._line.answered(parse_output(payload))
        if self._line is not None:
            self._line.counters.skipped_bytes += self._packets.bad - before

    def _introduce(self, hello: Hello) -> None:
        self._line = self._link.line_of(hello)
        if self._line is None:
            self.cut()
        else:
            self._line.begin(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._link.closed(self)
        if self._line is not None:
            self._line.end_of(self)

    def write(self, data: bytes) -> None:
        """Sends a packet; at most one is outstanding, so the buffer cannot grow."""
        if self._transport is not None:
            self._transport.write(data)

    def cut(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()
