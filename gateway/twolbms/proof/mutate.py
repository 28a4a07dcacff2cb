"""Mutation testing of the node's protection: small mistakes one at a time, and a test or a scenario must notice each.

Each mutant runs against the unit tests of its module, then against the scenarios, those first that have found most,
until the first that fails. What survives is listed with its line. `python -m twolbms.proof.mutate --help`.
"""

from __future__ import annotations

import argparse
import ast
import multiprocessing
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import NamedTuple

from twolbms.build.columns import limit_image
from twolbms.files import data_path
from twolbms.proof.direct import DirectNode
from twolbms.proof.equivalent import EQUIVALENT, Equivalent
from twolbms.proof.mutants import Mutant, mutants
from twolbms.proof.unit_tests import UnitTests, UnitTestsFail, with_unit_tests
from twolbms.scenario.nodes import firmware, firmware_folder, limits_object
from twolbms.scenario.play import load_scenario, play
from twolbms.scenario.rewriting import Rewrite, rewritten
from twolbms.scenario.spoil import Story

MODULES = ("node.protect", "node.contactor", "node.heat", "node.weld")
BOUND_PERCENT = 95.0
_LONGEST_S = 5.0  # processor time of one scenario or one module's tests; a mutant that takes more never ends
_AGAIN_S = 2.0  # until it is told once more, where somebody took the first word for a failed test and went on


class Verdict(NamedTuple):
    """What noticed a mutant, None when nothing did; `played` scenarios in `seconds`."""

    mutant: Mutant
    noticed_by: str | None
    played: int
    seconds: float


class ScenarioFails(Exception):
    """A scenario that does not hold on the firmware as it is proves nothing."""


class TooLong(BaseException):
    """A mutant does not end: on a node the watchdog would bite. No Exception, so that nothing on the way takes it."""


@contextmanager
def _with_an_end() -> Iterator[None]:
    signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, _LONGEST_S, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TooLong


# --- a mutant in force ---

@contextmanager
def in_force(mutant: Mutant) -> Iterator[None]:
    """The firmware in this process with `mutant` in it, also where other modules have imported its constants."""
    module = firmware(mutant.module)
    before = _constants(module)
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    with rewritten(Rewrite("", str(mutant), mutant.module, text, mutant.text)):
        changed = {name: value for name, value in _constants(module).items() if before.get(name) != value}
        taken = [(other, name) for name in changed for other in _importers(mutant.module, name)]
        for other, name in taken:
            setattr(other, name, changed[name])
        try:
            yield
        finally:
            for other, name in taken:
                setattr(other, name, before[name])


def _constants(module: ModuleType) -> dict[str, int]:
    return {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, int)}


def _importers(module: str, name: str) -> Iterator[ModuleType]:
    """Loaded modules of the firmware and its tests that have imported `name` from `module`."""
    for other in list(sys.modules.values()):
        file = getattr(other, "__file__", None)
        if file and ("/firmware/" in file) and (module, name) in _imports_of(file):
            yield other


@cache
def _imports_of(file: str) -> frozenset[tuple[str, str]]:
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return frozenset((str(item.module), alias.name) for item in tree.body if isinstance(item, ast.ImportFrom)
                     for alias in item.names)


# --- what may notice it ---

