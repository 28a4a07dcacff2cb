"""A whole DBC, compiled: finds the reader of a frame by its id. Knows messages and ids, not where they came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from twolbms.decode.complaints import complaint, undecodable
from twolbms.decode.message import CompiledMessage, Values, ValuesOrNone
from twolbms.decode.parse import DatabaseError, parse_messages
from twolbms.decode.refused import Refused

ALL_BITS = 0x1FFFFFFF

Decode = Callable[[int, bool, bytes], Values | Refused]
DecodeValues = Callable[[int, bool, bytes], ValuesOrNone | Refused]
Result = TypeVar("Result")
Readers = dict[int, Callable[[bytes], Result | Refused]]


class CompiledDatabase:
    """The messages of a DBC, or of several. Of two messages of one name, `messages` has the later one.

    `decode(frame_id, extended, data)` and `decode_values(...)` are those of `CompiledMessage`, chosen by the id;
    an id the file does not name gives `Refused.UNKNOWN_ID`. They raise nothing for any frame. The reader of a message
    is made when its first frame comes.
    """

    decode: Decode
    decode_values: DecodeValues

    def __init__(self, messages: Iterable[CompiledMessage], id_mask: int = ALL_BITS) -> None:
        self.all_messages = tuple(messages)
        self.messages = {message.name: message for message in self.all_messages}
        self.id_mask = id_mask
        self._standard: dict[int, CompiledMessage] = {}
        self._extended: dict[int, CompiledMessage] = {}
        for message in self.all_messages:
            table, key = self._place(message.frame_id, message.extended)
            if key in table:
                under = "" if id_mask == ALL_BITS or not message.extended else " under the mask"
                raise DatabaseError(f"{table[key].name} and {message.name} have the same id 0x{key:X}{under}")
            table[key] = message
        self.decode = _dispatch(
            _readers(self._standard, lambda message: message.decode),
            _readers(self._extended, lambda message: message.decode),
            id_mask,
        )
        self.decode_values = _dispatch(
            _readers(self._standard, lambda message: message.decode_values),
            _readers(self._extended, lambda message: message.decode_values),
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
    """Compile a DBC file (a Path) or its text (a str), with cantools; `cache.database_from` does without it if it can.

    `id_mask` are the bits of a 29-bit id that name the message; the others, such as a node number, are not looked at.
    An 11-bit id is always taken whole. Raises DatabaseError, which names the file and says what to do.
    """
    text, name = (read_dbc(source), str(source)) if isinstance(source, Path) else (source, "DBC text")
    return assemble(parse_messages(text, name, strict), text, name, id_mask)


def read_dbc(path: Path) -> str:
    """The text of a DBC file. Raises DatabaseError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DatabaseError(f"{path}: it cannot be read ({error.strerror or error}); check its name, and that the "
                            f"gateway's user may read it") from error
    if found := undecodable(raw):
        raise DatabaseError(found.told(str(path)))
    # DBC files are written in Windows code page 1252; this is also what cantools reads them as.
    return raw.decode("cp1252", "replace").replace("\r\n", "\n").replace("\r", "\n")


def assemble(messages: Iterable[CompiledMessage], text: str, name: str, id_mask: int) -> CompiledDatabase:
    """A database of the messages in a DBC text. Raises DatabaseError that names the file."""
    try:
        return CompiledDatabase(messages, id_mask)
    except DatabaseError as error:
        raise DatabaseError(complaint(text, error).told(name)) from None


def _readers(
    messages: Mapping[int, CompiledMessage], reader: Callable[[CompiledMessage], Callable[[bytes], Result | Refused]]
) -> Readers[Result]:
    """Readers by id; each stands for itself only from its first frame on."""
    readers: Readers[Result] = {}

    def stand_in(key: int, message: CompiledMessage) -> Callable[[bytes], Result | Refused]:
        def first(data: bytes) -> Result | Refused:
            made = readers[key] = reader(message)
            return made(data)

        return first

    readers.update({key: stand_in(key, message) for key, message in messages.items()})
    return readers


def _dispatch(standard: Readers[Result], extended: Readers[Result], id_mask: int) -> Callable[
        [int, bool, bytes], Result | Refused]:
    unknown = Refused.UNKNOWN_ID

    def decode(frame_id: int, is_extended: bool, data: bytes) -> Result | Refused:
        try:
            return (extended[frame_id & id_mask] if is_extended else standard[frame_id])(data)
        except KeyError:
            return unknown

    return decode
