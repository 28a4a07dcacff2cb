"""Makes one statement out of pydantic's many where a value may be one of several things.

Pydantic tries every member of a union and reports each failure, with the member's label in the error's way. Here the
labels go, and of the members only the one that came closest speaks. Knows errors and data, no words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from twolbms.config.errors import Loc

UNION = "union"  # the kind of a finding that no member came close


class Found(NamedTuple):
    """One error at a place in the data. `about_key`: not the value but its key is wrong."""

    kind: str
    loc: Loc
    error: Mapping[str, Any]
    about_key: bool


class _Step(NamedTuple):
    name: str | int
    is_label: bool


class _Way(NamedTuple):
    steps: tuple[_Step, ...]
    error: Mapping[str, Any]
    about_key: bool


def settled(errors: Iterable[Mapping[str, Any]], data: object) -> list[Found]:
    """Pydantic's `errors` about `data` with the unions settled."""
    return _settle([_way(error, data) for error in errors], 0)


def _way(error: Mapping[str, Any], data: object) -> _Way:
    loc = error["loc"]
    about_key = bool(loc) and loc[-1] == "[key]"
    loc = loc[:-1] if about_key else loc
    steps = []
    for i, name in enumerate(loc):
        is_field = error["type"] == "missing" and i == len(loc) - 1
        step, data = _follow(name, data)
        steps.append(_Step(name if step is None else step, is_label=step is None and not is_field))
    return _Way(tuple(steps), error, about_key)


def _follow(name: str | int, data: Any) -> tuple[str | int | None, Any]:
    """The step into `data` that `name` is, and what lies there; None and the same data for a label."""
    if isinstance(data, list) and isinstance(name, int) and name < len(data):
        return name, data[name]
    if isinstance(data, dict):
        for key in (name, *(key for key in data if str(key) == name)):
            if key in data:
                return key, data[key]
    return None, data


def _settle(ways: list[_Way], depth: int) -> list[Found]:
    """The findings of ways that agree in their first `depth` steps."""
    ended = [way for way in ways if len(way.steps) == depth]
    branches: dict[_Step, list[_Way]] = {}
    for way in ways:
        if len(way.steps) > depth:
            branches.setdefault(way.steps[depth], []).append(way)
    members = [branch for step, branch in branches.items() if step.is_label]
    found = [Found(way.error["type"], _loc(way, depth), way.error, way.about_key) for way in ended]
    for step, branch in branches.items():
        if not step.is_label:
            found += _settle(branch, depth + 1)
    return found + _closest(members, depth)


def _closest(members: list[list[_Way]], depth: int) -> list[Found]:
    if len(members) < 2:
        return [finding for member in members for finding in _settle(member, depth + 1)]
    inner = [member for member in members if any(_goes_inside(way, depth) for way in member)]
    if inner:
        return _settle(min(inner, key=len), depth + 1)
    way = members[0][0]
    return [Found(UNION, _loc(way, depth), way.error, False)]


def _goes_inside(way: _Way, depth: int) -> bool:
    return any(not step.is_label for step in way.steps[depth:])


def _loc(way: _Way, depth: int) -> Loc:
    return tuple(step.name for step in way.steps[:depth] if not step.is_label)
