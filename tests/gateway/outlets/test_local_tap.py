"""Watching a gateway over its lives."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from twolbms.outlets.local_socket import LocalSocket
from twolbms.outlets.local_tap import Tap

WITHIN_S = 20.0


async def gateway(path: Path, name: str) -> LocalSocket:
    """The real local socket with a made-up gateway behind it."""
    async def ask(request: dict[str, object], by: str) -> dict[str, object]:
        return {"accepted": True, "pack": request["pack"], "by": by}

    server = LocalSocket(path, lambda: {"site": name, "packs": {}}, ask)
    await server.start()
    return server


def test_snapshots_over_two_lives(tmp_path: Path) -> None:
    """Snapshots come from a gateway, stop when it goes while the last stays, and come again from the next."""
    async def play() -> None:
        path = tmp_path / "2lbms.sock"
        tap, heard = Tap(path, 0.02), asyncio.Queue[str]()
        following = asyncio.create_task(tap.follow(lambda snapshot: heard.put_nowait(snapshot["site"])))
        assert tap.snapshot is None
        first = await gateway(path, "first")
        assert await asyncio.wait_for(heard.get(), WITHIN_S) == "first"
        await first.stop()
        before_s = tap.silent_s
        assert tap.snapshot == {"site": "first", "packs": {}} and tap.silent_s > before_s
        second = await gateway(path, "second")
        while await asyncio.wait_for(heard.get(), WITHIN_S) != "second":
            pass
        following.cancel()
        await second.stop()
    asyncio.run(play())


def test_acknowledgements_over_two_lives(tmp_path: Path) -> None:
    """Every line of both lives is given on, whole."""
    async def play() -> None:
        path, lines = tmp_path / "2lbms.sock", asyncio.Queue[bytes]()
        listening = asyncio.create_task(Tap(path).acknowledgements(lines.put_nowait))
        for name in ("first", "second"):
            server = await gateway(path, name)
            line = b""
            while json.loads(line or b"[0]") != ["event", 1, name, "", {}]:  # sent again until somebody listens
                server._stream(json.dumps(["event", 1, name, "", {}]).encode() + b"\n")
                await asyncio.sleep(0)
                if not lines.empty():
                    line = lines.get_nowait()
            await server.stop()
        listening.cancel()
    asyncio.run(play())


def test_asking(tmp_path: Path) -> None:
    """A request carries the name of who asks, and its answer comes back."""
    async def play() -> None:
        server = await gateway(tmp_path / "2lbms.sock", "only")
        answer = await Tap(tmp_path / "2lbms.sock").ask("house", "close", "anna")
        assert answer == {"accepted": True, "pack": "house", "by": "anna"}
        await server.stop()
    asyncio.run(play())
