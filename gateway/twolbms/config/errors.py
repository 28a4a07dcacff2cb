"""What is wrong with a configuration, and where: problems, the error that carries them, and the words to show values.

Knows files, lines and keys; knows no YAML and no model.

    ConfigError            one or more problems in files that a person wrote       unknown key in site.yaml
    └ Misfit (ValueError)  not of the family: raised inside a model's validator,   two packs with one name
                           turned into problems at the right lines by the loader
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

Loc = tuple[str | int, ...]  # the way to a value: ("packs", 0, "node")

_LONGEST_SHOWN = 60  # characters of a value or word in a message, so that each problem stays one readable line
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_KEY_STEP = re.compile(r"([A-Za-z0-9_-]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One problem. `line` and `column` count from 1; None: the file as a whole. `key` is empty at the top."""

    file: str
    line: int | None
    column: int | None
    key: str
    message: str
    expected: str | None = None
    found: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return ": ".join(part for part in (place, self.key, self.message) if part)

    def as_json(self) -> dict[str, Any]:
        """The problem as a JSON-able dict with every field."""
        return asdict(self)

    def order(self) -> tuple[int, int]:
        """Sorts problems of one file from its top to its end."""
        return (self.line or 0, self.column or 0)


class ConfigError(Exception):
    """Problems in a person's files, in file order; as text one on each line."""

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def as_json(self) -> dict[str, Any]:
        """`{"ok": false, "problems": [...]}`."""
        return {"ok": False, "problems": [problem.as_json() for problem in self.problems]}


class Misfit(ValueError):
    """Raised by a model's validator: what does not fit, each with its way from the value that is validated."""

    def __init__(self, *places: tuple[Loc, str]) -> None:
        self.places = places
        super().__init__("; ".join(f"{key_text(loc)}: {text}" if loc else text for loc, text in places))

    @classmethod
    def told(cls, texts: Iterable[str]) -> Self:
        """From texts that open with their key: `told(["limits.interlock.unit: expected 1, found V"])`."""
        return cls(*map(_placed, texts))


def _placed(text: str) -> tuple[Loc, str]:
    key, colon, rest = text.partition(": ")
    steps = [int(number) if number else name for name, number in _KEY_STEP.findall(key)]
    readable = bool(colon) and key_text(tuple(steps)) == key
    return (tuple(steps), rest) if readable else ((), text)


def file_problem(file: Path | str, message: str) -> ConfigError:
    """A file that cannot be read at all."""
    return ConfigError([ConfigProblem(printable(str(file)), None, None, "", message)])


def key_text(loc: Loc) -> str:
    """The way to a value as people write it: `packs[0].node`."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def shown(value: object) -> str:
    """A value from a file, short and on one line."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return f"a mapping of {len(value)}" if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, str):
        cut = value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "…"
        return printable(json.dumps(cut, ensure_ascii=False))
    return "true" if value is True else "false" if value is False else str(value)


def printable(text: str) -> str:
    """`text` with everything escaped that would break a line or a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def either(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def did_you_mean(word: object, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be."""
    by_lower = {name.lower().replace("-", "_"): name for name in known}
    close = get_close_matches(str(word)[:_LONGEST_SHOWN].lower().replace("-", "_"), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None
