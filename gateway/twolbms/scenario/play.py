"""Plays a scenario: cycle after cycle in order of its steps, until the first difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from twolbms.build.columns import limit_image
from twolbms.config.load import load_model
from twolbms.config.pack import GuardedPack
from twolbms.diagnoses import CYCLE_MS, DIAGNOSES
from twolbms.files import data_path
from twolbms.scenario.bench import Bench, ScenarioError, node_database
from twolbms.scenario.judge import Difference, Observer, differences
from twolbms.scenario.model import Scenario
from twolbms.scenario.nodes import CPythonNode, CycleResult, MicroPythonNode, NodeDied, TestedNode, limits_object


@dataclass
class Played:
    """How a scenario went: the first difference (None: passed), cycles run, and everything the node gave."""

    difference: Difference | None
    cycles: int
    expectations: int
    log: list[CycleResult] = field(default_factory=list)


def load_scenario(path: Path) -> tuple[Scenario, GuardedPack]:
    """The scenario in `path` and its pack. Raises ConfigError (with lines) or ScenarioError."""
    scenario = load_model(path, Scenario)
    named = data_path("packs", f"{scenario.pack}.yaml")
    beside = (path.parent / scenario.pack).resolve()
    file = named if named.exists() else beside
    if not file.is_file():
        known = sorted(p.stem for p in data_path("packs").glob("*.yaml"))
        raise ScenarioError(
            f"pack: no pack type {scenario.pack!r} and no such file beside {path.name}; there are {', '.join(known)}"
        )
    pack = load_model(file, GuardedPack)
    _check(scenario, pack)
    return scenario, pack


def _check(scenario: Scenario, pack: GuardedPack) -> None:
    for step in scenario.steps:
        faults = step.expect.faults if step.expect else None
        for tier in ("warn", "limit", "trip", "latched"):
            for row in (getattr(faults, tier) or []) if faults else []:
                if row not in DIAGNOSES:
                    raise ScenarioError(
                        f"step at {step.at_ms} ms: expect.faults.{tier}: no limit {row!r}; "
                        f"there are {', '.join(DIAGNOSES)}"
                    )


def start_node(pack: GuardedPack, number: int, runtime: str) -> TestedNode:
    """A node of `pack` on "cpython" or "micropython"."""
    if runtime == "micropython":
        return MicroPythonNode(pack, number)
    return CPythonNode(limits_object(limit_image(pack)), number)


def play(scenario: Scenario, pack: GuardedPack, node: TestedNode, keep_log: bool = False) -> Played:
    """Runs `scenario` on `node`. Raises ScenarioError when it asks for something the pack does not have."""
    database = node_database()
    bench, seen = Bench(pack, database, scenario.node), Observer(database)
    played = Played(None, 0, 0)
    now = 0
    try:
        for step in scenario.steps:
            due = -(-step.at_ms // CYCLE_MS) * CYCLE_MS
            while now < due:
                _cycle(bench, seen, node, scenario.clock_ms, now, played, keep_log)
                now += CYCLE_MS
            pause = step.set.pause_ms if step.set else None
            now += pause // CYCLE_MS * CYCLE_MS if pause else 0
            if step.set:
                bench.apply(step.set)
            _cycle(bench, seen, node, scenario.clock_ms, now, played, keep_log)
            now += CYCLE_MS
            if step.expect:
                played.expectations += 1
                played.difference = next(differences(step.expect, seen, step.at_ms), None)
                if played.difference:
                    return played
    except NodeDied as death:
        played.difference = Difference(now, "node", "alive", f"dead: {death}")
    return played


def _cycle(bench: Bench, seen: Observer, node: TestedNode, clock_ms: int, now: int, played: Played, keep: bool) -> None:
    result = node.cycle(list(bench.frames(now)), bench.reading(clock_ms + now))
    bench.outputs = result.outputs
    seen.take(result)
    played.cycles += 1
    if keep:
        played.log.append(result)


Runner = Callable[[Path, str], Played]


def play_file(path: Path, runtime: str = "cpython", keep_log: bool = False) -> Played:
    """Loads and plays the scenario in `path`."""
    scenario, pack = load_scenario(path)
    node = start_node(pack, scenario.node, runtime)
    try:
        return play(scenario, pack, node, keep_log)
    finally:
        node.close()
