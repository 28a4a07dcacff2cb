"""What makes the story happen: sun, chargers, a person's requests, the gateway's death. It tells nothing.

A chapter waits for what it has caused, but never for ever: what does not happen is missing from the story later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from twolbms.clock import Clock
from twolbms.demo.parts import Part
from twolbms.demo.plant import Inverter, World
from twolbms.demo.setup import GARAGE, HOUSE
from twolbms.demo.story import Story
from twolbms.outlets.local_tap import Tap

PERSON = "demo"

# Loads at first, then the sun: (seconds, A; positive charges). The cold cells take nothing before they are warm.
HOUSE_DAY = [[0.0, -15.0], [540.0, 60.0]]
GENTLE_A = 12.0
MORNING_A = 10.0
# A burst of sun that the charger cannot follow at once; when it has, the sun stays. The charger drops out in the world
# itself after 3 s, so that a slow machine tells the same story.
NOON = [[0.0, 58.0], [3.0, 0.0], [20.0, 58.0]]

LONGEST_WARMING_S = 810.0
"""Story time by which the house has long been warm."""

_POLL_S = 1.0  # story seconds


class Director:
    """Runs the chapters. All its seconds are story seconds."""

    def __init__(self, clock: Clock, world: World, tap: Tap, story: Story, gateway: Part) -> None:
        self._clock = clock
        self._world = world
        self._tap = tap
        self._story = story
        self._gateway = gateway
        self._inverters = {HOUSE: Inverter(), GARAGE: Inverter()}

    @property
    def now_s(self) -> float:
        """Story time now, seconds."""
        return self._clock.mono_ns() / 1e9

    # -- inverters -----------------------------------------------------------------------------------------------------

    def heard(self, snapshot: dict[str, Any]) -> None:
        """A snapshot came: the inverters read what they are allowed."""
        for name, inverter in self._inverters.items():
            inverter.hear(snapshot.get("packs", {}).get(name), self.now_s)

    async def run_inverters(self) -> None:
        """Lets the inverters follow, for ever."""
        while True:
            for name, inverter in self._inverters.items():
                if (allowed := inverter.due(self.now_s)) is not None:
                    await self._world.set(name, charge_allowed_a=allowed[0], discharge_allowed_a=allowed[1])
            await self._clock.sleep(_POLL_S / 2)

    # -- chapters ------------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """The whole story."""
        for chapter in (self._morning, self._noon, self._recovery, self._warmth, self._death):
            await chapter()

    async def _morning(self) -> None:
        """Nodes are heard, the house feeds its loads, a person closes the garage and it is charged."""
        await self._world.set(HOUSE, profile=HOUSE_DAY)
        await self._until(lambda: self._may_close(GARAGE), 60)
        await self._ask(GARAGE, "close")
        await self._until(lambda: self._path(GARAGE) == "closed", 30)
        await self._world.set(GARAGE, profile=MORNING_A)
        await self._clock.sleep(120)

    async def _noon(self) -> None:
        """More sun: the garage's charger gives what it has."""
        await self._world.set(GARAGE, profile=NOON)
        await self._until(lambda: "garage_opened" in self._story.told, 60)
        await self._world.set(GARAGE, profile=0.0)

    async def _recovery(self) -> None:
        """A person clears what has latched, too early at first, and closes again."""
        await self._until(lambda: self._latched(GARAGE), 10)
        if not self._latched(GARAGE):
            return
        await self._ask(GARAGE, "clear")
        await self._until(lambda: not self._pack(GARAGE).get("hold_remaining_s") and self._cause_gone(GARAGE), 120)
        await self._ask(GARAGE, "clear")
        await self._until(lambda: not self._latched(GARAGE), 10)
        await self._ask(GARAGE, "close")
        await self._until(lambda: self._path(GARAGE) == "closed", 20)
        await self._world.set(GARAGE, profile=GENTLE_A)

    async def _warmth(self) -> None:
        """The house warms up and is charged; both packs are for a while."""
        await self._until(lambda: "house_charges" in self._story.told, LONGEST_WARMING_S - self.now_s)
        await self._clock.sleep(60)

    async def _death(self) -> None:
        """The gateway dies and is started again."""
        await self._gateway.kill()
        await self._clock.sleep(30)
        await self._gateway.start()
        await self._until(lambda: {"house_back", "garage_back"} <= self._story.told.keys(), 120)
        await self._clock.sleep(60)

    async def keep_closed(self, packs: tuple[str, ...]) -> None:
        """Asks for close whenever a pack is open, nobody wants it open and nothing stands against it; for ever."""
        while True:
            for name in packs:
                held = (self._pack(name).get("requests") or {}).get("held_open_by")
                if self._path(name) == "open" and not held and self._may_close(name):
                    await self._ask(name, "close")
            await self._clock.sleep(5.0)

    def forget(self) -> None:
        """The world has begun anew: every inverter is told its allowance again."""
        for inverter in self._inverters.values():
            inverter.forget()

    # -- what it looks at ----------------------------------------------------------------------------------------------

    async def _until(self, happened: Callable[[], bool], at_most_s: float) -> None:
        end_s = self.now_s + at_most_s
        while not happened() and self.now_s < end_s:
            await self._clock.sleep(_POLL_S)

    async def _ask(self, pack: str, what: str) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            await self._tap.ask(pack, what, PERSON)

    def _pack(self, name: str) -> dict[str, Any]:
        pack: dict[str, Any] = ((self._tap.snapshot or {}).get("packs") or {}).get(name) or {}
        return pack

    def _path(self, name: str) -> str | None:
        path: str | None = (self._pack(name).get("paths") or {}).get("charge")
        return path

    def _may_close(self, name: str) -> bool:
        pack = self._pack(name)
        return bool(pack) and (pack.get("requests") or {}).get("close_refusal", "not heard") is None

    def _faults(self, name: str) -> list[dict[str, Any]]:
        return self._pack(name).get("faults") or []

    def _latched(self, name: str) -> bool:
        return any(fault.get("latched") for fault in self._faults(name))

    def _cause_gone(self, name: str) -> bool:
        return not any(fault.get("active") and fault.get("tier") == "trip" for fault in self._faults(name))


Chapter = Callable[[], Awaitable[None]]


async def play_until(director: Director, watchers: list[asyncio.Task[None]]) -> None:
    """Plays the story while the watchers run; the failure of one of them ends it."""
    playing = asyncio.create_task(director.play())
    try:
        done, _ = await asyncio.wait([playing, *watchers], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        playing.cancel()
