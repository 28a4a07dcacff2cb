"""A whole DBC, compiled: finds the reader of a frame by its id. Parses with cantools, once, and needs it no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from twolbms.decode.message import CompiledMessage, Refused, Values, ValuesOrNone, compile_message

ALL_BITS = 0x1FFFFFFF

Decode = Callable[[int, bool, bytes], Values | Refused]
DecodeValues = Callable[[int, bool, bytes], ValuesOrNone | Refused]
Result = TypeVar("Result")


class DatabaseError(ValueError):
    """A DBC that cannot be used: which file, and what is wrong with it."""


class CompiledDatabase:
    """The messages of a DBC.

    `decode(frame_id, extended, data)` and `decode_values(...)` are those of `CompiledMessage`, chosen by the id;
    an id the file does not name gives `Refused.UNKNOWN_ID`. They raise nothing for any frame.
    """

    decode: Decode
    decode_values: DecodeValues

    def __init__(self, messages: Mapping[str, CompiledMessage], id_mask: int = ALL_BITS) -> None:
        self.messages = dict(messages)
        self.id_mask = id_mask
        self._standard: dict[int, CompiledMessage] = {}
        self._extended: dict[int, CompiledMessage] = {}
        for message in self.messages.values():
            table, key = self._place(message.frame_id, message.extended)
            if key in table:
                raise DatabaseError(f"{message.name} and {table[key].name} have the same id 0x{key:X} under the mask")
            table[key] = message
        self.decode = _dispatch(
            {key: message.decode for key, message in self._standard.items()},
            {key: message.decode for key, message in self._extended.items()},
            id_mask,
        )
        self.decode_values = _dispatch(
            {key: message.decode_values for key, message in self._standard.items()},
            {key: message.decode_values for key, message in self._extended.items()},
            id_mask,
        )

    def message(self, name: str) -> CompiledMessage:
        """The message of a name. Raises KeyError."""
        return self.messages[name]

    def find(self, frame_id: int, extended: bool) -> CompiledMessage | None:
        """The message an id stands for, or None."""
        table, key = self._place(frame_id, extended)
        return table.get(key)

    def _place(self, frame_id: int, extended: bool) -> tuple[dict[int, CompiledMessage], int]:
        return (self._extended, frame_id & self.id_mask) if extended else (self._standard, frame_id)


def compile_database(source: Path | str, *, id_mask: int = ALL_BITS, strict: bool = True) -> CompiledDatabase:
    """Compile a DBC file (a Path) or its text (a str).

    `id_mask` are the bits of a 29-bit id that name the message; the others, such as a node number, are not looked at.
    An 11-bit id is always taken whole. Raises DatabaseError naming the file, and OSError when it cannot be read.
    """
    import cantools  # half a second and a large tree: only who compiles pays for it
    from cantools.database import Database

    name = str(source) if isinstance(source, Path) else "DBC text"
    # DBC files are written in Windows code page 1252; this is also what cantools reads them as.
    text = source.read_text(encoding="cp1252", errors="replace") if isinstance(source, Path) else source
    try:
        database = cantools.database.load_string(text, database_format="dbc", strict=strict)
    except Exception as error:  # cantools lets several families through, KeyError among them
        raise DatabaseError(f"{name}: {error or type(error).__name__}") from error
    assert isinstance(database, Database)
    messages = {}
    for message in database.messages:
        try:
            messages[message.name] = compile_message(message)
        except ValueError as error:
            raise DatabaseError(f"{name}: message {message.name}: {error}") from error
    return CompiledDatabase(messages, id_mask)


def _dispatch(
    standard: Mapping[int, Callable[[bytes], Result | Refused]],
    extended: Mapping[int, Callable[[bytes], Result | Refused]],
    id_mask: int,
) -> Callable[[int, bool, bytes], Result | Refused]:
    find_standard, find_extended, unknown = standard.get, extended.get, Refused.UNKNOWN_ID

    def decode(frame_id: int, is_extended: bool, data: bytes) -> Result | Refused:
        reader = find_extended(frame_id & id_mask) if is_extended else find_standard(frame_id)
        return unknown if reader is None else reader(data)

    return decode
