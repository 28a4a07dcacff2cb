"""Stretches of one family of a journal, as a set that is kept small: what an outlet still owes its database.

It knows places and their order; nothing of files, threads or servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from twolbms.journal.records import FAMILIES, Cursor

MOST = 8
"""A database that comes and goes leaves a stretch each time; beyond this many the nearest two become one."""


class Stretch(NamedTuple):
    """From `start` (None: from the oldest block) up to `end`, where it does not reach in. Its text: "sample:- 3:96"."""

    start: Cursor | None
    end: Cursor

    @property
    def begin(self) -> tuple[int, int]:
        """Where it begins, in a form that can be compared."""
        return place(self.start)

    def __str__(self) -> str:
        start = "-" if self.start is None else f"{self.start.segment}:{self.start.offset}"
        return f"{self.end.family}:{start} {self.end.segment}:{self.end.offset}"

    @classmethod
    def parse(cls, text: str) -> Stretch:
        """The stretch of its text form; ValueError when it is not one."""
        family, _, rest = text.partition(":")
        start, _, end = rest.partition(" ")
        if family not in FAMILIES:
            raise ValueError(f"stretch {text!r}: expected a family, a place or -, and a place")
        behind = Cursor.parse(f"{family}:{end}")
        return cls(None if start == "-" else Cursor.parse(f"{family}:{start}"), behind)


def place(cursor: Cursor | None) -> tuple[int, int]:
    """A cursor as two numbers that can be compared; before everything for None."""
    return (-1, 0) if cursor is None else (cursor.segment, cursor.offset)


class Ranges:
    """Disjoint stretches in order. Immutable: each change gives another."""

    __slots__ = ("_stretches",)

    def __init__(self, stretches: Iterable[Stretch] = ()) -> None:
        self._stretches = _bounded(_merged(stretches))

    def __iter__(self) -> Iterator[Stretch]:
        return iter(self._stretches)

    def __bool__(self) -> bool:
        return bool(self._stretches)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._stretches == other._stretches

    __hash__ = None  # type: ignore[assignment]

    @property
    def first(self) -> Stretch | None:
        """The oldest stretch; None when there is none."""
        return self._stretches[0] if self._stretches else None

    def plus(self, stretches: Iterable[Stretch]) -> Ranges:
        """With more stretches, which may overlap."""
        return Ranges([*self._stretches, *stretches])

    def minus(self, done: Stretch) -> Ranges:
        """Without one stretch, wherever it lies."""
        left = []
        for one in self._stretches:
            if place(one.end) <= done.begin or one.begin >= place(done.end):
                left.append(one)
                continue
            if one.begin < done.begin and done.start is not None:
                left.append(Stretch(one.start, done.start))
            if place(one.end) > place(done.end):
                left.append(Stretch(done.end, one.end))
        return Ranges(left)


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """In order, with what overlaps or touches joined and the empty left out."""
    merged: list[Stretch] = []
    for one in sorted(stretches, key=lambda stretch: (stretch.begin, place(stretch.end))):
        if place(one.end) <= one.begin:
            continue
        if merged and one.begin <= place(merged[-1].end):
            merged[-1] = Stretch(merged[-1].start, max(merged[-1].end, one.end, key=place))
        else:
            merged.append(one)
    return merged


def _bounded(stretches: list[Stretch]) -> list[Stretch]:
    """Joins the neighbours with the smallest gap until there are few enough: the gap is sent once more."""
    while len(stretches) > MOST:
        gaps = [(after.begin[0] - before.end.segment, after.begin[1] - before.end.offset)
                for before, after in pairwise(stretches)]
        at = gaps.index(min(gaps))
        stretches[at:at + 2] = [Stretch(stretches[at].start, stretches[at + 1].end)]
    return stretches
