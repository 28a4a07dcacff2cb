"""One answer to "why": a text for people and the facts in it for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sentence:
    """One answer: the text, and the facts in it for programs (cells from 1, times in wall nanoseconds)."""

    text: str
    now: str
    pack: str | None = None
    what: str = "pack"  # charge, discharge, both, pack, bank, device
    by: str | None = None
    cell: int | None = None
    value: float | None = None
    limit: float | None = None
    unit: str | None = None
    age_s: float | None = None
    since_ns: int | None = None

    def __str__(self) -> str:
        return f"{self.text} Now: {self.now}."

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)
