"""The node's limit table against the float oracle on random steps: values dense around limits, doubt, gaps, clears.

`python -m twolbms.proof.compare --seed 1 --steps 1000000`. Exit status 1 names the first step at which they disagree.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from twolbms.build.columns import limit_image
from twolbms.config.pack import GuardedPack
from twolbms.config.site_packs import load_guarded_pack
from twolbms.diagnoses import BY_NUMBER, COUNT, Diagnosis
from twolbms.files import data_path
from twolbms.proof.oracle import CYCLE_S, UNKNOWN, Oracle, Seen, Told
from twolbms.scenario.nodes import firmware, limits_object

PACKS = ("lfp_8s_320ah", "lfp_16s_280ah", "leaf_2013_14s")  # FETs, separate ports, a pair of contactors
_PHASES = ("ok", "cause", "hold", "wait")  # by the node's number for them
_REMEMBERED = 12  # steps told with a disagreement
_LONGEST_CYCLES = 700


class Agreement(NamedTuple):
    """How a run went; `disagreement` is None when there was none."""

    pack: str
    seed: int
    steps: int
    seconds: float
    trips: int
    disagreement: str | None


class _RowWalk:
    """The random life of one row's value, in the node's counts. `known`: 0 unknown, 1 known, 2 doubtful."""

    def __init__(self, diagnosis: Diagnosis, pack: GuardedPack, chance: random.Random) -> None:
        row, counts = pack.limits[diagnosis.name], diagnosis.counts
        edges = [edge for edge in (row.warn, row.limit, row.trip, row.clear) if edge is not None]
        self._edges = [round(edge * counts) for edge in edges]
        error = round(pack.sensors.cell_error_v * counts) if diagnosis.unit == "V" else 0
        self._edges += [edge + step for edge in self._edges for step in (-error, error) if error]
        cycles = [round(seconds / CYCLE_S) for seconds in (row.delay_s, row.hold_s)]
        self._stays = [min(_LONGEST_CYCLES, time) for time in cycles]
        self._chance = chance
        self._counts = counts
        self.count = 0
        self.known = 0

    def move(self) -> int:
        """A new value; returns how many steps it stays."""
        chance, draw = self._chance, self._chance.random()
        if draw < 0.8:
            self.count = chance.choice(self._edges) + chance.choice((-2, -1, 0, 0, 1, 1, 2))
        else:
            self.count = chance.choice(self._edges) + chance.randint(-5, 5) * max(1, self._counts // 7)
        draw = chance.random()
        self.known = 1 if draw < 0.84 else 2 if draw < 0.93 else 0
        if self.known == 1 and draw < 0.45:
            return max(1, chance.choice(self._stays) + chance.randint(-2, 3))
        return chance.choice((1, 1, 2, 3, 5, 9))


class Walk:
    """Random values of all rows and what they mean to both sides."""

    def __init__(self, pack: GuardedPack, chance: random.Random) -> None:
        self._rows = [_RowWalk(BY_NUMBER[n], pack, chance) for n in range(COUNT)]
        self._counts = [BY_NUMBER[n].counts for n in range(COUNT)]
        self._due: dict[int, list[int]] = {0: list(range(COUNT))}
        self._now = 0
        self.values = [0] * COUNT
        self.known = bytearray(COUNT)
        self.seen = [UNKNOWN] * COUNT

    def step(self) -> None:
        """The next cycle's values."""
        for n in self._due.pop(self._now, ()):
            row = self._rows[n]
            self._due.setdefault(self._now + row.move(), []).append(n)
            self.values[n], self.known[n] = row.count, row.known
            self.seen[n] = Seen(row.count / self._counts[n], row.known == 1) if row.known else UNKNOWN
        self._now += 1


