"""The hub over real sockets and ptys, with python-can and with plain bytes as clients."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import can
import pytest

from twolbms.clock import Clock
from twolbms.sim.bus import Bus
from twolbms.sim.bus_faults import FaultSettings
from twolbms.sim.bus_hub import BusHub

FRAME = b"T0CFF500180102030405060708\r"
OTHER = b"t1DB20060\r"


class RushingClock(Clock):
    """Ten milliseconds later each time it is asked: every frame has had its time on the wire."""

    boot_id = "0" * 32

    def __init__(self) -> None:
        self.now_ns = 0

    def mono_ns(self) -> int:
        self.now_ns += 10_000_000
        return self.now_ns


def with_hub(story: Callable[[BusHub, int], Awaitable[Any]], **options: Any) -> Any:
    """Runs a story with a hub and its TCP port, at most ten seconds."""
    async def run() -> Any:
        hub = BusHub(RushingClock(), Bus(), wake_s=0.0, **options)
        try:
            return await asyncio.wait_for(story(hub, await hub.listen()), 10)
        finally:
            await hub.close()

    return asyncio.run(run())


class Client:
    """A plain TCP client that has opened its channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def join(cls, port: int) -> Client:
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        client.writer.write(b"C\rS6\rO\r")
        assert await client.reader.readexactly(3) == b"\r\r\r"
        return client

    async def line(self) -> bytes:
        return await self.reader.readuntil(b"\r")


def test_frames_cross_between_tcp_clients() -> None:
    """What one client sends the other gets as the same line, and the sender its answer."""
    async def story(hub: BusHub, port: int) -> None:
        first, second = await Client.join(port), await Client.join(port)
        first.writer.write(FRAME)
        assert await second.line() == FRAME
        assert await first.line() == b"\r"
        second.writer.write(OTHER[:4])
        second.writer.write(OTHER[4:])
        assert await first.line() == OTHER

    with_hub(story)


def exchange(first: can.BusABC, second: can.BusABC) -> tuple[can.Message | None, can.Message | None]:
    first.send(can.Message(arbitration_id=0x0CFF5001, data=range(1, 9), is_extended_id=True))
    second.send(can.Message(arbitration_id=0x1DB, data=[0, 0x60], is_extended_id=False))
    return first.recv(5), second.recv(5)


@pytest.mark.parametrize("letter_answers", [False, True])
def test_python_can_both_ways(letter_answers: bool) -> None:
    """python-can's slcan interface talks over TCP and over a pty, both ways, and reads version and serial number."""
    async def story(hub: BusHub, port: int) -> None:
        path = hub.add_pty("python-can")

        def work() -> None:
            options: dict[str, Any] = {"interface": "slcan", "sleep_after_open": 0, "bitrate": 500_000}
            with can.Bus(channel=f"socket://127.0.0.1:{port}", **options) as first, \
                    can.Bus(channel=path, **options) as second:
                assert first.get_version(5) == second.get_version(5) == (10, 13)
                assert second.get_serial_number(5) == "2LBM"
                from_second, from_first = exchange(first, second)
            assert from_first is not None and from_second is not None
            assert (from_first.arbitration_id, from_first.is_extended_id) == (0x0CFF5001, True)
            assert bytes(from_first.data) == bytes(range(1, 9))
            assert (from_second.arbitration_id, from_second.is_extended_id) == (0x1DB, False)

        await asyncio.to_thread(work)

    with_hub(story, letter_answers=letter_answers)


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0)


def test_pty_forgets_what_nobody_read() -> None:
    """A pty's channel closes with its user, and the next one does not get the frames left unread."""
    async def story(hub: BusHub, port: int) -> None:
        path = hub.add_pty("adapter")
        (adapter,) = hub.bus.controllers
        talker = await Client.join(port)
        first = os.open(path, os.O_RDWR | os.O_NOCTTY)
        os.write(first, b"O\r")
        await until(lambda: adapter.open)
        talker.writer.write(FRAME * 3)
        await until(lambda: adapter.received == 3 and not adapter.outgoing)
        os.close(first)
        await until(lambda: not adapter.open)
        second = os.open(path, os.O_RDWR | os.O_NOCTTY)
        os.write(second, b"S6\rO\r")
        assert await asyncio.to_thread(os.read, second, 100) == b"\r\r"
        talker.writer.write(OTHER)
        assert await asyncio.to_thread(os.read, second, 100) == OTHER
        os.close(second)

    with_hub(story)


def test_reader_that_stops_overruns() -> None:
    """A client that stops reading loses frames, counted, and the bus goes on."""
    async def story(hub: BusHub, port: int) -> None:
        talker, stuck = await Client.join(port), await Client.join(port)
        stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a reading transport
        controller = hub.bus.controllers[1]
        while controller.overrun == 0:
            talker.writer.write(FRAME * 40)
            assert await talker.reader.readexactly(40) == b"\r" * 40
        assert controller.deaf

    with_hub(story)


def test_client_that_leaves() -> None:
    """A client that is gone no longer acknowledges; its counters are kept."""
    async def story(hub: BusHub, port: int) -> dict[str, Any]:
        first, second = await Client.join(port), await Client.join(port)
        first.writer.write(FRAME + b"?\r")
        assert await second.line() == FRAME
        first.writer.close()
        await until(lambda: len(hub.bus.controllers) == 1)
        assert not hub.bus.acknowledged(hub.bus.controllers[0])
        return hub.status()

    gone = with_hub(story)["gone"]["tcp-1"]
    assert (gone["sent"], gone["bad_lines"]) == (1, 1)


def test_cut_by_name() -> None:
    """A client can be cut off by its name, or all of a port by the port's."""
    async def story(hub: BusHub, port: int) -> None:
        named = await hub.listen(name="gateway")
        clients = [await Client.join(named), await Client.join(named), await Client.join(port)]
        assert hub.disconnect("gateway-2")
        assert await clients[1].reader.read() == b""
        assert hub.disconnect("gateway")
        assert await clients[0].reader.read() == b""
        assert not hub.disconnect("gateway")
        assert [each.name for each in hub.bus.controllers] == ["tcp-1"]

    with_hub(story)


def test_faults_from_outside() -> None:
    """A silenced bus holds frames back; when the fault is taken away they come."""
    async def story(hub: BusHub, port: int) -> None:
        first, second = await Client.join(port), await Client.join(port)
        hub.set_faults(FaultSettings(silent=True))
        first.writer.write(FRAME)
        assert await first.line() == b"\r"
        assert hub.bus.frames_by_id.total() == 0
        hub.set_faults(FaultSettings())
        assert await second.line() == FRAME

    with_hub(story)


def test_wakes_only_for_traffic() -> None:
    """An idle bus has no timer running."""
    async def story(hub: BusHub, port: int) -> None:
        first, second = await Client.join(port), await Client.join(port)
        first.writer.write(FRAME)
        await second.line()
        for _ in range(5):
            await asyncio.sleep(0)
        assert hub._timer is None

    with_hub(story)
