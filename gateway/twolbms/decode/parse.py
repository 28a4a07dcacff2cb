"""DBC text into messages, by cantools. The only place that imports it, and only when a text is parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twolbms.decode.complaints import complaint
from twolbms.decode.message import CompiledMessage, Shared, Tree, check_pages
from twolbms.decode.signals import from_cantools

if TYPE_CHECKING:
    from cantools.database.can import Message as CantoolsMessage

class DatabaseError(ValueError):
    """A DBC that cannot be used: which file, what is wrong with it, and what to do."""


def parse_messages(text: str, name: str, strict: bool) -> list[CompiledMessage]:
    """The messages of a DBC text; `name` is what errors call it. Raises DatabaseError."""
    import cantools  # half a second and a large tree: only who parses pays for it
    from cantools.database import Database

    try:
        database = cantools.database.load_string(text, database_format="dbc", strict=strict)
    except Exception as error:  # cantools lets several families through, KeyError among them
        raise DatabaseError(complaint(text, error).told(name)) from error
    assert isinstance(database, Database)
    if not database.messages:
        raise DatabaseError(f"{name}: it names no message (no line begins with BO_); name a DBC file that has some")
    shared = Shared()
    messages = []
    for message in database.messages:
        try:
            messages.append(_take_over(message, shared))
        except ValueError as error:
            raise DatabaseError(f"{name}: message {message.name}: {error}; correct it, or leave it out") from error
    return messages


def _take_over(message: CantoolsMessage, shared: Shared) -> CompiledMessage:
    """The message, freed from cantools. Raises ValueError for what no reader can be made of."""
    tree = _plain_tree(message.signal_tree)
    check_pages(tree)
    return CompiledMessage(
        name=message.name,
        frame_id=message.frame_id,
        extended=message.is_extended_frame,
        length=message.length,
        cycle_time_s=message.cycle_time / 1000 if message.cycle_time else None,
        comment=message.comment or "",
        senders=tuple(message.senders),
        signals={signal.name: from_cantools(signal) for signal in message.signals},
        tree=tree,
        shared=shared,
    )


def _plain_tree(tree: Any) -> Tree:
    return [item if isinstance(item, str) else
            {str(name): {int(number): _plain_tree(page) for number, page in pages.items()}
             for name, pages in item.items()} for item in tree]
