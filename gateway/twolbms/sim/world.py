"""A simulated site: packs on their bars, the lines to their nodes, one CAN bus, all on one clock.

`python -m twolbms.sim.world --config FILE.json` is `world_process.py` behind this name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from twolbms.clock import Clock
from twolbms.sim.bus import Bus
from twolbms.sim.bus_hub import BusHub
from twolbms.sim.link import Link
from twolbms.sim.plant_link import PlantLink
from twolbms.sim.profile import Profile
from twolbms.sim.setup import BusSetup, LinkSetup, PackSetup, WorldSetup, default_link
from twolbms.sim.simulated_pack import SimulatedPack

CYCLE_S = 0.1
"""One step of the plant and one reading: the node's cycle."""

_CYCLE_NS = 100_000_000
_CYCLES_AT_ONCE = 20  # a world that is behind catches up in slices, so that the bus still runs


class Ports(NamedTuple):
    """Where a running world listens: CAN (slcan over TCP), plant link, named CAN ports, and the path of each pty."""

    can: int
    plant: int
    named: dict[str, int]
    ptys: dict[str, str]


class World:
    """Everything outside the nodes and the gateway. Same seed, same outputs: same readings."""

    def __init__(self, clock: Clock, packs: Sequence[PackSetup], *, links: Sequence[LinkSetup] = (),
                 bus: BusSetup | None = None, plant_port: int = 0, seed: int = 1) -> None:
        self.clock = clock
        self._bus_setup = bus or BusSetup()
        self._plant_port = plant_port
        self.links = {setup.name: Link(setup.parameters) for setup in links}
        self.packs = {setup.name: self._make_pack(setup, seed) for setup in packs}
        if len(self.packs) != len(packs) or len({setup.node for setup in packs}) != len(packs):
            raise ValueError("packs: expected a name and a node number of its own for each")
        self.hub = BusHub(clock, Bus(self._bus_setup.bitrate, seed=seed), letter_answers=self._bus_setup.letter_answers)
        self.plant_link = PlantLink({pack.node: pack for pack in self.packs.values()})
        self.ports: Ports | None = None
        self.cycles = 0
        self._start_ns = clock.mono_ns()

    @classmethod
    def of(cls, setup: WorldSetup, clock: Clock) -> World:
        """The world of a setup file."""
        return cls(clock, setup.packs, links=setup.links, bus=setup.bus, plant_port=setup.plant_port, seed=setup.seed)

    def _make_pack(self, setup: PackSetup, seed: int) -> SimulatedPack:
        name = setup.link or setup.name
        if name not in self.links:
            self.links[name] = Link(default_link(setup.parameters))
        return SimulatedPack(setup, self.links[name], seed)

    @property
    def now_s(self) -> float:
        """Story time up to which the plant has run, seconds of the monotonic clock."""
        return (self._start_ns + self.cycles * _CYCLE_NS) / 1e9

    def step(self) -> None:
        """One cycle of the plant, 100 ms, whatever the clock says."""
        self.cycles += 1
        now_s = self.now_s
        for link in self.links.values():
            link.step(now_s, CYCLE_S)
        for pack in self.packs.values():
            pack.instruments.scan()

    def offer_readings(self) -> None:
        """Gives every connected node its newest reading."""
        for pack in self.packs.values():
            if self.plant_link.connected(pack.node):
                self.plant_link.offer(pack.node, pack.measure(self.now_s))

    async def start(self) -> Ports:
        """Opens all ports; the plant stands still until `run`."""
        can = await self.hub.listen(self._bus_setup.port, "can")
        named = {name: await self.hub.listen(name=name) for name in self._bus_setup.named_ports}
        ptys = {name: self.hub.add_pty(name) for name in self._bus_setup.ptys}
        self.ports = Ports(can, await self.plant_link.listen(self._plant_port), named, ptys)
        return self.ports

    async def run(self) -> None:
        """Runs the plant on the clock until cancelled; opens the ports before and closes them after."""
        if self.ports is None:
            await self.start()
        self._start_ns = self.clock.mono_ns() - self.cycles * _CYCLE_NS
        try:
            while True:
                due = (self.clock.mono_ns() - self._start_ns) // _CYCLE_NS - self.cycles
                for _ in range(min(due, _CYCLES_AT_ONCE)):
                    self.step()
                    self.offer_readings()
                next_ns = self._start_ns + (self.cycles + 1) * _CYCLE_NS
                await self.clock.sleep(max(0.0, (next_ns - self.clock.mono_ns()) / 1e9))
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Closes all ports and connections."""
        await self.hub.close()
        await self.plant_link.close()
        self.ports = None

    def set_profile(self, pack: str, profile: Profile) -> None:
        """What charger and load on a pack's bars want from now on."""
        self.inject(pack, profile=profile)

    def inject(self, pack: str, **changes: Any) -> None:
        """Sets faults and surroundings of a pack (keys: `simulated_pack.SETTINGS`); ValueError for unknown ones."""
        self._pack(pack).set(changes, self.now_s)

    def inject_bus(self, **changes: Any) -> None:
        """Sets faults of the bus (fields of `FaultSettings`), keeping the others; ValueError for unknown ones."""
        self.hub.set_faults(self.hub.bus.faults.settings.changed(changes))

    def disconnect_node(self, pack: str) -> None:
        """Takes the supply from a pack's node: its plant line is cut, its outputs drop out."""
        self.plant_link.disconnect(self._pack(pack).node)

    def _pack(self, name: str) -> SimulatedPack:
        try:
            return self.packs[name]
        except KeyError:
            raise ValueError(f"pack {name!r}: expected one of {', '.join(self.packs)}") from None

    def status(self) -> dict[str, Any]:
        """Bus counters, line counters and the true state of every pack, JSON-able."""
        behind_ns = self.clock.mono_ns() - self._start_ns - self.cycles * _CYCLE_NS
        return {
            "now_s": self.now_s, "cycles": self.cycles, "behind_s": max(0.0, behind_ns / 1e9),
            "bus": self.hub.status(), "plant": self.plant_link.status(),
            "packs": {name: pack.plant.truth() | {"node": pack.node, "charger_on": pack.link.charger_on}
                      for name, pack in self.packs.items()},
        }


if __name__ == "__main__":
    from twolbms.sim.world_process import main

    raise SystemExit(main())
