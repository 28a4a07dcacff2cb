"""Where each value and key of one file stands. Turns a way into a value into a problem with line and column."""

from __future__ import annotations

from dataclasses import dataclass, field

from twolbms.config.errors import ConfigProblem, Loc, key_text

Position = tuple[int, int]  # line and column, from 1


@dataclass(frozen=True, slots=True)
class Places:
    """Positions of one file: `values` of what stands behind a key or in a list, `keys` of the keys themselves."""

    file: str
    values: dict[Loc, Position] = field(default_factory=dict)
    keys: dict[Loc, Position] = field(default_factory=dict)

    def at(self, loc: Loc, at_key: bool = False) -> Position:
        """Line and column of the value at `loc` (or of its key), else of the nearest mapping or list around it."""
        if at_key and loc in self.keys:
            return self.keys[loc]
        while loc and loc not in self.values:
            loc = loc[:-1]
        return self.values.get(loc, (1, 1))

    def problem(self, loc: Loc, message: str, *, expected: str | None = None, found: str | None = None,
                at_key: bool = False) -> ConfigProblem:
        """A problem with the value (or the key) at `loc`."""
        line, column = self.at(loc, at_key)
        return ConfigProblem(self.file, line, column, key_text(loc), message, expected, found)
