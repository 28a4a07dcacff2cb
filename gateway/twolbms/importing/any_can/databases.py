"""One compiled database out of the DBC files that a command names. Knows no log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twolbms.decode import CompiledDatabase, CompiledMessage, DatabaseError
from twolbms.decode.cache import database_from
from twolbms.files import data_path
from twolbms.importing.any_can.account import EXTENDED, IdKey


class DbcUnusable(Exception):
    """The DBC files cannot be used together; the text says why and what to do."""


def find_dbc(name: Path) -> Path:
    """The file of a name: a path, or one below the `dbc/` that comes with 2lbms. Raises DbcUnusable."""
    for path in (name, data_path("dbc", str(name))):
        if path.is_file():
            return path
    raise DbcUnusable(f"{name}: no such file; expected a DBC, or one that comes with 2lbms such as ev/leaf_aze0.dbc")


def load_databases(paths: Sequence[Path], id_mask: int) -> CompiledDatabase:
    """The messages of all files. Raises DbcUnusable."""
    messages: list[CompiledMessage] = []
    for path in paths:
        try:
            database = database_from(path, id_mask=id_mask)
        except DatabaseError as error:
            raise DbcUnusable(str(error)) from error
        except OSError as error:
            raise DbcUnusable(f"{path}: {error.strerror}") from error
        messages += database.all_messages
    if len(paths) == 1:
        return database
    try:
        return CompiledDatabase(messages, id_mask)
    except DatabaseError as error:
        raise DbcUnusable(f"{' and '.join(map(str, paths))}: {error}") from error


class Names:
    """Which message an id stands for."""

    def __init__(self, database: CompiledDatabase) -> None:
        self._find = database.find
        self._known: dict[IdKey, str | None] = {}

    def name_of(self, key: IdKey) -> str | None:
        """The name of the message of an id, or None."""
        if key not in self._known:
            message = self._find(key & ~EXTENDED, bool(key & EXTENDED))
            self._known[key] = message.name if message else None
        return self._known[key]
