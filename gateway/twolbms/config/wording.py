"""Says pydantic's errors in the words of the person who wrote the file, at the right line.

The only place that knows pydantic's error types. Knows no particular model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from twolbms.config.errors import ConfigProblem, Loc, Misfit, did_you_mean, either, shown
from twolbms.config.shape import (
    Shape,
    Words,
    choices_of,
    describe,
    fields_of,
    shapes_at,
    shapes_of_field,
    shapes_of_keys,
    value_at,
)
from twolbms.config.strict_yaml import Document
from twolbms.config.unions import Found, settled

_MOST_KEYS_NAMED = 12  # a longer list of names helps nobody


def problems_of(error: ValidationError, document: Document, model: type[BaseModel]) -> list[ConfigProblem]:
    """What `error` says about `document`, without what was refused there already."""
    speaker = _Speaker(document, model)
    findings = settled(error.errors(include_url=False), document.data)
    meant = {(*f.loc[:-1], speaker.meant(f.loc)) for f in findings if f.kind == "extra_forbidden"}
    told = [problem for finding in findings if not (finding.kind == "missing" and finding.loc in meant)
            for problem in speaker.say(finding)]
    refused = {(p.line, p.column, p.key) for p in document.problems}
    return [p for p in dict.fromkeys(told) if (p.line, p.column, p.key) not in refused]


class _Speaker:
    """One document, the model it should be, and a sentence for each kind of error."""

    def __init__(self, document: Document, model: type[BaseModel]) -> None:
        self._data = document.data
        self._places = document.places
        self._model = model

    def say(self, finding: Found) -> Iterable[ConfigProblem]:
        """The problems that make up one finding."""
        if finding.about_key:
            return [self._wrong_key(finding.loc)]
        return _SENTENCES.get(finding.kind, _Speaker._unexpected)(self, finding)

    def meant(self, loc: Loc) -> str | None:
        """The key that is not there and was most likely meant by the last one of `loc`."""
        return did_you_mean(loc[-1], self._open_keys(loc[:-1]))

    def _unexpected(self, finding: Found) -> Iterator[ConfigProblem]:
        shapes = self._shapes(finding.loc)
        yield self._expected(finding.loc, describe(shapes), choices_of(shapes))

    def _unknown(self, finding: Found) -> Iterator[ConfigProblem]:
        loc = finding.loc
        meant, home, open_keys = self.meant(loc), self._home_of(loc), self._open_keys(loc[:-1])
        hint = f"did you mean \"{meant}\"?" if meant else home if home else \
            f"expected {either(open_keys[:_MOST_KEYS_NAMED])}" if open_keys else "nothing more may stand here"
        yield self._places.problem(loc, f"unknown key; {hint}", at_key=True)

    def _missing(self, finding: Found) -> Iterator[ConfigProblem]:
        field = self._fields(finding.loc[:-1]).get(str(finding.loc[-1]))
        yield self._lacking(finding.loc, describe(shapes_of_field(field)) if field else "a value")

    def _misfit(self, finding: Found) -> Iterator[ConfigProblem]:
        error = finding.error.get("ctx", {}).get("error")
        if isinstance(error, Misfit):
            yield from (self._places.problem((*finding.loc, *loc), text) for loc, text in error.places)
            return
        shapes = self._shapes(finding.loc)
        if any(isinstance(part, Words) for shape in shapes for part in shape.constraints):
            yield self._expected(finding.loc, describe(shapes), [])
        else:
            yield self._places.problem(finding.loc, str(error))

    def _wrong_tag(self, finding: Found) -> Iterator[ConfigProblem]:
        context = finding.error["ctx"]
        known = [tag.strip("' ") for tag in context["expected_tags"].split(",")]
        yield self._expected((*finding.loc, context["discriminator"].strip("'")), either(known), known)

    def _no_tag(self, finding: Found) -> Iterator[ConfigProblem]:
        loc = (*finding.loc, finding.error["ctx"]["discriminator"].strip("'"))
        yield self._lacking(loc, describe(self._shapes(loc)))

    def _wrong_key(self, loc: Loc) -> ConfigProblem:
        keys = shapes_of_keys(self._shapes(loc[:-1]))
        return self._expected(loc, f"{describe(keys)} as key", choices_of(keys), key=loc[-1])

    def _lacking(self, loc: Loc, expected: str) -> ConfigProblem:
        message = f"this key is missing: expected {expected}"
        return self._places.problem(loc, message, expected=expected, found="nothing")

    def _expected(self, loc: Loc, expected: str, choices: list[str], key: str | int | None = None) -> ConfigProblem:
        value = value_at(self._data, loc) if key is None else key
        meant = did_you_mean(value, choices) if isinstance(value, str) else None
        hint = f"; did you mean \"{meant}\"?" if meant else ""
        return self._places.problem(loc, f"expected {expected}, found {shown(value)}{hint}", expected=expected,
                                    found=shown(value), at_key=key is not None)

    def _shapes(self, loc: Loc) -> list[Shape]:
        return shapes_at(self._model, loc, self._data)

    def _fields(self, loc: Loc) -> dict[str, FieldInfo]:
        return fields_of(self._shapes(loc))

    def _open_keys(self, loc: Loc) -> list[str]:
        present: Any = value_at(self._data, loc)
        return [name for name in self._fields(loc) if name not in present]

    def _home_of(self, loc: Loc) -> str | None:
        """Where the last key of `loc` would be known: below a neighbour or further out (a slip of indentation)."""
        name, around = str(loc[-1]), loc[:-1]
        for neighbour, field in self._fields(around).items():
            if name in fields_of(shapes_of_field(field)):
                return f"it belongs below \"{neighbour}\""
        for depth in range(len(around) - 1, -1, -1):
            if name in self._fields(around[:depth]):
                return f"it belongs beside \"{around[depth]}\", further to the left"
        return None


_SENTENCES: dict[str, Callable[[_Speaker, Found], Iterable[ConfigProblem]]] = {
    "extra_forbidden": _Speaker._unknown,
    "missing": _Speaker._missing,
    "value_error": _Speaker._misfit,
    "assertion_error": _Speaker._misfit,
    "union_tag_invalid": _Speaker._wrong_tag,
    "union_tag_not_found": _Speaker._no_tag,
}
