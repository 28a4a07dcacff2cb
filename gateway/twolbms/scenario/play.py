"""Plays a scenario: cycle after cycle in order of its steps, until the first difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from twolbms.build.columns import limit_image
from twolbms.build.emulated_board import EMULATED
from twolbms.config.errors import ConfigError, ConfigProblem, did_you_mean, shown
from twolbms.config.load import as_model
from twolbms.config.pack import GuardedPack
from twolbms.config.site_packs import find_pack, known_packs, load_guarded_pack
from twolbms.config.strict_yaml import read_document
from twolbms.diagnoses import CYCLE_MS
from twolbms.scenario.bench import Bench, node_database
from twolbms.scenario.check import flaws
from twolbms.scenario.judge import Difference, Observer, differences
from twolbms.scenario.model import Scenario
from twolbms.scenario.nodes import (
    CPythonNode,
    CycleResult,
    MicroPythonNode,
    NodeDied,
    QemuNode,
    TestedNode,
    limits_object,
)


@dataclass
class Played:
    """How a scenario went: the first difference (None: passed), cycles run, and everything the node gave."""

    difference: Difference | None
    cycles: int
    expectations: int
    log: list[CycleResult] = field(default_factory=list)


def load_scenario(path: Path) -> tuple[Scenario, GuardedPack]:
    """The scenario in `path` and its pack. Raises ConfigError with file, line and key."""
    document = read_document(path)
    scenario = as_model(document, path, Scenario)
    file = find_pack(scenario.pack, path.absolute().parent)
    if file is None:
        known = known_packs(path.absolute().parent)
        close = did_you_mean(scenario.pack, known)
        raise ConfigError([document.places.problem(
            ("pack",), "expected a guarded pack type or the path of its YAML beside this file"
            + (f" (did you mean {close}?)" if close else "") + f", found {shown(scenario.pack)}")])
    pack = load_guarded_pack(file)
    if found := list(flaws(scenario, pack)):
        raise ConfigError(sorted((document.places.problem(f.loc, f.message, expected=f.expected, found=f.found)
                                  for f in found), key=ConfigProblem.order))
    return scenario, pack


def start_node(pack: GuardedPack, number: int, runtime: str) -> TestedNode:
    """A node of `pack` on "cpython", "micropython" or "qemu"."""
    if runtime == EMULATED:
        return QemuNode(pack, number)
    if runtime == "micropython":
        return MicroPythonNode(pack, number)
    return CPythonNode(limits_object(limit_image(pack)), number)


def play(scenario: Scenario, pack: GuardedPack, node: TestedNode, keep_log: bool = False) -> Played:
    """Runs `scenario` on `node`."""
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
            now += pause or 0
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
