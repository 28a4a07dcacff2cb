"""Reads a whole journal and tells what it holds and what of it cannot be read, as data. Changes nothing.

Knows no words for people and no wall clock of today; times are monotonic ones of their boot.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from twolbms.journal.block import WITHOUT_RECORDS, Header
from twolbms.journal.boots import read_boots
from twolbms.journal.records import FAMILIES, Wall
from twolbms.journal.scan import Piece
from twolbms.journal.segments import Span, is_file, segment_numbers, segment_path, span_of_block
from twolbms.journal.verify import Examined, examined, misplaced, missing


class Damage(NamedTuple):
    """A stretch of a segment that cannot be read, and what it cost.

    `records` is None where not even the header of the block is left. Times are of `boot_id`: of the lost records, or
    of the whole blocks before and behind it; None where there is none.
    """

    family: str
    file: str
    offset: int
    end: int
    problem: str
    records: int | None
    boot_id: str | None
    from_ns: int | None
    to_ns: int | None


class FamilyFound(NamedTuple):
    """What the files of a family hold that can be read; `spans` by boot, in the order of writing."""

    segments: int
    bytes: int
    records: int
    spans: dict[str, Span]


class Survey(NamedTuple):
    """A whole journal. `other` are problems that are no stretch of a segment."""

    families: dict[str, FamilyFound]
    walls: dict[str, Wall]
    bad_boot_lines: int
    damage: list[Damage]
    other: list[str]

    @property
    def boots(self) -> dict[str, Span]:
        """What all families hold of each boot together; placed by the family of most boots, in the order of writing."""
        spans: dict[str, Span] = {}
        for found in sorted(self.families.values(), key=lambda found: -len(found.spans)):
            for boot_id, span in found.spans.items():
                spans[boot_id] = joined(spans[boot_id], span) if boot_id in spans else span
        return spans


def joined(one: Span, other: Span) -> Span:
    """Both spans of a boot as one."""
    return Span(one.boot_id, one.records + other.records, min(one.first_ns, other.first_ns),
                max(one.last_ns, other.last_ns))


def survey(folder: Path, progress: Callable[[int], None] = lambda _: None) -> Survey:
    """Reads everything; calls `progress` with the size of each file it has read. OSError for an unreadable folder."""
    boots = read_boots(folder) if not (folder / "boots").exists() or is_file(folder / "boots") else None
    damage: list[Damage] = []
    other = [*misplaced(folder), *missing(folder)]
    families = {family: _family(folder, family, damage, other, progress) for family in FAMILIES}
    return Survey(families, boots.walls if boots else {}, boots.bad_lines if boots else 0, damage, other)


def _family(folder: Path, family: str, damage: list[Damage], other: list[str],
            progress: Callable[[int], None]) -> FamilyFound:
    numbers = segment_numbers(folder, family)
    spans: dict[str, Span] = {}
    size = 0
    for number in numbers:
        path = segment_path(folder, family, number)
        try:
            if not is_file(path):
                other.append(f"{family}/{path.name} is not a file")
                continue
            walked = _Walked(family, path.name)
            for found in examined(path, family, number == numbers[-1]):
                walked.take(found)
            file_size = path.stat().st_size
        except FileNotFoundError:  # unlinked by retention since it was listed
            continue
        damage += walked.finished()
        for boot_id, span in walked.spans.items():
            spans[boot_id] = joined(spans[boot_id], span) if boot_id in spans else span
        size += file_size
        progress(file_size)
    return FamilyFound(len(numbers), size, sum(span.records for span in spans.values()), spans)


class _Walked:
    """What a walk over one segment has found so far."""

    def __init__(self, family: str, name: str) -> None:
        self.spans: dict[str, Span] = {}
        self._family = family
        self._name = name
        self._before: Header | None = None
        self._damage: list[Damage] = []
        self._open = 0  # how many of the last damages still wait for a block behind them

    def take(self, found: Examined) -> None:
        """The next piece of the file."""
        if found.problem is not None:
            self._spoiled(found.piece, found.problem, found.header)
        elif found.header is not None and found.header.kind not in WITHOUT_RECORDS:
            self._whole(found.header)

    def _spoiled(self, piece: Piece, problem: str, header: Header | None) -> None:
        before = self._before
        if header is not None:
            cost: tuple[int | None, str | None, int | None, int | None] = (
                header.records, header.boot_id, header.first_ns, header.last_ns)
        else:
            cost = (None, before.boot_id if before else None, before.last_ns if before else None, None)
            self._open += 1
        self._damage.append(Damage(self._family, f"{self._family}/{self._name}", piece.offset, piece.end, problem,
                                   *cost))

    def _whole(self, header: Header) -> None:
        span = self.spans.get(header.boot_id)
        self.spans[header.boot_id] = span.and_block(header) if span else span_of_block(header)
        self._before = header
        for at, found in enumerate(self._damage):
            if self._open and found.records is None and found.to_ns is None:
                self._damage[at] = found._replace(boot_id=header.boot_id, to_ns=header.first_ns)
        self._open = 0

    def finished(self) -> list[Damage]:
        """The damaged stretches."""
        return self._damage
