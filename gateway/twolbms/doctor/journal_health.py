"""Whether the journal can be read, and whether its newest records agree with this machine's clock. Changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from twolbms.doctor.closed import closed
from twolbms.doctor.folders import size, used_bytes
from twolbms.doctor.people import owner_of
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.doctor.sketch import Sketch
from twolbms.journal import FAMILIES
from twolbms.journal.boots import read_boots
from twolbms.journal.segments import read_contents, segment_numbers, segment_path
from twolbms.journal.verify import problems

NEWEST = 2
"""Segments of each family that are read: 64 MiB at most, seconds even on a Pi. All of them: `2lbms journal check`."""

_MOST_TOLD = 5
_AHEAD_S = 120  # a record so far in the future was made by a clock that has been set back since

told = Rules(
    Rule("journal.good", "good", "{size} in {segments} segments; the newest are whole"),
    Rule("journal.none", "good", "no records yet in {path}"),
    Rule("journal.damaged", "bad", "{problem}", "all other records can be read; look at everything with: "
         "2lbms journal check {path}"),
    Rule("journal.unreadable", "bad", "{path} cannot be read: {reason}",
         "run this as the gateway's user: sudo -u {owner} 2lbms doctor {site}"),
    Rule("journal.ahead", "bad", "its newest record is {ahead} in the future: the clock has been set back since",
         "set the clock, then wait: pages show nothing new until this time; type: timedatectl"),
)


def check_journal(sketch: Sketch, now_ns: int | None = None) -> Iterator[Finding]:
    """The newest segments of each family; `now_ns` is wall time, for tests."""
    folder = sketch.journal_folder
    if hidden := closed("journal", folder, sketch.file):
        yield hidden
        return
    if not folder.is_dir():
        yield told("journal.none", "journal", path=folder)
        return
    try:
        yield from _read(folder, time.time_ns() if now_ns is None else now_ns)
    except OSError as error:
        yield told("journal.unreadable", "journal", path=folder, reason=error.strerror or error,
                   owner=owner_of(os.stat(folder).st_uid), site=sketch.file)


def _read(folder: Path, now_ns: int) -> Iterator[Finding]:
    wrong = problems(folder, NEWEST)
    for problem in wrong[:_MOST_TOLD]:
        yield told("journal.damaged", "journal", problem=problem, path=folder)
    count = sum(len(segment_numbers(folder, family)) for family in FAMILIES)
    newest_ns = newest_wall_ns(folder)
    ahead_s = 0.0 if newest_ns is None else (newest_ns - now_ns) / 1e9
    if ahead_s > _AHEAD_S:
        yield told("journal.ahead", "journal", ahead=span(ahead_s))
    elif not wrong:
        yield told("journal.good" if count else "journal.none", "journal", size=size(used_bytes(folder)),
                   segments=count, path=folder)


def newest_wall_ns(folder: Path) -> int | None:
    """Wall time of the newest record whose boot knows it; None when there is none."""
    walls, newest = read_boots(folder).walls, []
    for family in FAMILIES:
        for number in segment_numbers(folder, family)[-1:]:
            fd = os.open(segment_path(folder, family, number), os.O_RDONLY)
            try:
                held = read_contents(fd).span
            finally:
                os.close(fd)
            if held is not None and held.boot_id in walls:
                newest.append(held.last_ns + walls[held.boot_id].offset_ns)
    return max(newest, default=None)


def span(seconds: float) -> str:
    """A time in words, roughly: 3 minutes, 2 hours, 400 days."""
    for unit, length_s in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
