"""Whether two databases of one bus claim the same id. Knows no files and no sites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from twolbms.decode.database import CompiledDatabase
from twolbms.decode.message import CompiledMessage


class Clash(NamedTuple):
    """How many messages of a database have ids that earlier ones have too, and the first: it, in which, and which."""

    shared: int
    message: CompiledMessage
    other: str
    same: CompiledMessage


def clash_of(database: CompiledDatabase, earlier: Mapping[str, CompiledDatabase]) -> Clash | None:
    """What of `database` is claimed by the databases before it, by their names; None when all of it is its own."""
    found = [(message, other, same) for message in database.messages.values() for other, file in earlier.items()
             if (same := file.find(message.frame_id, message.extended)) is not None]
    if not found:
        return None
    message, other, same = found[0]
    return Clash(len({each.name for each, _, _ in found}), message, other, same)
