"""A process of its own that is the simulated bus of the project: 500 kbit/s, arbitration, queues; slcan over TCP.

Says its port; each line on standard input is answered with the bus's load; it ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys

from twolbms.clock import StoryClock
from twolbms.sim.bus import Bus
from twolbms.sim.bus_hub import BusHub


async def main() -> None:
    """Runs the hub."""
    clock, bus = StoryClock.begin(1.0), Bus()
    hub = BusHub(clock, bus)
    print(json.dumps({"port": await hub.listen()}), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps({"load": bus.load(clock.mono_ns())}), flush=True)  # its whole status takes long on a wild bus
    await hub.close()


if __name__ == "__main__":
    asyncio.run(main())
