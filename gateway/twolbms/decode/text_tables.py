"""Texts of fields that were made once and are kept: by raw bits of a signal, or by the common number of all flags.

Bounded: when all tables of a writer together hold too many texts, all are forgotten and fill anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twolbms.decode.line_fields import field_key, text_of
from twolbms.decode.signals import Signal

_MOST_TEXTS = 120_000  # of about 180 bytes: 20 MB
_LONGEST = 16  # bits of a signal whose every text may be kept
_MOST_FLAGS = 4096  # numbers that hold all flags of a page; bits that change more often are no flags
_PATIENCE = 100_000  # numbers that were not there, until it is tried anew
_MOST_OF_A_LONG = 64  # of a longer signal: it rests at a value, or it never comes back to one


class TextTables:
    """The tables of one writer, shared by signals of one name and one coding."""

    def __init__(self) -> None:
        self._tables: dict[Any, FieldTexts] = {}
        self._all: list[FieldTexts | FlagTexts] = []
        self._count = 0

    def field(self, signal: Signal, before: str, after: str) -> FieldTexts:
        """The texts of a signal's field, with what stands before and after a field that is there."""
        key = (before, after, signal.name, signal.length, signal.signed, signal.is_float,
               repr(signal.scale), repr(signal.offset), signal.not_available)
        if key not in self._tables:
            table = FieldTexts(self, f"{before}{field_key(signal.name)}=", text_of(signal), after, signal.length)
            self._tables[key] = table
            self._all.append(table)
        return self._tables[key]

    def flags(self, runs: Sequence[Sequence[tuple[FieldTexts, int, int]]]) -> FlagTexts:
        """The texts of runs of fields by the number that holds all flags."""
        table = FlagTexts(self, runs)
        self._all.append(table)
        return table

    def one_more(self) -> None:
        """Called for each text that is about to be kept."""
        self._count += 1
        if self._count > _MOST_TEXTS:
            for table in self._all:
                table.clear()
            self._count = 0


class FieldTexts(dict[int, str]):
    """`,name=value` by raw bits; a negative number is looked up by its own bits. Empty where there is no value."""

    def __init__(self, tables: TextTables, begin: str, text: Callable[[int], str], end: str, length: int) -> None:
        super().__init__()
        self._tables = tables
        self._begin = begin
        self._text = text
        self._end = end
        self._every = (1 << length) - 1
        self._most = _MOST_OF_A_LONG if length > _LONGEST else 1 << 62

    def __missing__(self, bits: int) -> str:
        if len(self) >= self._most:
            self.clear()
        self._tables.one_more()
        text = self._text(bits & self._every)
        made = self[bits] = f"{self._begin}{text}{self._end}" if text else ""
        return made


class FlagTexts(dict[int, tuple[str, ...]]):
    """Texts of runs of neighbouring fields, by the number that holds all flags. A run has texts, shift and mask."""

    def __init__(self, tables: TextTables, runs: Sequence[Sequence[tuple[FieldTexts, int, int]]]) -> None:
        super().__init__()
        self._tables = tables
        self._runs = runs
        self._missed = 0

    def __missing__(self, number: int) -> tuple[str, ...]:
        made = tuple("".join([texts[number >> shift & mask] for texts, shift, mask in run]) for run in self._runs)
        if len(self) < _MOST_FLAGS:
            self._tables.one_more()
            self[number] = made
            return made
        self._missed += 1
        if self._missed > _PATIENCE:
            self._missed = 0
            self.clear()
        return made
