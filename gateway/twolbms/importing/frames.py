"""One frame of a log, and the account of what a log could not give. Knows no format."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

DATA, ERROR, REMOTE = 0, 1, 2

MOST_TIME_NS = 1 << 62  # 146 years, to the year 2116: what the journal holds, and differences stay within int64

_TRAILING_NUMBER = re.compile(r"(\d+)$")
_MOST_LINES_NAMED = 3
_MOST_PROBLEMS = 20


class LogFrame(NamedTuple):
    """A frame as the log tells it: time on the log's own axis, bus by the log's name for it."""

    time_ns: int
    bus: str
    can_id: int
    extended: bool
    data: bytes
    kind: int = DATA


def bus_number(name: str) -> int | None:
    """The number of a bus: 1 for can1 or vcan1, None for a name without a number."""
    found = _TRAILING_NUMBER.search(name)
    return int(found[1]) if found else None


@dataclass
class Damage:
    """What could not be read: `malformed_lines` counts lines (of a BLF: breaks), `problems` are sentences."""

    malformed_lines: int = 0
    problems: list[str] = field(default_factory=list)
    _first_lines: list[int] = field(default_factory=list)

    def line(self, number: int) -> None:
        """A line that is no frame and nothing else that belongs there; `number` counts from 1."""
        self.malformed_lines += 1
        if len(self._first_lines) < _MOST_LINES_NAMED:
            self._first_lines.append(number)

    def note(self, sentence: str) -> None:
        """Something else that is wrong."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(sentence)

    def sentences(self) -> list[str]:
        """Everything that was wrong, for people."""
        if not self._first_lines:
            return list(self.problems)
        numbers = ", ".join(map(str, self._first_lines))
        more = " and later ones" if self.malformed_lines > len(self._first_lines) else ""
        what = "line" if self.malformed_lines == 1 else "lines"
        return [f"{self.malformed_lines} {what} could not be read: {what} {numbers}{more}", *self.problems]
