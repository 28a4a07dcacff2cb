"""The table of faults: one row a fault, with how often it was made, what was counted, and whether the promise held."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """`holds` is None where the fault could not be made here; `counted` then says what was missing."""

    fault: str
    how_often: str
    counted: str
    holds: bool | None
    figures: dict[str, float | int | str | None] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The word of the last column."""
        return {True: "holds", False: "BROKEN", None: "skipped"}[self.holds]


def skipped(fault: str, name: str) -> Row:
    """The row of a fault that needs something this machine lacks; the words are those of a skipped test."""
    return Row(fault, "0", f"needs {name}", None)


def text_of(rows: Iterable[Row]) -> str:
    """The rows for a terminal: fault, how often, verdict, and what was counted below."""
    return "\n".join(f"{row.verdict:<8}{row.fault}\n        {row.how_often}\n        {row.counted}" for row in rows)


def write(rows: Iterable[Row], path: Path) -> None:
    """The rows as a list of JSON objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) | {"verdict": row.verdict} for row in rows], indent=1) + "\n",
                    encoding="utf-8")
