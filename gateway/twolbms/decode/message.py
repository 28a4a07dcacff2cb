"""One message of a DBC and its readers, which are made when they are first asked for.

Knows no frame id dispatch, no file and no cantools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from twolbms.decode.encode import encode
from twolbms.decode.refused import Refused
from twolbms.decode.signals import Rounding, Signal
from twolbms.decode.source import Reader, can_merge, merged_reader, plain_reader, selecting_reader
from twolbms.decode.value_tables import ValueTables

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


@dataclass
class Shared:
    """What the messages of one database share: tables of values, and readers of messages that are laid out alike."""

    tables: ValueTables = field(default_factory=ValueTables)
    readers: dict[tuple[str, bool], Reader] = field(default_factory=dict)


@dataclass(eq=False)
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
    senders: tuple[str, ...]
    signals: Mapping[str, Signal]
    tree: Tree = field(repr=False)
    shared: Shared = field(repr=False)

    @cached_property
    def pages(self) -> tuple[Page, ...]:
        """Every choice of the multiplexers with its signals; one page without a choice if nothing is multiplexed."""
        return tuple(_pages(self.tree, self.signals))

    @cached_property
    def decode(self) -> Callable[[bytes], Values | Refused]:
        """The reader of numbers."""
        return self._shared_reader(none_for_missing=False)

    @cached_property
    def decode_values(self) -> Callable[[bytes], ValuesOrNone | Refused]:
        """The reader of values, None where one is not available."""
        return self._shared_reader(none_for_missing=True)

    @cached_property
    def layout(self) -> str:
        """The same text for messages whose readers are the same: names, bits, scales, codes and pages."""
        rows = [(s.name, s.start, s.length, s.order, s.signed, s.is_float, s.scale, s.offset, s.not_available)
                for s in self.signals.values()]
        return repr((self.length, self.tree, rows))

    def make_reader(self, of_page: Callable[[Sequence[Signal]], Reader], arguments: str = "data") -> Reader:
        """A reader of the message put together of those of its pages. `arguments` are what it takes, `data` last."""
        return _Joiner(self.signals, self.length, of_page, arguments).reader((), [self.tree])

    def encode(self, values: Mapping[str, int | float | str | None], rounding: Rounding | None = None) -> bytes:
        """Data bytes for physical values; a text is looked up in the value table and None is "not available".

        `rounding` None takes each signal's own DBC attribute, nearest without one. Raises EncodeRefused, naming the
        signal, for a missing or unknown signal and a value outside its range.
        """
        return encode(self, values, rounding)

    def _shared_reader(self, none_for_missing: bool) -> Reader:
        """Made once for messages laid out alike."""
        made, key = self.shared.readers, (self.layout, none_for_missing)
        if key not in made:
            made[key] = self._dict_reader(none_for_missing)
        return made[key]

    def _dict_reader(self, none_for_missing: bool) -> Reader:
        tables, length = self.shared.tables, self.length
        _, choices = _split([self.tree])

        def coded(signals: Iterable[Signal]) -> list[Signal]:
            return [signal if none_for_missing else signal.without_codes() for signal in signals]

        if len(choices) == 1 and all(len(page.chosen) == 1 for page in self.pages):
            pages = {page.chosen[0][1]: coded(page.signals) for page in self.pages}
            selector = self.signals[choices[0][0]]
            if can_merge(selector, pages):
                return merged_reader(tables, selector, pages, length)
        return self.make_reader(lambda signals: plain_reader(tables, coded(signals), length))


class _Joiner:
    """Makes the reader of a message: pages before the readers that choose among them; same pages are made once."""

    def __init__(
        self, signals: Mapping[str, Signal], length: int, of_page: Callable[[Sequence[Signal]], Reader], arguments: str
    ) -> None:
        self._signals = signals
        self._length = length
        self._of_page = of_page
        self._arguments = arguments
        self._known: dict[tuple[str, ...], Reader] = {}

    def reader(self, above: tuple[str, ...], trees: Sequence[Tree]) -> Reader:
        """`above` are the signals gathered so far; the multiplexers of `trees` are opened one after the other."""
        names, choices = _split(trees)
        gathered = above + names
        if not choices:
            return self._plain(tuple(dict.fromkeys(gathered)))
        (selector, pages), *later = choices
        rest: list[Tree] = [[{name: page}] for name, page in later]
        branches = {number: self.reader(gathered, [page, *rest]) for number, page in pages.items()}
        return selecting_reader(self._signals[selector], branches, self._length, self._arguments)

    def _plain(self, names: tuple[str, ...]) -> Reader:
        if names not in self._known:
            self._known[names] = self._of_page([self._signals[each] for each in names])
        return self._known[names]


def check_pages(tree: Tree) -> None:
    """Raises ValueError for more combinations of multiplexers than any real message has."""
    if _count(tree) > _MOST_PAGES:
        raise ValueError(f"more than {_MOST_PAGES} combinations of multiplexers")


def _count(tree: Tree) -> int:
    count = 1
    for item in tree:
        if not isinstance(item, str):
            (pages,) = item.values()
            count = min(count * sum(map(_count, pages.values())), _MOST_PAGES + 1)
    return count


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
    """Every page of the message, in the order of the file."""

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
