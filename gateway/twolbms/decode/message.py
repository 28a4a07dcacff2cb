"""One message of a DBC with its compiled readers. Compiles; knows no frame id dispatch and no file."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from twolbms.decode.encode import encode
from twolbms.decode.signals import Rounding, Signal, from_cantools
from twolbms.decode.source import plain_reader, selecting_reader, unpacker_name, unpackers_in

if TYPE_CHECKING:
    from cantools.database.can import Message as CantoolsMessage


class Refused(StrEnum):
    """Why a frame gave no values. The text is the name of the count."""

    UNKNOWN_ID = "unknown_id"
    SHORT = "short"
    BAD_MULTIPLEXER = "bad_multiplexer"


Values = dict[str, int | float]
ValuesOrNone = dict[str, int | float | None]
Tree = Sequence[Any]
"""cantools' signal tree: names, and {multiplexer: {number: tree}}."""

# More pages than any real file has (foxBMS: 54); a product of nested multiplexers above it is a damaged file.
_MOST_PAGES = 4096


@dataclass(frozen=True)
class Page:
    """The signals of a message under one choice of its multiplexers; `chosen` names them with their numbers."""

    chosen: tuple[tuple[str, int], ...]
    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class CompiledMessage:
    """A message ready to decode. `cycle_time_s` is None when the file gives no period.

    `decode(data)` gives numbers, equal to cantools `decode(data, decode_choices=False)` in value and type;
    `decode_values(data)` gives None for a signal at a raw value named "not available". Data longer than the message is
    read by its first bytes, as cantools does. Both return a `Refused` instead of raising.
    """

    name: str
    frame_id: int
    extended: bool
    length: int
    cycle_time_s: float | None
    comment: str
    signals: Mapping[str, Signal]
    pages: tuple[Page, ...]
    senders: tuple[str, ...]
    decode: Callable[[bytes], Values | Refused] = field(repr=False)
    decode_values: Callable[[bytes], ValuesOrNone | Refused] = field(repr=False)

    def encode(self, values: Mapping[str, int | float | str | None], rounding: Rounding | None = None) -> bytes:
        """Data bytes for physical values; a text is looked up in the value table and None is "not available".

        `rounding` None takes each signal's own DBC attribute, nearest without one. Raises EncodeRefused, naming the
        signal, for a missing or unknown signal and a value outside its range.
        """
        return encode(self, values, rounding)


def compile_message(message: CantoolsMessage) -> CompiledMessage:
    """Compile one message. Raises ValueError for what no reader can be made of."""
    signals = {signal.name: from_cantools(signal) for signal in message.signals}
    source, names = _message_source(message.signal_tree, signals, message.length)
    space = _execute(source)
    return CompiledMessage(
        name=message.name,
        frame_id=message.frame_id,
        extended=message.is_extended_frame,
        length=message.length,
        cycle_time_s=message.cycle_time / 1000 if message.cycle_time else None,
        comment=message.comment or "",
        signals=signals,
        pages=tuple(_pages(message.signal_tree, signals)),
        senders=tuple(message.senders),
        decode=space[names[0]],
        decode_values=space[names[1]],
    )


def _message_source(tree: Tree, signals: Mapping[str, Signal], length: int) -> tuple[str, tuple[str, str]]:
    writer = _SourceWriter(signals, length)
    return_names = writer.reader(tree, none_for_missing=False), writer.reader(tree, none_for_missing=True)
    return "".join(writer.texts), return_names


class _SourceWriter:
    """Writes the readers of a message, pages before the readers that choose among them; same pages are written once."""

    def __init__(self, signals: Mapping[str, Signal], length: int) -> None:
        self.texts: list[str] = []
        self._signals = signals
        self._length = length
        self._known: dict[tuple[tuple[str, ...], bool], str] = {}

    def reader(self, tree: Tree, *, none_for_missing: bool) -> str:
        """Write the reader of a tree and return its name."""
        return self._reader((), [tree], none_for_missing)

    def _reader(self, above: tuple[str, ...], trees: Sequence[Tree], none_for_missing: bool) -> str:
        """`above` are the signals gathered so far; the multiplexers of `trees` are opened one after the other."""
        names, choices = _split(trees)
        gathered = above + names
        if not choices:
            return self._plain(gathered, none_for_missing)
        (selector, pages), *later = choices
        rest: list[Tree] = [[{name: page}] for name, page in later]
        branches = {
            number: self._reader(gathered, [page, *rest], none_for_missing) for number, page in pages.items()
        }
        name = self._new_name()
        self._write(selecting_reader(name, self._signals[selector], branches, self._length))
        return name

    def _plain(self, names: tuple[str, ...], none_for_missing: bool) -> str:
        names = tuple(dict.fromkeys(names))
        if (known := self._known.get((names, none_for_missing))) is not None:
            return known
        name = self._known[names, none_for_missing] = self._new_name()
        signals = [self._signals[each] for each in names]
        self._write(plain_reader(name, signals, self._length, none_for_missing=none_for_missing))
        return name

    def _new_name(self) -> str:
        return f"reader_{len(self.texts)}"

    def _write(self, text: str) -> None:
        if len(self.texts) > 2 * _MOST_PAGES:
            raise ValueError(f"more than {_MOST_PAGES} combinations of multiplexers")
        self.texts.append(text)


def _split(trees: Sequence[Tree]) -> tuple[tuple[str, ...], list[tuple[str, dict[int, Tree]]]]:
    """The names in the trees (multiplexers among them), and the multiplexers with their pages."""
    names: list[str] = []
    choices: list[tuple[str, dict[int, Tree]]] = []
    for item in (item for tree in trees for item in tree):
        if isinstance(item, str):
            names.append(item)
        else:
            (name, pages), = item.items()
            names.append(name)
            choices.append((name, pages))
    return tuple(names), choices


def _pages(tree: Tree, signals: Mapping[str, Signal]) -> Iterator[Page]:
    """Every page of the message, in the order of the file; one page without a choice if nothing is multiplexed."""

    def walk(chosen: tuple[tuple[str, int], ...], above: tuple[str, ...], trees: Sequence[Tree]) -> Iterator[Page]:
        names, choices = _split(trees)
        gathered = above + names
        if not choices:
            yield Page(chosen, tuple(signals[name] for name in dict.fromkeys(gathered)))
            return
        (selector, pages), *later = choices
        rest: list[Tree] = [[{name: page}] for name, page in later]
        for number, page in pages.items():
            yield from walk((*chosen, (selector, number)), gathered, [page, *rest])

    return walk((), (), [tree])


def _execute(source: str) -> dict[str, Any]:
    """Run generated source and give its names. The source is made of numbers and quoted names only."""
    space: dict[str, Any] = {
        "struct_error": struct.error,
        "SHORT": Refused.SHORT,
        "BAD_MULTIPLEXER": Refused.BAD_MULTIPLEXER,
        "float16": lambda raw: struct.unpack("<e", raw.to_bytes(2, "little"))[0],
        "float32": lambda raw: struct.unpack("<f", raw.to_bytes(4, "little"))[0],
        "float64": lambda raw: struct.unpack("<d", raw.to_bytes(8, "little"))[0],
    }
    for form in unpackers_in(source):
        space[unpacker_name(form)] = struct.Struct(form).unpack_from
    exec(compile(source, "<reader of a DBC message>", "exec"), space)
    return space