class Match:
    """One pack's table on both sides, stepped together."""

    def __init__(self, pack: GuardedPack, seed: int) -> None:
        self._pack = pack
        self._module = firmware("node.protect")
        self._limits = limits_object(limit_image(pack))
        answers = firmware("generated.codec")
        self._answers = {value: name.removeprefix("ANSWER_").lower() for name, value in vars(answers).items()
                         if name.startswith("ANSWER_")}
        self._chance = random.Random(f"{pack.pack} {seed}")
        self._walk = Walk(pack, self._chance)
        self._last: deque[str] = deque(maxlen=_REMEMBERED)
        self.trips = 0
        self._boot([])

    def _boot(self, latched: Sequence[int]) -> None:
        self.node: Any = self._module.Protect(self._limits)
        self.oracle = Oracle(self._pack)
        for n in latched:
            self.node.remember(n)
            self.oracle.rows[n].remember()

    def step(self) -> str | None:
        """One cycle on both sides; what they disagree about."""
        walk, chance = self._walk, self._chance
        walk.step()
        periods = _periods(chance)
        self.node.step(walk.values, walk.known, periods)
        told = self.oracle.step(walk.seen, periods * CYCLE_S)
        self.trips += len(told.opened)
        self._last.append(f"periods {periods}")
        return self._differs(told) or self._act(chance)

    def _differs(self, told: Told) -> str | None:
        node = self.node
        pages = [int.from_bytes(node.bits[6 * page:6 * page + 6], "little") for page in range(4)]
        opened = None if node.opened_by == 255 else BY_NUMBER[node.opened_by].name
        found = ([_PHASES[state] for state in node.state], *pages, node.blocks_now, node.blocks_after, node.limited,
                 node.beyond)
        if found == told[:-1] and opened == (told.opened[-1] if told.opened else None):
            return None
        return self._words(found, told, opened)

    def _words(self, found: tuple[Any, ...], told: Told, opened: str | None) -> str:
        names = Told._fields
        parts = [f"{name}: node {one}, oracle {other}" for name, one, other in
                 zip(names[1:-1], found[1:], told[1:-1], strict=True) if one != other]
        for n in range(COUNT):
            if found[0][n] != told.phases[n]:
                parts.append(f"{BY_NUMBER[n].name}: node {found[0][n]}, oracle {told.phases[n]} at value "
                             f"{self._walk.values[n]} known {self._walk.known[n]}")
        return "; ".join(parts or [f"opened by {opened}, oracle {told.opened}"]) + f" (last: {', '.join(self._last)})"

    def _act(self, chance: random.Random) -> str | None:
        """Now and then somebody clears, or the node restarts with what it remembers."""
        draw = chance.random()
        if draw < 0.3:
            return self._clear_one(chance.randrange(COUNT))
        if draw < 0.31:
            one, other = self.node.clear_here(), self.oracle.clear_here()
            return None if one == other else f"cleared here: node {one}, oracle {other}"
        if draw > 0.9999:
            self._boot([n for n in range(COUNT) if self.oracle.rows[n].latched])
        return None

    def _clear_one(self, n: int) -> str | None:
        one, other = self._answers[self.node.refusal(n)], self.oracle.rows[n].refusal()
        if one != other:
            return f"clear {BY_NUMBER[n].name}: node says {one}, oracle {other}"
        if one == "accepted":
            self.node.clear(n)
            self.oracle.rows[n].clear()
        return None


def _periods(chance: random.Random) -> int:
    draw = chance.random()
    if draw < 0.93:
        return 1
    return chance.randint(2, 5) if draw < 0.999 else chance.choice((20, 50, 300, 600))


def compare(pack: GuardedPack, seed: int, steps: int, clock: Callable[[], float] = time.perf_counter) -> Agreement:
    """Runs both sides for so many steps, or until they disagree."""
    match, begun = Match(pack, seed), clock()
    for number in range(steps):
        if words := match.step():
            words = f"{pack.pack}, seed {seed}, step {number}: {words}"
            return Agreement(pack.pack, seed, number + 1, clock() - begun, match.trips, words)
    return Agreement(pack.pack, seed, steps, clock() - begun, match.trips, None)


def _compare_one(job: tuple[str, int, int]) -> Agreement:
    name, seed, steps = job
    return compare(load_guarded_pack(data_path("packs", f"{name}.yaml")), seed, steps)


def compare_all(seed: int, steps: int, workers: int) -> list[Agreement]:
    """`steps` in all, in two seeds of each pack."""
    share = -(-steps // (2 * len(PACKS)))
    jobs = [(name, seed + k, share) for k in range(2) for name in PACKS]
    if workers < 2:
        return [_compare_one(job) for job in jobs]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        return pool.map(_compare_one, jobs, chunksize=1)


def report(found: Sequence[Agreement]) -> Iterator[str]:
    """The lines people read."""
    for one in found:
        if one.disagreement:
            yield f"DISAGREE  {one.disagreement}"
        yield (f"{one.pack}, seed {one.seed}: {one.steps} steps, {one.trips} trips, "
               f"{one.steps / max(one.seconds, 1e-9):.0f} steps/s")
    bad = sum(1 for one in found if one.disagreement)
    yield f"{sum(one.steps for one in found)} steps, {sum(one.trips for one in found)} trips, {bad} disagreements"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when node and oracle disagree."""
    parser = argparse.ArgumentParser(prog="python -m twolbms.proof.compare", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    found = compare_all(options.seed, options.steps, options.workers)
    print("\n".join(report(found)))
    return 1 if any(one.disagreement for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
