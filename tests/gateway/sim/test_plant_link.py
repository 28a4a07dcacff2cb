"""The line to a node: lockstep, lateness, reconnection, garbage, and who is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from twolbms.sim.plant_link import MOST_LATER, NodeLine, PlantLink
from twolbms.sim.plant_packets import HELLO, READING, Hello, Output, PacketReader, packet, parse_reading
from twolbms.sim.plant_packets import Reading as PlantReading

ON = Output(3, bytes(16))
HELLO_1 = Hello(1, 2, 1).packet()


def reading(number: int) -> bytes:
    return PlantReading(number, 0, 0, 0, 0, 0, (3300, 3300), (200,)).packet()


class Plant:
    """A plant's end that remembers what it was told."""

    cell_count = 2
    sensor_count = 1

    def __init__(self) -> None:
        self.commands: list[Output | None] = []

    def command(self, output: Output) -> None:
        self.commands.append(output)

    def drop_out(self) -> None:
        self.commands.append(None)


class Node:
    """A node at the other end of the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._packets = PacketReader()
        self._found: list[tuple[int, bytes]] = []

    @classmethod
    async def join(cls, port: int, hello: bytes = HELLO_1) -> Node:
        node = cls(*await asyncio.open_connection("127.0.0.1", port))
        node.writer.write(hello)
        return node

    async def time_ms(self) -> int:
        while not self._found:
            data = await self.reader.read(1000)
            assert data, "the line was cut"
            self._found += self._packets.feed(data)
        kind, payload = self._found.pop(0)
        assert kind == READING
        return parse_reading(payload).time_ms

    async def is_cut(self) -> bool:
        return await self.reader.read(1000) == b""


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0)


def with_link(story: Callable[[PlantLink, Plant, int], Awaitable[Any]]) -> None:
    """Runs a story with a link for node 1, at most ten seconds."""
    async def run() -> None:
        plant = Plant()
        link = PlantLink({1: plant})
        try:
            await asyncio.wait_for(story(link, plant, await link.listen()), 10)
        finally:
            await link.close()

    asyncio.run(run())


def test_lockstep() -> None:
    """A reading goes to the node, its answer to the plant, cycle by cycle."""
    async def story(link: PlantLink, plant: Plant, port: int) -> None:
        node = await Node.join(port)
        await until(lambda: link.connected(1))
        for number in range(5):
            link.offer(1, reading(number))
            assert await node.time_ms() == number
            node.writer.write(Output(number, bytes(16)).packet())
            await until(lambda count=number: len(plant.commands) == count + 2)
        assert [each and each.outputs for each in plant.commands] == [None, 0, 1, 2, 3, 4]
        assert link.lines[1].counters.late == 0

    with_link(story)


def test_late_node_catches_up() -> None:
    """A node that was away for five cycles gets every reading, in order: a slow host is no late cycle of its own."""
    async def story(link: PlantLink, plant: Plant, port: int) -> None:
        node = await Node.join(port)
        await until(lambda: link.connected(1))
        for number in range(6):
            link.offer(1, reading(number))
        assert await node.time_ms() == 0
        for number in range(1, 6):
            node.writer.write(ON.packet())
            assert await node.time_ms() == number
        counters = link.lines[1].counters
        assert (counters.readings, counters.outputs, counters.late) == (6, 5, 5)

    with_link(story)


def test_a_node_that_stands_still_sees_time_leap() -> None:
    """Of too many readings the oldest are lost, as on a board whose cycle hangs."""
    async def story(link: PlantLink, plant: Plant, port: int) -> None:
        node = await Node.join(port)
        await until(lambda: link.connected(1))
        for number in range(MOST_LATER + 6):
            link.offer(1, reading(number))
        assert await node.time_ms() == 0
        node.writer.write(ON.packet())
        assert await node.time_ms() == 6

    with_link(story)


def test_gone_node_drops_out() -> None:
    """When the connection ends all outputs are off, and the node may come back."""
    async def story(link: PlantLink, plant: Plant, port: int) -> None:
        for _ in range(2):
            node = await Node.join(port)
            await until(lambda: link.connected(1))
            link.offer(1, reading(0))
            await node.time_ms()
            node.writer.write(ON.packet())
            await until(lambda: plant.commands[-1:] == [ON])
            node.writer.close()
            await until(lambda: not link.connected(1))
        assert plant.commands == [None, ON, None] * 2
        assert link.lines[1].counters.connections == 2

    with_link(story)


def test_newer_connection_wins() -> None:
    """A node that connects again cuts its older connection and starts with outputs off."""
    async def story(link: PlantLink, plant: Plant, port: int) -> None:
        old = await Node.join(port)
        await until(lambda: link.connected(1))
        new = await Node.join(port)
        assert await old.is_cut()
        link.offer(1, reading(7))
        assert await new.time_ms() == 7
        assert plant.commands == [None, None]

    with_link(story)


def test_cut_from_outside() -> None:
    """Cutting a node's supply ends its connection and drops its outputs."""
    async def story(link: PlantLink, plant: Plant, port: int) -> None:
        node = await Node.join(port)
        await until(lambda: link.connected(1))
        link.disconnect(1)
        assert await node.is_cut()
        assert not link.connected(1)
        assert plant.commands == [None, None]

    with_link(story)


@pytest.mark.parametrize(("hello", "reason"), [
    (Hello(2, 2, 1), "node 2: expected one of [1]"), (Hello(1, 3, 1), "expected 2 and 1")])
def test_refused(hello: Hello, reason: str) -> None:
    """An unknown node number, or firmware for another pack, is cut off with a reason."""
    async def story(link: PlantLink, plant: Plant, port: int) -> None:
        node = await Node.join(port, hello.packet())
        assert await node.is_cut()
        assert plant.commands == []
        assert link.refusals == 1
        assert reason in (link.refused or "")

    with_link(story)


def test_garbage_on_the_line() -> None:
    """Garbage before, between and inside packets is skipped and counted; the lockstep goes on."""
    async def story(link: PlantLink, plant: Plant, port: int) -> None:
        node = await Node.join(port, b"\x00\xb5\xb5" + HELLO_1)
        await until(lambda: link.connected(1))
        link.offer(1, reading(0))
        await node.time_ms()
        whole = ON.packet()
        node.writer.write(b"\xb5\x4f\x11\x00garbage" + packet(HELLO, b"12") + whole[:9])
        node.writer.write(whole[9:] + whole)
        await until(lambda: plant.commands[-1:] == [ON])
        assert link.lines[1].counters.skipped_bytes > 5

    with_link(story)


def test_nobody_before_hello() -> None:
    """An output from a connection that has not introduced itself commands nothing."""
    async def story(link: PlantLink, plant: Plant, port: int) -> None:
        node = await Node.join(port, ON.packet() + HELLO_1)
        await until(lambda: link.connected(1))
        link.offer(1, reading(0))
        await node.time_ms()
        assert plant.commands == [None]

    with_link(story)


def test_unasked_answer_is_counted() -> None:
    """An answer that nobody asked for is obeyed, for it is the node's newest word, and counted."""
    plant = Plant()
    line = NodeLine(plant)
    line.answered(ON)
    assert (plant.commands, line.counters.unasked) == ([ON], 1)
