"""The simulated world as a process of its own: one JSON line when ready, then JSON commands in, JSON answers out.

Commands: {"pack": NAME, "set": {…}}, {"bus": true, "set": {…}}, {"pack": NAME, "do": "disconnect"},
{"client": NAME, "do": "disconnect"}, {"do": "status"}, {"do": "stop"}. The end of the input stops it too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twolbms.clock import StoryClock
from twolbms.sim.setup import SetupError, load_setup
from twolbms.sim.world import World


class _Stop(Exception):
    """The command to end."""


def answer(world: World, text: str) -> dict[str, Any]:
    """Carries out one command line; what cannot be done is answered with its reason."""
    try:
        command = json.loads(text)
        if not isinstance(command, dict):
            raise ValueError("expected an object")
        return {"ok": True} | _carry_out(world, command)
    except (ValueError, TypeError) as error:
        return {"ok": False, "error": str(error)}


def _carry_out(world: World, command: Mapping[str, Any]) -> dict[str, Any]:
    match command:
        case {"pack": str(name), "set": dict(changes)}:
            world.inject(name, **changes)
        case {"pack": str(name), "do": "disconnect"}:
            world.disconnect_node(name)
        case {"client": str(name), "do": "disconnect"}:
            if not world.hub.disconnect(name):
                raise ValueError(f"client {name!r}: not connected")
        case {"bus": _, "set": dict(changes)}:
            world.inject_bus(**changes)
        case {"do": "status"}:
            return {"status": world.status()}
        case {"do": "stop"}:
            raise _Stop
        case _:
            raise ValueError("expected pack and set, bus and set, or do")
    return {}


def _say(line: Mapping[str, Any]) -> None:
    print(json.dumps(line), flush=True)


async def _obey(world: World, lines: asyncio.Queue[str | None]) -> None:
    while (text := await lines.get()) is not None:
        if text.strip():
            try:
                _say(answer(world, text))
            except _Stop:
                _say({"ok": True})
                return


def _read_input(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str | None]) -> None:
    # A thread, because an event loop cannot wait for every kind of standard input.
    with contextlib.suppress(RuntimeError):  # the loop has ended
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)


async def run_process(world: World) -> None:
    """Opens the world, says where, and runs it until it is told to stop."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, lines.put_nowait, None)
    ports = await world.start()
    running = asyncio.create_task(world.run())
    _say({"ready": True} | ports._asdict() | {
        "clock": world.clock.text() if isinstance(world.clock, StoryClock) else None})
    threading.Thread(target=_read_input, args=(loop, lines), daemon=True).start()
    obeying = asyncio.create_task(_obey(world, lines))
    await asyncio.wait({running, obeying}, return_when=asyncio.FIRST_COMPLETED)
    obeying.cancel()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def main() -> int:
    """The command line; 2 when the setup cannot be used."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="JSON file of the world")
    arguments.add_argument("--clock", help="text form of the story clock; otherwise that of the file, or one from now")
    chosen = arguments.parse_args()
    try:
        setup = load_setup(chosen.config)
        text = chosen.clock or setup.clock
        world = World.of(setup, StoryClock.parse(text) if text else StoryClock.begin(1.0))
    except (SetupError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    asyncio.run(run_process(world))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
