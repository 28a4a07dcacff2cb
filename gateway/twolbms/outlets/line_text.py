"""Lines of a batch on their way to a server: a list, or one text of many that is cut into lines only when it must be.

It knows line ends and numbers; no protocol and no server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineText:
    """`chunks` of one or more whole lines each, without the last line end, and how many lines they are together."""

    chunks: Sequence[bytes] = ()
    count: int = 0

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> LineText:
        """One line a chunk."""
        return cls(lines, len(lines))

    def lines(self) -> Sequence[bytes]:
        """One by one."""
        if len(self.chunks) == self.count:
            return self.chunks
        return b"\n".join(self.chunks).split(b"\n")

    def pieces(self, most: int, strictly: bool = True) -> list[LineText]:
        """In order, of at most so many lines; where that is no strict limit, a text that is not cut yet stays whole up
        to twice as many."""
        whole = most if strictly or len(self.chunks) == self.count else 2 * most
        if self.count <= whole:
            return [self] if self.count else []
        lines = self.lines()
        return [LineText.of(lines[start:start + most]) for start in range(0, len(lines), most)]

    def halves(self) -> tuple[LineText, LineText]:
        """The first and the second half."""
        lines = self.lines()
        middle = len(lines) // 2
        return LineText.of(lines[:middle]), LineText.of(lines[middle:])
