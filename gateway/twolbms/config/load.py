"""Loads a YAML file into a model, or says everything that is wrong with it: file, line, column, key, expectation.

Knows no particular model.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from twolbms.config.errors import ConfigError, ConfigProblem
from twolbms.config.places import Places
from twolbms.config.strict_yaml import Document, read_document
from twolbms.config.wording import problems_of

M = TypeVar("M", bound=BaseModel)


class FileContext(NamedTuple):
    """What validators of a file's model may know of the file (`info.context`)."""

    folder: Path  # absolute; relative paths in the file start here
    places: Places


def load_model(path: Path, model: type[M]) -> M:
    """The file at `path` as a `model`. Raises ConfigError with all problems found, in file order."""
    return as_model(read_document(path), path, model)


def as_model(document: Document, path: Path, model: type[M]) -> M:
    """A document that was read from `path` as a `model`. Raises ConfigError.

    Strict whatever the model's fields say: a number in quotes is text, true is no number.
    """
    problems = list(document.problems)
    try:
        context = FileContext(path.absolute().parent, document.places)
        found = model.model_validate(document.data, strict=True, context=context)
    except ValidationError as error:
        problems += problems_of(error, document, model)
    if problems:
        raise ConfigError(sorted(problems, key=ConfigProblem.order))
    return found
