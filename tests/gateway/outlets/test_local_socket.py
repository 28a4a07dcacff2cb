"""The local socket: one line asks, lines answer; nobody who does not read holds up anybody."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from twolbms.journal.records import Event, Frame, Sample, Series
from twolbms.outlets import local_socket
from twolbms.outlets.local_client import GatewayAbsentError, LocalClient
from twolbms.outlets.local_socket import LocalSocket, SocketInUseError

PICTURE = {"site": "home", "packs": {}}


async def answer(request: dict[str, Any], by: str) -> dict[str, Any]:
    return {"accepted": request["what"] == "open", "text": f"{request['pack']} by {by}", **request}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "2lbms.sock"


@asynccontextmanager
async def serving(path: Path, **options: Any) -> AsyncIterator[LocalSocket]:
    server = LocalSocket(path, options.get("snapshot", lambda: PICTURE), options.get("ask", answer))
    await server.start()
    yield server
    await server.stop()


def with_server(path: Path, talk: Callable[[LocalSocket], Awaitable[None]]) -> None:
    """Runs `talk` on a loop that also serves."""
    async def both() -> None:
        async with serving(path) as server:
            await asyncio.wait_for(talk(server), 20)

    asyncio.run(both())


async def exchange(path: Path, *lines: bytes) -> list[Any]:
    """One answer line for each line sent."""
    reader, writer = await asyncio.open_unix_connection(path)
    answers = []
    for line in lines:
        writer.write(line + b"\n")
        answers.append(json.loads(await reader.readline()))
    writer.close()
    return answers


def test_only_the_owner_may_open_it(path: Path) -> None:
    """The socket file has mode 0600 and is gone after the end."""
    async def talk(_: LocalSocket) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    with_server(path, talk)
    assert not path.exists()


def test_snapshot_and_nonsense_on_one_connection(path: Path) -> None:
    """Each line gets its answer, in order; what cannot be understood says what was expected."""
    async def talk(_: LocalSocket) -> None:
        answers = await exchange(path, b'{"do": "snapshot"}', b"hello", b"[1]", b'{"do": "dance"}', b'{"do": "ask"}',
                                 b'{"do": "follow", "every_s": "often"}', b'{"do": "snapshot"}')
        assert answers[0] == answers[-1] == PICTURE
        assert [set(each) for each in answers[1:-1]] == [{"error"}] * 5

    with_server(path, talk)


# (request's "by", name that the gateway hears); without one it is the user at the other end
@pytest.mark.parametrize(("by", "heard"), [("Ann", "Ann"), ("", None), ("x" * 61, None), ("a\nb", None), (7, None)])
def test_who_asks(path: Path, by: object, heard: str | None) -> None:
    """A request carries the name given, or that of the user who opened the socket."""
    import pwd
    user = pwd.getpwuid(os.getuid()).pw_name

    async def talk(_: LocalSocket) -> None:
        request = json.dumps({"do": "ask", "pack": "north", "what": "open", "by": by}).encode()
        assert (await exchange(path, request))[0]["text"] == f"north by {heard or user}"

    with_server(path, talk)


def test_acknowledgements(path: Path) -> None:
    """Samples and events are told as written, frames are not; a client that goes is forgotten."""
    async def talk(server: LocalSocket) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do": "acknowledgements"}\n')
        while not server._listeners:
            await asyncio.sleep(0)
        records = [Sample(5, Series("cell_voltage_v", "north", 3), 3.3), Frame(6, "can0", 1, True, b""),
                   Event(7, "opened", "north", {"text": "why"})]
        await asyncio.to_thread(server.acknowledged, records)  # the journal calls on its own thread
        assert json.loads(await reader.readline()) == ["sample", 5, "cell_voltage_v", "north", 3, 3.3]
        assert json.loads(await reader.readline()) == ["event", 7, "opened", "north", {"text": "why"}]
        writer.close()
        while server._listeners:
            await asyncio.sleep(0)

    with_server(path, talk)


def test_a_client_that_does_not_read_is_dropped_and_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its share of memory a slow client is cut off with a last line; others go on."""
    monkeypatch.setattr(local_socket, "_MOST_WAITING", 1 << 16)

    async def talk(server: LocalSocket) -> None:
        slow, fast = [await asyncio.open_unix_connection(path) for _ in range(2)]
        for _, writer in (slow, fast):
            writer.write(b'{"do": "acknowledgements"}\n')
        while len(server._listeners) < 2:
            await asyncio.sleep(0)
        slow[0]._transport.pause_reading()  # type: ignore[attr-defined]
        heard = 0
        record = Event(7, "noise", "", {"text": "x" * 4000})
        while not server.dropped:
            server.acknowledged([record])
            await fast[0].readline()
            heard += 1
        server.acknowledged([record])
        assert json.loads(await fast[0].readline())[1] == 7
        slow[0]._transport.resume_reading()  # type: ignore[attr-defined]
        lines = (await slow[0].read()).splitlines()
        assert "dropped" in json.loads(lines[-1])
        assert len(lines) - 1 < heard

    with_server(path, talk)


def test_follow(path: Path) -> None:
    """A picture comes again and again until the client goes."""
    async def talk(_: LocalSocket) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do": "follow", "every_s": 0.02}\n')
        assert [json.loads(await reader.readline()) for _ in range(5)] == [PICTURE] * 5
        writer.close()

    with_server(path, talk)


def test_a_stale_socket_file_is_replaced(path: Path) -> None:
    """What a killed gateway left behind does not stop the next one."""
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def talk(_: LocalSocket) -> None:
        assert (await exchange(path, b'{"do": "snapshot"}')) == [PICTURE]

    with_server(path, talk)


def test_a_live_socket_is_left_alone(path: Path) -> None:
    """A second server on the same path is refused and does not disturb the first."""
    async def talk(_: LocalSocket) -> None:
        with pytest.raises(SocketInUseError):
            await LocalSocket(path, dict, answer).start()
        assert (await exchange(path, b'{"do": "snapshot"}')) == [PICTURE]

    with_server(path, talk)


def test_the_client(path: Path) -> None:
    """The client for commands asks for a picture, follows, asks a node, and says so when nobody answers."""
    client = LocalClient(path)
    with pytest.raises(GatewayAbsentError, match="no gateway answers on"):
        client.snapshot()

    async def talk(_: LocalSocket) -> None:
        assert await asyncio.to_thread(client.snapshot) == PICTURE
        assert (await asyncio.to_thread(client.ask, "north", "open", by="Ann"))["accepted"] is True
        followed = client.follow(0.02)
        assert [await asyncio.to_thread(next, followed) for _ in range(3)] == [PICTURE] * 3
        await asyncio.to_thread(followed.close)

    with_server(path, talk)


def test_the_client_ends_with_the_gateway(path: Path) -> None:
    """When the gateway goes, the client's lines end instead of hanging."""
    client = LocalClient(path)
    ended: list[list[Any]] = []
    thread = threading.Thread(target=lambda: ended.append(list(client.acknowledgements())))

    async def talk(server: LocalSocket) -> None:
        thread.start()
        while not server._listeners:
            await asyncio.sleep(0)
        server.acknowledged([Event(7, "opened", "", {})])

    with_server(path, talk)
    thread.join(10)
    assert ended == [[["event", 7, "opened", "", {}]]]
