"""`2lbms demo`: plays the story on real parts, tells it from the journal, and counts what was kept. Ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from twolbms.build.micropython import Runtime
from twolbms.clock import StoryClock
from twolbms.demo.beside import beside
from twolbms.demo.count import Acknowledged, Comparison, records_of
from twolbms.demo.director import Director, play_until
from twolbms.demo.journal_tail import JournalTail
from twolbms.demo.parts import Part, Parts
from twolbms.demo.setup import Places, Weather
from twolbms.demo.show import Show
from twolbms.demo.stage import Stage, node_frames
from twolbms.demo.story import Story, ToldLine
from twolbms.journal.reader import JournalReader
from twolbms.outlets.local_tap import Tap

SPEED = 12.0
"""Story seconds in a second: the story takes about 80 s."""

STORY_S = 930.0
"""Story seconds from the first process to the end."""

_LISTEN_EVERY_S = 0.25  # real seconds between two looks into the journal
_INVERTER_READS_S = 1.0  # story seconds between two snapshots
_SETTLE_S = 0.5  # real seconds for what is on its way


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a demonstration came to."""

    frames_sent: int
    frames_received: int
    comparison: Comparison
    gaps: int
    slowest_acknowledgement_s: float
    story: list[ToldLine]
    missing: list[str]
    took_s: float

    @property
    def ok(self) -> bool:
        """Everything told has happened, and everything acknowledged is there."""
        return not self.missing and not self.comparison.missing

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "ok": self.ok, "frames_sent": self.frames_sent, "frames_received": self.frames_received,
            "records_acknowledged": self.comparison.acknowledged, "records_read_back": self.comparison.read_back,
            "gaps": self.gaps, "slowest_acknowledgement_s": round(self.slowest_acknowledgement_s, 3),
            "story": [told.as_dict() for told in self.story], "missing": self.missing,
            "lost_records": [list(key) for key in self.comparison.missing], "took_s": round(self.took_s, 1)}

    def as_text(self) -> str:
        """The last lines of the text."""
        acknowledged, read_back, _ = self.comparison
        counted = (f"{self.frames_sent} frames sent by the nodes, {self.frames_received} received; "
                   f"{acknowledged} records acknowledged, {read_back} of them read back from the journal; "
                   f"{self.gaps} gap{'' if self.gaps == 1 else 's'}; {self.took_s:.0f} s.")
        return "\n".join([counted, *(f"did not happen: {key}" for key in self.missing)])


@dataclass
class Tally:
    """Counts over all lives of the gateway, whose own counters begin anew with each."""

    clock: StoryClock
    acknowledged: Acknowledged
    slowest_s: float = 0.0
    _frames_before: int = 0
    _frames: int = 0

    def heard(self, snapshot: dict[str, Any]) -> None:
        """Takes the frame count of a snapshot."""
        frames = sum(bus.get("frames") or 0 for bus in snapshot.get("buses", {}).values())
        if frames < self._frames:
            self._frames_before += self._frames
        self._frames = frames

    @property
    def frames_received(self) -> int:
        """Frames that the gateways have counted."""
        return self._frames_before + self._frames

    def acknowledge(self, line: bytes) -> None:
        """Takes an acknowledgement, and how long after its record's time it came, in real seconds."""
        self.acknowledged.take(line)
        with contextlib.suppress(ValueError, IndexError, TypeError):
            late_ns = self.clock.mono_ns() - json.loads(line)[1]
            self.slowest_s = max(self.slowest_s, late_ns / 1e9 / self.clock.speed)


@dataclass
class Demo:
    """One demonstration with its options."""

    places: Places
    weather: Weather
    runtime: Runtime
    show: Show
    speed: float = SPEED
    story: Story = field(default_factory=Story)

    async def run(self) -> Outcome:
        """Plays it from beginning to end. PartFailed when a part ended that should not."""
        began_s = time.monotonic()
        clock = StoryClock.begin(self.speed, STORY_S)
        assert clock.wall_offset_ns is not None
        tally = Tally(clock, Acknowledged(clock.wall_offset_ns))
        self.places.make()
        async with Parts() as parts:
            stage = Stage(self.places, clock, self.weather, self.runtime, parts)
            tail = JournalTail(self.places.journal)
            sent = await self._play(stage, tally, tail)
        self._listen(tail)
        reader = JournalReader(self.places.journal)
        comparison = await asyncio.to_thread(lambda: tally.acknowledged.compare(records_of(reader)))
        return Outcome(sent, tally.frames_received, comparison, len(reader.gaps()), tally.slowest_s,
                       list(self.story.told.values()), [line.key for line in self.story.missing],
                       time.monotonic() - began_s)

    async def _play(self, stage: Stage, tally: Tally, tail: JournalTail) -> int:
        """The living part; how many frames the nodes sent."""
        clock = stage.clock
        tap = Tap(self.places.socket, _INVERTER_READS_S / self.speed)
        director = Director(clock, stage.world, tap, self.story, stage.gateway)

        def heard(snapshot: dict[str, Any]) -> None:
            director.heard(snapshot)
            tally.heard(snapshot)

        async with beside(tap.follow(heard), tap.acknowledgements(tally.acknowledge),
                           self.show.run(tap, self.speed)) as watchers:
            await stage.open_world()
            await stage.start(tap)
            async with beside(self._tell(tail), director.run_inverters(),
                               *(_must_live(part) for part in (stage.world.part, *stage.nodes))) as more:
                await play_until(director, [*watchers, *more])
                await clock.sleep(max(0.0, STORY_S + _start_s(clock) - director.now_s) if self.story.complete else 0.0)
            await stage.stop_nodes()
            await asyncio.sleep(_SETTLE_S)
            sent = node_frames(await stage.world.status())
            await stage.gateway.stop()
            await asyncio.sleep(_SETTLE_S)
        return sent

    async def _tell(self, tail: JournalTail) -> None:
        while True:
            self._listen(tail)
            await asyncio.sleep(_LISTEN_EVERY_S)

    def _listen(self, tail: JournalTail) -> None:
        """Reads what is new in the journal and tells what it makes true."""
        for event in tail.fresh():
            told = self.story.hear(event)
            if told is None:
                self.show.happened(event)
            else:
                self.show.tell(told)


def _start_s(clock: StoryClock) -> float:
    return int(clock.text().split(",")[0]) / 1e9


async def _must_live(part: Part) -> None:
    await part.ended()
    raise part.failure()
