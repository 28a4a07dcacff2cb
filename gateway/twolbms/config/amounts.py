"""Values that people write with a unit or a path: sizes ("512 MiB"), ages ("30d"), paths beside the file, names.

Knows how they are written and what they become; knows no section of a file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

from twolbms.config.shape import Words

_UNITS_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_UNITS_S = {"h": 3600, "d": 86400, "w": 7 * 86400}
_SIZE = re.compile(r"([1-9][0-9]{0,5}) ?(KiB|MiB|GiB|TiB)")
_AGE = re.compile(r"([1-9][0-9]{0,4}) ?(h|d|w)")


def _amount(pattern: re.Pattern[str], units: dict[str, int]) -> BeforeValidator:
    def read(value: object) -> int:
        match = pattern.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError("expected a number with its unit")
        return int(match[1]) * units[match[2]]
    return BeforeValidator(read)


def _schema(pattern: re.Pattern[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern.pattern}$"})


def beside(folder: Path, path: str | Path) -> Path:
    """`path` as it stands in a file of `folder`: relative to it, absolute, or from `~`, the home of whoever runs it."""
    try:
        return folder / Path(path).expanduser()
    except RuntimeError:  # no such user: then it is a name that begins with ~
        return folder / path


def _beside_the_file(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str | Path) or not str(value):
        return value
    return beside(info.context.folder if info.context else Path.cwd(), value)


Bytes = Annotated[int, _amount(_SIZE, _UNITS_BYTES), _schema(_SIZE),
                  Words('a size such as "512 MiB" or "2 GiB"')]
"""A size, in bytes."""

Seconds = Annotated[int, _amount(_AGE, _UNITS_S), _schema(_AGE), Words('an age such as "12h", "30d" or "8w"')]
"""An age, in seconds."""

FilePath = Annotated[Path, BeforeValidator(_beside_the_file), Words("a path"),
                     WithJsonSchema({"type": "string", "minLength": 1})]
"""An absolute path; written relative to the file's folder, absolute, or from `~`."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$"),
                 Words("a name of at most 32 characters: a-z, 0-9, _ and -")]
"""A name that is safe in a file name, a tag and a topic."""

