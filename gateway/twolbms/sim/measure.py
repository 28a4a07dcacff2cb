"""Measures what the bus hub costs: `python -m twolbms.sim.measure` prints its share of one core under a paced load.

The hub runs in a process of its own, so that the figure holds nothing of the clients.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
from multiprocessing.connection import Connection

from twolbms.clock import SystemClock
from twolbms.sim.bus import Bus
from twolbms.sim.bus_hub import BusHub
from twolbms.sim.slcan import CanFrame, FrameReader, encode

_STEP_S = 0.002


def _serve(pipe: Connection, seconds: float) -> None:
    asyncio.run(_serve_for(pipe, seconds))


async def _serve_for(pipe: Connection, seconds: float) -> None:
    hub = BusHub(SystemClock(boot_id="0" * 32), Bus())
    pipe.send(await hub.listen())
    while hub.bus.frames_by_id.total() < 100:
        await asyncio.sleep(0.05)
    cpu_s, wall_s, frames = time.process_time(), time.monotonic(), hub.bus.frames_by_id.total()
    await asyncio.sleep(seconds)
    wall_s, cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
    status = hub.status()
    pipe.send({
        "frames_per_s": round((hub.bus.frames_by_id.total() - frames) / wall_s), "load": status["load"],
        "core_share": round(cpu_s / wall_s, 4), "us_per_frame": round(cpu_s * 1e6 / (status["frames"] - frames), 1),
        "dropped": sum(client["dropped"] for client in status["clients"].values()),
    })
    await asyncio.to_thread(pipe.recv)  # the clients have gone
    await hub.close()


async def _talk(port: int, number: int, frames_per_s: float, seconds: float) -> int:
    """One node: sends each frame by a write of its own, at an even pace, and counts what it receives."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"C\rS6\rO\r")
    received = asyncio.create_task(_count(reader))
    started, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < seconds:
        while sent < elapsed * frames_per_s:
            data = sent.to_bytes(4, "little") + bytes((number, 0x5A, 0xC3, sent & 0xFF))
            writer.write(encode(CanFrame(0x0CFF1000 | (sent % 8) << 8 | number, True, data)))
            sent += 1
        await asyncio.sleep(_STEP_S)
    writer.close()
    return await received


async def _count(reader: asyncio.StreamReader) -> int:
    frames, count = FrameReader(), 0
    while data := await reader.read(65536):
        count += len(frames.feed(data))
    return count


async def _load(port: int, clients: int, frames_per_s: float, seconds: float) -> None:
    each = frames_per_s / clients
    await asyncio.gather(*(_talk(port, number + 1, each, seconds) for number in range(clients)))


def main() -> None:
    """Runs the measurement and prints one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rate", type=float, default=2500, help="frames per second of all clients together")
    arguments.add_argument("--clients", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=10)
    chosen = arguments.parse_args()
    here, there = multiprocessing.Pipe()
    hub = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, chosen.seconds))
    hub.start()
    asyncio.run(_load(here.recv(), chosen.clients, chosen.rate, chosen.seconds + 1.5))
    print(json.dumps(here.recv()))
    here.send("stop")
    hub.join()


if __name__ == "__main__":
    main()
