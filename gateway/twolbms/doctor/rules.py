"""A finding, and the rows it comes from: what each of them says and what a person then does. Looks at nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

State = Literal["good", "warn", "bad", "unknown"]


class Rule(NamedTuple):
    """One thing that can be found. `says` and `do` are texts with {places}; `do` is empty where nothing is to do."""

    id: str
    state: State
    says: str
    do: str = ""


class Finding(NamedTuple):
    """One thing found: about what, how it stands, a sentence, and what to do or type next."""

    id: str
    state: State
    subject: str
    sentence: str
    do: str


class Rules:
    """The rows of one subject: `told("bus.down", "bus can0", channel="can0")` is the finding of a row."""

    def __init__(self, *rows: Rule) -> None:
        self._rows = {row.id: row for row in rows}

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rows.values())

    def __call__(self, rule: str, subject: str, **facts: Any) -> Finding:
        row = self._rows[rule]
        return Finding(row.id, row.state, subject, row.says.format_map(facts), row.do.format_map(facts))
