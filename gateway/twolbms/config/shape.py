"""Says in words what a model expects at a place, from its annotations: "a whole number from 1 to 127".

Knows pydantic models and their annotations; knows no file and no error.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from twolbms.config.errors import Loc, either, shown
from twolbms.config.scalars import Surprise, read_plain


@dataclass(frozen=True, slots=True)
class Words:
    """In an `Annotated`: the words for what is expected, where the annotation alone would not tell."""

    text: str


class Shape(NamedTuple):
    """One thing that may stand at a place: a type without Annotated, Optional or Union, and its constraints."""

    type: Any
    constraints: tuple[Any, ...]


def shapes_at(model: type[BaseModel], loc: Loc, data: object) -> list[Shape]:
    """What may stand at `loc` of a `model` that was given `data`; empty where the model knows no such place."""
    shapes = [Shape(model, ())]
    for step in loc:
        shapes = [inner for shape in _fitting(shapes, data) for inner in _inside(shape, step)]
        data = value_at(data, (step,))
    return _fitting(shapes, data)


def value_at(data: object, loc: Loc) -> object:
    """What lies at `loc` in plain values; None where there is nothing."""
    for step in loc:
        if isinstance(data, dict):
            data = data.get(step)
        else:
            data = data[step] if isinstance(data, list) and isinstance(step, int) and step < len(data) else None
    return data


def fields_of(shapes: Iterable[Shape]) -> dict[str, FieldInfo]:
    """The fields of all models among `shapes`, by the names that stand in the file."""
    return {field.alias or name: field for shape in shapes if _is_model(shape)
            for name, field in shape.type.model_fields.items()}


def choices_of(shapes: Iterable[Shape]) -> list[str]:
    """The words among what `shapes` allow."""
    return [word for shape in shapes if get_origin(shape.type) is Literal
            for word in get_args(shape.type) if isinstance(word, str)]


def describe(shapes: Iterable[Shape]) -> str:
    """Any of `shapes` in words."""
    words = list(dict.fromkeys(text for shape in shapes for text in _words(shape)))
    return either(words) if words else "another value"


def shapes_of_field(field: FieldInfo) -> list[Shape]:
    """What a field of a model may hold."""
    return list(_flat(field.annotation, tuple(field.metadata)))


def shapes_of_keys(shapes: Iterable[Shape]) -> list[Shape]:
    """What the keys of the mappings among `shapes` may be."""
    return [key for shape in shapes if get_origin(shape.type) is dict for key in _flat(get_args(shape.type)[0], ())]


def _flat(annotation: Any, constraints: tuple[Any, ...]) -> Iterator[Shape]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extra = get_args(annotation)
        own = [part for item in extra for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
        yield from _flat(inner, (*constraints, *own))
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _flat(member, constraints)
    elif annotation is not type(None):
        yield Shape(annotation, constraints)


def _inside(shape: Shape, step: str | int) -> Iterator[Shape]:
    if _is_model(shape):
        field = fields_of([shape]).get(str(step))
        if field is not None:
            yield from shapes_of_field(field)
        return
    origin, args = get_origin(shape.type), get_args(shape.type)
    if origin in (list, tuple) and isinstance(step, int):
        yield from _flat(args[0], ())
    elif origin is dict:
        yield from _flat(args[1], ())


def _is_model(shape: Shape) -> bool:
    return isinstance(shape.type, type) and issubclass(shape.type, BaseModel)


def _fitting(shapes: list[Shape], data: object) -> list[Shape]:
    """Of several models only those whose fixed words (`kind: guarded`) agree with the data; all when none does."""
    if not isinstance(data, dict):
        return shapes
    return [shape for shape in shapes if not _is_model(shape) or _agrees(shape.type, data)] or shapes


def _agrees(model: type[BaseModel], data: dict[Any, Any]) -> bool:
    fixed = {name: get_args(field.annotation) for name, field in model.model_fields.items()
             if get_origin(field.annotation) is Literal}
    return all(name not in data or any(data[name] == word for word in words) for name, words in fixed.items())


def _words(shape: Shape) -> list[str]:
    own = [part.text for part in shape.constraints if isinstance(part, Words)]
    if own:
        return own
    origin = get_origin(shape.type)
    if origin is Literal:
        return [_as_written(word) for word in get_args(shape.type)]
    if origin in (list, tuple):
        return ["a list" + _bounds(shape, "entry", "entries")]
    if origin is dict or _is_model(shape):
        return ["keys with values"]
    return [_SCALARS.get(shape.type, _plain)(shape)]


def _as_written(word: object) -> str:
    """A fixed word as it stands in a file: in quotes where YAML would take it for something else."""
    try:
        return word if isinstance(word, str) and read_plain(word) == word else shown(word)
    except Surprise:
        return shown(word)


def _plain(shape: Shape) -> str:
    return "another value"


def _text(shape: Shape) -> str:
    patterns = [part.pattern for part in shape.constraints if isinstance(getattr(part, "pattern", None), str)]
    return "text" + _bounds(shape, "character", "characters") + "".join(f" that matches {p}" for p in patterns)


def _number(noun: str) -> Any:
    return lambda shape: noun + _range(shape)


_SCALARS: dict[Any, Any] = {
    bool: lambda shape: "true or false",
    int: _number("a whole number"),
    float: _number("a number"),
    str: _text,
    Path: lambda shape: "a path",
}


def _bound(shape: Shape, name: str) -> Any:
    found = [value for part in shape.constraints if (value := getattr(part, name, None)) is not None]
    return found[-1] if found else None


def _range(shape: Shape) -> str:
    ge, gt, le, lt = (_bound(shape, name) for name in ("ge", "gt", "le", "lt"))
    if ge is not None and le is not None:
        return f" from {ge:g} to {le:g}" if abs(le) < 1e6 else f" from {ge} to {le}"
    parts = [f"{words} {value}" for words, value in (("of at least", ge), ("above", gt), ("of at most", le),
                                                      ("below", lt)) if value is not None]
    return " " + " and ".join(parts) if parts else ""


def _bounds(shape: Shape, one: str, many: str) -> str:
    least, most = _bound(shape, "min_length"), _bound(shape, "max_length")
    if least and most:
        return f" of {least} to {most} {many}"
    parts = [f"{words} {count} {one if count == 1 else many}"
             for words, count in (("at least", least), ("at most", most)) if count]
    return " of " + " and ".join(parts) if parts else ""
