"""Frames to line protocol, one by one: the source of one function per page of a message, from data to text.

Measurement is the message's name, tags are `bus`, `node` (the bits of the id outside the database's mask) and `site`,
fields the signals. See `line_fields` for how values are written, `line_columns` for many frames at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from twolbms.decode.database import ALL_BITS, CompiledDatabase
from twolbms.decode.flags import find_flags
from twolbms.decode.line_fields import always_written, in_order, prefix
from twolbms.decode.message import CompiledMessage
from twolbms.decode.refused import Refused
from twolbms.decode.signals import Signal
from twolbms.decode.source import Reader, bits_text, fetch_lines, make, words_of
from twolbms.decode.text_tables import TextTables

_MOST_SERIES = 65_536  # of buses and ids; a mask that leaves many bits to the node could make more

Write = Callable[[str, int, bytes], "str | Refused"]
Ways = dict[int, tuple[Write, str]]


class LineWriter:
    """Lines of the frames of one site.

    `buses` gives the tag `bus` of a bus where it is another than the bus's name.
    """

    line: Callable[[str, int, bool, bytes, int], str | Refused]
    """`line(bus, can_id, extended, data, time_ns)`: the line without its end, or why there is none. Raises nothing.

    A `Refused` is a str too: ask `isinstance(line, Refused)`."""

    def __init__(self, database: CompiledDatabase, site: str, buses: Mapping[str, str] | None = None) -> None:
        self._database = database
        self._site = site
        self._buses = buses or {}
        self._tables = TextTables()
        self._writers: dict[str, Reader] = {}
        self._standard: dict[str, Ways] = {}
        self._extended: dict[str, Ways] = {}
        self._series = 0
        self.line = self._make_line()

    def prefix(self, message: CompiledMessage, bus: str, can_id: int) -> str:
        """Measurement and tags of a message's frames."""
        tags = {"bus": self._buses.get(bus, bus), "site": self._site}
        if message.extended and self._database.id_mask != ALL_BITS:
            tags["node"] = str(can_id & ALL_BITS & ~self._database.id_mask)
        return prefix(message.name, tags)

    def writer(self, message: CompiledMessage) -> Write:
        """`write(prefix, time_ns, data)` of a message; one for all that are laid out alike."""
        if message.layout not in self._writers:
            self._writers[message.layout] = message.make_reader(
                lambda signals: page_writer(signals, message.length, self._tables), "prefix, time_ns, data")
        return self._writers[message.layout]

    def _make_line(self) -> Callable[[str, int, bool, bytes, int], str | Refused]:
        standard, extended_ids, learn = self._standard, self._extended, self._learn

        def line(bus: str, can_id: int, extended: bool, data: bytes, time_ns: int) -> str | Refused:
            try:
                write, prefix = (extended_ids if extended else standard)[bus][can_id]
            except KeyError:
                found = learn(bus, can_id, extended)
                if found is None:
                    return Refused.UNKNOWN_ID
                write, prefix = found
            return write(prefix, time_ns, data)

        return line

    def _learn(self, bus: str, can_id: int, extended: bool) -> tuple[Write, str] | None:
        message = self._database.find(can_id, extended)
        if message is None:
            return None
        if self._series >= _MOST_SERIES:
            self._standard.clear()
            self._extended.clear()
            self._series = 0
        self._series += 1
        found = self.writer(message), self.prefix(message, bus, can_id)
        (self._extended if extended else self._standard).setdefault(bus, {})[can_id] = found
        return found


def page_writer(signals: Sequence[Signal], length: int, tables: TextTables) -> Reader:
    """`reader(prefix, time_ns, data)` that gives the line of a page, SHORT or NO_VALUES.

    A field stands with its comma: behind it up to the first field that is always there, before it from then on. Where
    none is always there, each has it before it and the first comma is cut off.
    """
    signals = in_order(signals)
    words = words_of([replace(signal, is_float=False) for signal in signals], length)  # their bits, not their numbers
    values: dict[str, Any] = {"NO_VALUES": Refused.NO_VALUES}
    anchor = next((at for at, signal in enumerate(signals) if always_written(signal)), -1)
    flags = find_flags(signals, words)
    runs: list[list[Any]] = []
    pieces: list[str] = []
    in_run = False
    for at, signal in enumerate(signals):
        texts = tables.field(signal, "," if at > anchor else "", "," if at < anchor else "")
        if signal.name in flags.shifts:
            if not in_run:
                runs.append([])
                pieces.append(f"{{run_{len(runs) - 1}}}")
            runs[-1].append((texts, flags.shifts[signal.name], (1 << signal.length) - 1))
        else:
            values[f"texts_{at}"] = texts
            pieces.append(f"{{texts_{at}[{bits_text(signal, words[signal.order])}]}}")
        in_run = signal.name in flags.shifts
    body = fetch_lines(words, length, values)
    if runs:
        values["flags"] = tables.flags(runs)
        body.append(f"    {', '.join(f'run_{at}' for at in range(len(runs)))}, = flags[{flags.number}]")
    if anchor >= 0:
        body.append(f"    return f'{{prefix}}{''.join(pieces)} {{time_ns}}'")
    else:
        body.append(f"    text = f'{''.join(pieces)}'")
        body.append("    return f'{prefix}{text[1:]} {time_ns}' if text else NO_VALUES")
    return make("\n".join(["def reader(prefix, time_ns, data):", *body]), values)