class Scenarios:
    """The scenario files, played on a node in this process; those that noticed most come first."""

    def __init__(self, folder: Path, most: int | None = None) -> None:
        """`most` scenarios are played for one mutant at most: for a quick look only."""
        self._most = most
        self._limits: dict[str, SimpleNamespace] = {}
        self._stories: list[Story] = []
        self._finds: Counter[tuple[str, str]] = Counter()
        self._sound: set[str] = set()
        for path in sorted(folder.rglob("*.yaml")):
            scenario, pack = load_scenario(path)
            self._limits.setdefault(pack.pack, limits_object(limit_image(pack)))
            self._stories.append(Story(f"{path.parent.name}/{path.stem}", scenario, pack,
                                       scenario.steps[-1].at_ms // 100))
        self._stories.sort(key=lambda story: story.cycles)

    def first_difference(self, mutant: Mutant) -> tuple[str | None, int]:
        """Plays until one differs; its name, and how many were played."""
        finds = self._finds
        order = sorted(self._stories, key=lambda story: (
            -finds[mutant.function, story.name] - 0.2 * finds["", story.name], story.cycles))[:self._most]
        for played, story in enumerate(order, 1):
            if self._differs(story):
                finds[mutant.function, story.name] += 1
                finds["", story.name] += 1
                return story.name, played
        return None, len(order)

    def _differs(self, story: Story) -> bool:
        node = DirectNode(self._limits[story.pack.pack], story.scenario.node)
        try:
            with _with_an_end():
                return play(story.scenario, story.pack, node).difference is not None
        except TooLong:
            return True

    def check(self, name: str) -> None:
        """Raises ScenarioFails unless the scenario holds on the firmware as it is."""
        if name in self._sound:
            return
        if self._differs(next(story for story in self._stories if story.name == name)):
            raise ScenarioFails(f"{name} does not hold on the firmware as it is")
        self._sound.add(name)


class Judge:
    """Runs one mutant after the other in this process."""

    def __init__(self, tests: UnitTests, scenarios: Scenarios) -> None:
        self._tests = tests
        self._scenarios = scenarios

    def judge(self, mutant: Mutant) -> Verdict:
        """What notices `mutant`."""
        begun, played = time.process_time(), 0
        with in_force(mutant):
            noticed = self._by_tests(mutant)
            if noticed is None:
                noticed, played = self._scenarios.first_difference(mutant)
        if noticed and played:
            self._scenarios.check(noticed)
        return Verdict(mutant, noticed, played, time.process_time() - begun)

    def _by_tests(self, mutant: Mutant) -> str | None:
        try:
            with _with_an_end():
                return self._tests.first_failure(mutant.module)
        except TooLong:
            return f"no end within {_LONGEST_S:.0f} s"


_judge: Judge  # made before the workers are forked


def _judge_one(mutant: Mutant) -> Verdict:
    return _judge.judge(mutant)


def judge_all(judge: Judge, chosen: Sequence[Mutant], workers: int, tell: Callable[[str], None]) -> list[Verdict]:
    """Verdicts in the order of `chosen`; `tell` hears each as it comes."""
    global _judge
    _judge = judge
    verdicts = []
    with multiprocessing.get_context("fork").Pool(max(1, workers)) as pool:
        for verdict in pool.imap(_judge_one, chosen, chunksize=1):
            verdicts.append(verdict)
            tell(f"{verdict.seconds:6.2f} s {verdict.played:4d} {verdict.mutant}: {verdict.noticed_by or 'SURVIVED'}")
    return verdicts


# --- what is tried, what is told ---

class Tried(NamedTuple):
    """The mutants to run and those declared equivalent, and rows of that table that name nothing."""

    chosen: list[Mutant]
    equivalent: list[tuple[Mutant, Equivalent]]
    stale: list[Equivalent]


def tried(modules: Sequence[str], sample: int | None, seed: int, table: Sequence[Equivalent] = EQUIVALENT) -> Tried:
    """All mutants of `modules`, or a random `sample` of them."""
    chosen, equivalent, used = [], [], set()
    for name in modules:
        text = (firmware_folder() / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
        for mutant in mutants(name, text):
            row = next((row for row in table if row.names(mutant)), None)
            if row is None:
                chosen.append(mutant)
            else:
                equivalent.append((mutant, row))
                used.add(row)
    stale = [row for row in table if row not in used and row.module in modules]
    if sample is not None and sample < len(chosen):
        chosen = random.Random(seed).sample(chosen, sample)
    return Tried(chosen, equivalent, stale)


def percent(killed: int, total: int) -> float:
    """Share of the mutants that were noticed."""
    return 100.0 * killed / total if total else 100.0


def report(verdicts: Sequence[Verdict], found: Tried, modules: Sequence[str]) -> Iterator[str]:
    """The lines people read: survivors, what is equivalent, the score of each module."""
    for row in found.stale:
        yield f"NO SUCH    {row.module} {row.function}: {row.before}  ->  {row.after}"
    for mutant, row in found.equivalent:
        yield f"equivalent {mutant}: {row.reason}"
    for verdict in verdicts:
        if verdict.noticed_by is None:
            yield f"SURVIVED   {verdict.mutant}"
    for name in modules:
        these = [v for v in verdicts if v.mutant.module == name]
        killed = sum(1 for v in these if v.noticed_by)
        apart = sum(1 for mutant, _ in found.equivalent if mutant.module == name)
        yield (f"{name}: {killed} of {len(these)} killed ({percent(killed, len(these)):.1f} %), "
               f"{len(these) - killed} survived, {apart} equivalent")


def _holds(verdicts: Sequence[Verdict], found: Tried, modules: Sequence[str]) -> bool:
    for name in modules:
        these = [v for v in verdicts if v.mutant.module == name]
        if percent(sum(1 for v in these if v.noticed_by), len(these)) < BOUND_PERCENT:
            return False
    return not found.stale


def run(modules: Sequence[str], sample: int | None, seed: int, workers: int, root: Path,
        tell: Callable[[str], None] = print, tell_all: bool = False, most: int | None = None) -> int:
    """0: every module's score is at the bound or above; 1: not; 2: tests or scenarios are not sound."""
    firmware("node.cycle")
    found = tried(modules, sample, seed)

    def then(tests: UnitTests) -> int:
        begun = time.perf_counter()
        try:
            tests.time_each()
            judge = Judge(tests, Scenarios(root / "tests" / "scenarios", most))
            verdicts = judge_all(judge, found.chosen, workers, tell if tell_all else lambda line: None)
        except (UnitTestsFail, ScenarioFails) as error:
            tell(str(error))
            return 2
        for line in report(verdicts, found, modules):
            tell(line)
        killed, took_s = sum(1 for v in verdicts if v.noticed_by), time.perf_counter() - begun
        tell(f"{len(verdicts)} mutants, {killed} killed ({percent(killed, len(verdicts)):.1f} %) in {took_s:.0f} s; "
             f"bound {BOUND_PERCENT:.0f} % a module")
        return 0 if _holds(verdicts, found, modules) else 1

    return with_unit_tests(root, modules, then)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status as `run` says."""
    parser = argparse.ArgumentParser(prog="python -m twolbms.proof.mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", default=MODULES, help=f"default: {' '.join(MODULES)}")
    parser.add_argument("--sample", type=int, help="only so many mutants, chosen by the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--plays", type=int, help="at most so many scenarios a mutant, the short ones: a quick look")
    parser.add_argument("--all", action="store_true", help="tell what noticed each mutant, and how long it took")
    options = parser.parse_args(arguments)
    root = data_path("dbc", "node.dbc").parents[1]
    return run(options.modules, options.sample, options.seed, options.workers, root, partial(print, flush=True),
               options.all, options.plays)


if __name__ == "__main__":
    sys.exit(main())
