"""Tests the tests of the protection: makes one number or rule of the firmware wrong at a time and plays the scenarios.

At least one of the scenarios that name the row or rule in `proves` must fail for each. What survives is printed, and so
is what cannot matter, with the reason. Call it through tools/spoil.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from twolbms.build.columns import limit_image
from twolbms.config.pack import GuardedPack
from twolbms.scenario.model import Scenario
from twolbms.scenario.nodes import CPythonNode, limits_object
from twolbms.scenario.play import load_scenario, play
from twolbms.scenario.rewriting import Rewrite, RuleMoved, check, rewritten
from twolbms.scenario.spoil_columns import Spoil, column_spoils
from twolbms.scenario.spoil_rules import RULES


@dataclass(frozen=True)
class Story:
    """A scenario that passes on sound firmware, and how long it takes."""

    name: str
    scenario: Scenario
    pack: GuardedPack
    cycles: int


class Verdict(NamedTuple):
    """Which scenario noticed a spoil and how; `killed_by` is None when none did."""

    spoil: Spoil
    played: int
    killed_by: str | None


_stories: dict[tuple[str, str], list[Story]] = {}  # by pack and what is proved; filled before the workers are forked
_limits: dict[str, SimpleNamespace] = {}


def load_stories(folder: Path) -> list[str]:
    """Reads and plays every scenario below `folder` on sound firmware; what does not pass."""
    found, trouble = [], []
    for path in sorted(folder.rglob("*.yaml")):
        scenario, pack = load_scenario(path)
        _limits.setdefault(pack.pack, limits_object(limit_image(pack)))
        played = play(scenario, pack, CPythonNode(_limits[pack.pack], scenario.node))
        if played.difference:
            trouble.append(f"{path}: {played.difference}")
        found.append(Story(f"{path.parent.name}/{path.stem}", scenario, pack, played.cycles))
    for story in sorted(found, key=lambda story: story.cycles):
        for proved in story.scenario.proves:
            _stories.setdefault((story.pack.pack, proved), []).append(story)
    return trouble


def spoils() -> Iterator[Spoil]:
    """Everything that is tried: the columns of each pack, then the rules on each pack that can show them."""
    for limits in _limits.values():
        yield from column_spoils(limits)
        for rewrite in RULES:
            yield Spoil(limits.PACK, rewrite.rule, rewrite.means, (), rewrite, _cannot_show(rewrite, limits))


# Rewrite.packs: whether a pack can show it, and the words when it cannot.
_SHOWN_BY: dict[str, tuple[Callable[[SimpleNamespace], Any], str]] = {
    "": (lambda limits: True, ""),
    "common": (lambda limits: limits.COMMON, "its outputs switch charge and discharge apart"),
    "fets": (lambda limits: not limits.COMMON, "its outputs are common"),
    "one_link": (lambda limits: not limits.COMMON and not limits.PORTS,
                 "its charge path is common with discharge, or not on the link"),
    "ports": (lambda limits: limits.PORTS, "its charge path is on the link"),
    "close_alone": (lambda limits: limits.CLOSE_ALONE, "it never closes by itself"),
    "heater": (lambda limits: limits.HEATER, "it has no heater"),
    "heater_from_pack": (lambda limits: limits.HEATER and not limits.HEATER_FROM_LINK,
                         "it has no heater on the pack's side of its outputs"),
    "heater_from_link": (lambda limits: limits.HEATER_FROM_LINK, "it has no heater behind its outputs"),
}


def _cannot_show(rewrite: Rewrite, limits: SimpleNamespace) -> str | None:
    shows, words = _SHOWN_BY[rewrite.packs]
    return None if shows(limits) else f"not of this pack: {words}"


def judge(spoil: Spoil) -> Verdict:
    """Plays what proves the spoiled thing until one scenario fails."""
    limits = SimpleNamespace(**{**vars(_limits[spoil.pack]), **dict(spoil.columns)})
    played = 0
    with rewritten(spoil.rewrite):
        for story in _stories.get((spoil.pack, spoil.proved_by), ()):
            played += 1
            if noticed := _notices(story, limits):
                return Verdict(spoil, played, f"{story.name}: {noticed}")
    return Verdict(spoil, played, None)


def _notices(story: Story, limits: SimpleNamespace) -> str | None:
    difference = play(story.scenario, story.pack, CPythonNode(limits, story.scenario.node)).difference
    return str(difference) if difference else None


def judge_all(tried: Sequence[Spoil], workers: int) -> list[Verdict]:
    """Verdicts in the order of `tried`."""
    if workers < 2:
        return [judge(spoil) for spoil in tried]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        return pool.map(judge, tried, chunksize=4)


def report(verdicts: Iterable[Verdict], unmeant: Sequence[Spoil], told_all: bool) -> Iterator[str]:
    """The lines people read."""
    verdicts = list(verdicts)
    survivors = [v for v in verdicts if v.killed_by is None]
    if told_all:
        yield from (f"killed     {v.spoil.pack}: {v.spoil.what}: {v.killed_by}" for v in verdicts if v.killed_by)
    for pack, reason in sorted({(spoil.pack, str(spoil.reason)) for spoil in unmeant}):
        these = [spoil.what for spoil in unmeant if (spoil.pack, spoil.reason) == (pack, reason)]
        yield f"no meaning {pack}: {len(these)} x {reason}"
        yield from (f"           - {what}" for what in these if told_all)
    for verdict in survivors:
        by = verdict.spoil.proved_by
        tried = f"{verdict.played} scenarios of {by}" if verdict.played else f"no scenario proves {by}"
        yield f"SURVIVED   {verdict.spoil.pack}: {verdict.spoil.what} ({tried})"
    yield (f"{len(verdicts)} spoiled, {len(verdicts) - len(survivors)} noticed, {len(survivors)} survived; "
           f"{len(unmeant)} have no meaning")


def as_json(verdicts: Iterable[Verdict], unmeant: Sequence[Spoil]) -> str:
    """The same for a program."""
    spoiled = [{"pack": v.spoil.pack, "what": v.spoil.what, "proved_by": v.spoil.proved_by, "noticed": v.killed_by}
               for v in verdicts]
    return json.dumps({"spoiled": spoiled, "no_meaning": [
        {"pack": spoil.pack, "what": spoil.what, "reason": spoil.reason} for spoil in unmeant]}, indent=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0: everything was noticed; 1: something survived; 2: the scenarios or the table are not sound."""
    parser = argparse.ArgumentParser(prog="tools/spoil", description=__doc__)
    parser.add_argument("folder", type=Path, help="the scenarios")
    parser.add_argument("--only", metavar="TEXT", help="only what holds this text: a pack, row or rule")
    parser.add_argument("--all", action="store_true", help="tell what was noticed too, and by which scenario")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1), help="processes")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except RuleMoved as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    if trouble := load_stories(options.folder) or ([] if _limits else [f"{options.folder}: no scenarios"]):
        print("\n".join(trouble), file=sys.stderr)
        return 2
    check(RULES)
    wanted = [s for s in spoils() if not options.only or options.only in f"{s.pack} {s.proved_by} {s.what}"]
    if not wanted:
        print(f"nothing holds {options.only!r}", file=sys.stderr)
        return 2
    verdicts = judge_all([s for s in wanted if not s.reason], options.workers)
    unmeant = [s for s in wanted if s.reason]
    print(as_json(verdicts, unmeant) if options.json else "\n".join(report(verdicts, unmeant, options.all)))
    return 1 if any(v.killed_by is None for v in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
