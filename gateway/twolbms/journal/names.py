"""Tables of names: a block holds each name once, and its records an index into the table."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from twolbms.journal.columns import Columns, pack_text

_ROWS = struct.Struct("<H")


def indexed(names: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """The distinct names in order of first use, and the index of each name among them."""
    if names.count(names[0]) == len(names):
        return [names[0]], [0] * len(names)
    # Callers use the same object for the same name nearly always: comparing ids is several times as fast as hashing.
    ids = [*map(id, names)]
    table: dict[Any, int] = {}
    index = {number: table.setdefault(name, len(table)) for number, name in dict(zip(ids, names, strict=True)).items()}
    return list(table), [*map(index.__getitem__, ids)]


def pack_rows(rows: Sequence[bytes]) -> bytes:
    """A count (2 bytes), then the rows; struct.error above 65,535."""
    return _ROWS.pack(len(rows)) + b"".join(rows)


def rows_of(columns: Columns) -> int:
    """The count of `pack_rows`."""
    count, = columns.unpack(_ROWS)
    return count


def pack_names(names: list[str]) -> bytes:
    """A count, then so many texts."""
    return pack_rows([*map(pack_text, names)])


def unpack_names(columns: Columns) -> list[str]:
    """What `pack_names` packed."""
    return [columns.text() for _ in range(rows_of(columns))]
