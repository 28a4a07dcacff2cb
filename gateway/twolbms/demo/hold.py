"""`2lbms demo --hold`: everything keeps running at the real speed until it is stopped; what is killed comes back.

Made for somebody who kills parts on purpose and compares: process ids, acknowledgements and the truth of the view.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twolbms.build.micropython import Runtime
from twolbms.clock import StoryClock
from twolbms.demo.beside import beside
from twolbms.demo.director import Director
from twolbms.demo.influx import InfluxServer
from twolbms.demo.journal_tail import JournalTail
from twolbms.demo.parts import Part, PartFailed, Parts
from twolbms.demo.setup import GARAGE, HOUSE, Places, Weather
from twolbms.demo.show import Show, ViewShow
from twolbms.demo.stage import Stage
from twolbms.demo.story import Story
from twolbms.outlets.local_tap import Tap
from twolbms.outlets.words import span

RESTART_AFTER_S = 10.0
_LISTEN_EVERY_S = 0.5
_STATUS_EVERY_S = 5.0

# Charge, rest, discharge: (seconds, A) repeated, so that there is always something to see.
_CYCLE = {"steps": [[0, 20.0], [240, 0.0], [300, -20.0], [540, 0.0]], "repeat_s": 600}


@dataclass
class Hold:
    """A demonstration without an end. `pids` and `acks` are files for a killer; `influx` a real server to start."""

    places: Places
    runtime: Runtime
    show: Show
    pids: Path | None = None
    acks: Path | None = None
    influx: InfluxServer | None = None

    async def run(self) -> None:
        """Runs until cancelled."""
        clock = StoryClock.begin(1.0)
        self.places.make()
        async with Parts() as parts:
            stage = Stage(self.places, clock, Weather(weak_group=False, cold=False), self.runtime, parts)
            tap = Tap(self.places.socket)
            director = Director(clock, stage.world, tap, Story(), stage.gateway)
            with self._acks_file() as take:
                async with beside(tap.follow(director.heard), tap.acknowledgements(take)):
                    await self._start(stage, tap)
                    work = [self.show.run(tap, 1.0), self._events(), self._status(tap, parts),
                            self._inverters(director), director.keep_closed((HOUSE, GARAGE)),
                            *(self._keep_alive(part, stage) for part in parts.by_name.values())]
                    async with beside(*work) as tasks:
                        await _first_failure(tasks)

    async def _start(self, stage: Stage, tap: Tap) -> None:
        section = ""
        if self.influx is not None:
            section = await self.influx.start(stage.parts)
        await stage.open_world()
        await stage.start(tap, section)
        for pack in (HOUSE, GARAGE):
            await stage.world.set(pack, profile=_CYCLE)
        for name, pid in stage.parts.pids().items():
            self._tell_pid(name, pid)
        self._write_pids(stage.parts)

    # -- files for a killer --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _acks_file(self) -> Iterator[Callable[[bytes], object]]:
        """Where acknowledgement lines go; each is in the file before the next is read."""
        if self.acks is None:
            yield lambda line: None
            return
        with self.acks.open("ab", buffering=0) as file:
            yield file.write

    def _write_pids(self, parts: Parts) -> None:
        """Replaces the file at once, so that a reader never sees half of it."""
        if self.pids is not None:
            fresh = self.pids.with_name(self.pids.name + ".new")
            fresh.write_text("".join(f"{name} {pid}\n" for name, pid in parts.pids().items()))
            fresh.replace(self.pids)

    def _tell_pid(self, name: str, pid: int) -> None:
        self.show.note(time.time_ns(), f"{name} {pid}")

    # -- what goes on --------------------------------------------------------------------------------------------------

    async def _keep_alive(self, part: Part, stage: Stage) -> None:
        restart: Callable[[], Awaitable[object]] = part.start if part.name != "world" else stage.open_world
        while True:
            status = await part.ended()
            self._write_pids(stage.parts)
            self.show.note(time.time_ns(), f"{part.name} ended ({_ending(status)}); again in {span(RESTART_AFTER_S)}")
            await asyncio.sleep(RESTART_AFTER_S)
            with contextlib.suppress(PartFailed):
                await restart()
            if part.name == "world":
                await self._set_again(stage)
            self._write_pids(stage.parts)
            if part.pid is not None:
                self._tell_pid(part.name, part.pid)

    async def _set_again(self, stage: Stage) -> None:
        with contextlib.suppress(PartFailed):
            for pack in (HOUSE, GARAGE):
                await stage.world.set(pack, profile=_CYCLE)

    async def _inverters(self, director: Director) -> None:
        while True:
            with contextlib.suppress(PartFailed):  # the world is gone for a moment
                await director.run_inverters()
            director.forget()
            await asyncio.sleep(1.0)

    async def _events(self) -> None:
        tail = JournalTail(self.places.journal)
        while True:
            for event in tail.fresh():
                self.show.happened(event)
            await asyncio.sleep(_LISTEN_EVERY_S)

    async def _status(self, tap: Tap, parts: Parts) -> None:
        """Without a view, a line now and then."""
        while not isinstance(self.show, ViewShow):
            await asyncio.sleep(_STATUS_EVERY_S)
            self.show.say(status_line(tap, parts))


def status_line(tap: Tap, parts: Parts) -> str:
    """How it stands, in a line."""
    if tap.snapshot is None or tap.silent_s >= 1.0:
        return f"status: gateway silent for {span(tap.silent_s)}; running: {', '.join(parts.pids())}"
    packs = ", ".join(f"{name} {pack.get('state') or 'unknown'}" for name, pack in tap.snapshot["packs"].items())
    journal = tap.snapshot.get("journal") or {}
    return f"status: {packs}; {journal.get('acknowledged', 0)} records; running: {', '.join(parts.pids())}"


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"


async def _first_failure(tasks: list[asyncio.Task[None]]) -> None:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
