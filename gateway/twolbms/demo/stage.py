"""The stage of a demonstration: world, gateway and nodes as real processes on one clock. Starts them in order.

Used by the story and by `--hold`; knows neither.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from twolbms.build.micropython import Runtime
from twolbms.build.plain_source import firmware_source
from twolbms.clock import StoryClock
from twolbms.contract import node_contract
from twolbms.demo.parts import Part, Parts
from twolbms.demo.plant import World
from twolbms.demo.setup import PACKS, DemoPack, Places, Ports, Weather, with_ports, write_site, write_world
from twolbms.outlets.local_tap import Tap

_READY_WITHIN_S = 30.0
_EXTENDED = 0x80000000  # set in the hub's counters for 29-bit ids


class Stage:
    """All parts of one demonstration. `parts` ends them."""

    def __init__(self, places: Places, clock: StoryClock, weather: Weather, runtime: Runtime, parts: Parts) -> None:
        self.places = places
        self.clock = clock
        self.parts = parts
        self._weather = weather
        self._runtime = runtime
        self._influx = ""
        self.ports = Ports()
        self.world = World(parts.add(Part("world", [sys.executable, "-m", "twolbms.sim.world", "--config",
                                                    str(places.world)], places.log("world"), piped=True)))
        self.gateway = parts.add(Part("gateway", [sys.executable, "-m", "twolbms", "run", str(places.site), "--clock",
                                                  clock.text()], places.log("gateway")))
        self.nodes: list[Part] = []

    async def open_world(self) -> None:
        """Starts the world, and writes down where it listens: it comes back there."""
        write_world(self.places, self.clock, self._weather, self.ports)
        self.ports = with_ports(await self.world.start())
        write_world(self.places, self.clock, self._weather, self.ports)

    async def start(self, tap: Tap, influx: str = "") -> None:
        """Starts the gateway first, so that it hears each node from its first frame on, then the nodes."""
        write_site(self.places, self.ports.can, influx)
        await self.gateway.start()
        await self._until_heard(tap)
        for pack in PACKS:
            node = self.parts.add(Part(f"node-{pack.name}", self._node_command(pack), self.places.log(pack.name)))
            await node.start()
            self.nodes.append(node)

    def _node_command(self, pack: DemoPack) -> list[str]:
        return [self._runtime.program, str(firmware_source(self._runtime) / "main.py"), "--pack", pack.type,
                "--node", str(pack.node), "--plant", f"127.0.0.1:{self.ports.plant}",
                "--can", f"127.0.0.1:{self.ports.can}"]

    async def _until_heard(self, tap: Tap) -> None:
        end_s = asyncio.get_running_loop().time() + _READY_WITHIN_S
        while tap.snapshot is None:
            if not self.gateway.running or asyncio.get_running_loop().time() > end_s:
                raise self.gateway.failure()
            await asyncio.sleep(0.05)

    async def stop_nodes(self) -> None:
        """Takes the nodes off the bus."""
        for node in self.nodes:
            await node.stop()


def node_frames(status: dict[str, Any]) -> int:
    """How many frames the nodes have put on the bus, by the hub's count of identifiers."""
    contract = node_contract()
    counts = {int(can_id, 16): count for can_id, count in status["bus"]["frames_by_id"].items()}
    return sum(count for can_id, count in counts.items()
               if can_id & _EXTENDED and contract.stranger(can_id & ~_EXTENDED) is not None)
