"""Runs the firmware of this process with one of its texts changed.

Knows firmware text, no scenarios and no numbers of packs. A text that is no longer there is an error, so that a rule
cannot slip out of a table of rewrites unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from twolbms.scenario.nodes import firmware


class Rewrite(NamedTuple):
    """In `module` the text `old`, which stands there once, becomes `new`. `packs`: whose outputs can show it."""

    rule: str
    means: str
    module: str
    old: str
    new: str
    packs: str = ""  # "": all; else a key of _SHOWN_BY in spoil.py: "common", "fets", "close_alone", "heater" ...


class RuleMoved(Exception):
    """The firmware no longer holds a rule's text: the table has to follow it."""


def check(rewrites: Iterable[Rewrite]) -> None:
    """Raises RuleMoved unless the text of each stands in the firmware once."""
    for rewrite in rewrites:
        _source(rewrite)


def _source(rewrite: Rewrite) -> tuple[ModuleType, str]:
    module = firmware(rewrite.module)
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    if (count := text.count(rewrite.old)) != 1:
        raise RuleMoved(f"{rewrite.module} holds {rewrite.old!r} {count} times; expected once ({rewrite.means})")
    return module, text


@contextmanager
def rewritten(rewrite: Rewrite | None) -> Iterator[None]:
    """The firmware in this process with `rewrite` in force. Raises RuleMoved when its text is not there once."""
    if rewrite is None:
        yield
        return
    module, text = _source(rewrite)
    fresh: dict[str, Any] = {"__name__": rewrite.module, "__file__": module.__file__}
    exec(compile(text.replace(rewrite.old, rewrite.new), str(module.__file__), "exec"), fresh)
    undo = list(_take_over(module, fresh))
    try:
        yield
    finally:
        for target, name, value in undo:
            setattr(target, name, value)


def _take_over(module: ModuleType, fresh: dict[str, Any]) -> Iterator[tuple[Any, str, Any]]:
    """Puts the code and the numbers of `fresh` into `module`; yields what brings the old ones back."""
    for name, old in list(vars(module).items()):
        new = fresh.get(name)
        if isinstance(old, FunctionType) and old.__module__ == module.__name__:
            yield from _swap(old, new)
        elif isinstance(old, type) and old.__module__ == module.__name__:
            for attribute, method in list(vars(old).items()):
                if isinstance(method, FunctionType):
                    yield from _swap(method, vars(new)[attribute])
                elif isinstance(method, property) and isinstance(method.fget, FunctionType):
                    yield from _swap(method.fget, vars(new)[attribute].fget)
        elif isinstance(old, int) and old != new:
            yield module, name, old
            setattr(module, name, new)


def _swap(old: FunctionType, new: Any) -> Iterator[tuple[Any, str, Any]]:
    yield old, "__code__", old.__code__
    old.__code__ = new.__code__
