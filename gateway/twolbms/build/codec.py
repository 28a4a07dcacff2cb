"""Writes the node's codec from dbc/node.dbc: a table of frames and signals, which firmware/src/node/frames.py walks.

Scales become integer divisors between the DBC's units and the node's (mV, mA, 0.1 °C, ms, mAh); a value that is not
available is NA on the node and the DBC's "NotAvailable" raw value on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import cantools
from cantools.database import Database, Message, Signal

NODE_UNITS = {"V": ("mv", 1000), "A": ("ma", 1000), "degC": ("dc", 10), "s": ("ms", 1000), "Ah": ("mah", 1000)}
NA_TEXT = "NotAvailable"

# As in firmware/src/node/frames.py.
FRAME_BYTES, SIGNAL_BYTES = 8, 4
LATEST, GROUP, STRIDE = 1, 2, 4  # kinds of a frame
WINDOW = 4  # groups there is room for
CODES, VALUE, SIGNED, NEAREST, WIDE = 0, 1, 2, 4, 8  # kinds of a signal
_FAULT_BYTES = 6
_SMALL_BITS = 30  # integers that MicroPython keeps without allocating have so many

_HEAD = '''"""Generated from dbc/node.dbc by tools/generate; never edited.

TABLE is as node.frames wants it. Its values are integers in mV, mA, 0.1 degC, ms, mAh, in the order of the DBC; NA
stands for one that is not available.
"""

from node.frames import read

NA = -(1 << 28)
'''

_UPDATE_HEAD = '''"""Generated from dbc/node.dbc by tools/generate; never edited.

The messages of an update over CAN, apart, so that only a node in service has them in its memory. TABLE is as in
generated.codec.
"""

from node.frames import read
'''


class ContractError(ValueError):
    """The DBC says what the node's codec cannot; the text names message or signal."""


class Frame(NamedTuple):
    """A frame's row: a message, its page or None, its signals without counter, CRC and selector, and its values' place.

    `repeats` is for how many pages or groups there is room from `place` on.
    """

    message: Message
    page: int | None
    signals: tuple[Signal, ...]
    place: int
    repeats: int
    kind: int

    @property
    def values(self) -> int:
        """Numbers that one page or group is made of: six bytes where it is one of single bits."""
        return _FAULT_BYTES if self.kind & STRIDE else len(self.signals)


def codec_text(dbc: Path) -> str:
    """The text of `generated/codec.py` for the contract in `dbc`: everything but the update. Raises ContractError."""
    messages = [message for message in _database(dbc).messages if not _is_of_update(message)]
    return _module(_HEAD, messages)


def update_codec_text(dbc: Path) -> str:
    """The text of `generated/update_codec.py`: the messages of an update. Raises ContractError."""
    return _module(_UPDATE_HEAD, [message for message in _database(dbc).messages if _is_of_update(message)])


def node_frames(dbc: Path) -> list[Frame]:
    """The rows of `generated/codec.py`, in their order."""
    return list(_frames([message for message in _database(dbc).messages if not _is_of_update(message)]))


def _database(dbc: Path) -> Database:
    database = cantools.database.load_file(str(dbc))
    assert isinstance(database, Database)
    return database


def _is_of_update(message: Message) -> bool:
    return message.name.startswith("Update")


def _module(head: str, messages: Sequence[Message]) -> str:
    frames = list(_frames(messages))
    parts = [head, _table(frames), _constants(messages), *_readers(frames)]
    return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"


def snake(name: str) -> str:
    """PascalCase to snake_case."""
    return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))


def node_name(signal: Signal) -> str:
    """The signal's name on the node: snake case with the node's unit."""
    suffix = NODE_UNITS.get(signal.unit or "", ("", 1))[0]
    return snake(signal.name) + (f"_{suffix}" if suffix else "")


def not_available(signal: Signal) -> int | None:
    """The raw value that means "not available", or None when the signal has none."""
    for number, text in (signal.choices or {}).items():
        if str(text) == NA_TEXT:
            return number
    return None


def is_protected(message: Message) -> bool:
    """Whether the message carries a counter and a CRC."""
    return {"Counter", "Crc8"} <= {s.name for s in message.signals}


def _is_sent(message: Message) -> bool:
    """Whether the node sends it; else it receives it."""
    return message.senders == ["Node"]


# Frames.


def _frames(messages: Sequence[Message]) -> Iterator[Frame]:
    """Rows of what the node sends have places one after the other; what it receives is read into places from 0 on."""
    place = 0
    for message in messages:
        for frame in _frames_of(message, place if _is_sent(message) else 0):
            yield frame
            if _is_sent(message):
                place += frame.repeats * frame.values


def _frames_of(message: Message, place: int) -> Iterator[Frame]:
    latest = LATEST if message.cycle_time and _is_sent(message) else 0
    payload = [s for s in message.signals if s.name not in ("Counter", "Crc8") and not s.is_multiplexer]
    pages = sorted({page for s in payload for page in s.multiplexer_ids or ()})
    if not pages:
        yield Frame(message, None, tuple(payload), place, 1, latest)
        return
    per_page = [tuple(s for s in payload if page in (s.multiplexer_ids or ())) for page in pages]
    if not is_protected(message):
        _require(len({_shape(signals) for signals in per_page}) == 1, f"{message.name}: its groups differ")
        yield Frame(message, None, per_page[0], place, WINDOW, GROUP)
    elif all(s.length == 1 for s in payload):
        yield Frame(message, None, per_page[0], place, len(pages), STRIDE)
    else:
        for page, signals in zip(pages, per_page, strict=True):
            yield Frame(message, page, signals, place, 1, 0)
            place += len(signals)


def _shape(signals: Sequence[Signal]) -> tuple[tuple[int, int, bool, float], ...]:
    return tuple((s.start, s.length, s.is_signed, float(s.scale)) for s in signals)


# The table.


def _table(frames: Sequence[Frame]) -> str:
    counted = [frame.message for frame in frames if is_protected(frame.message) and _is_sent(frame.message)]
    counters = list(dict.fromkeys(message.name for message in counted))
    heads, rows = [], []
    first = len(frames) * FRAME_BYTES // SIGNAL_BYTES
    for number, frame in enumerate(frames):
        signals = _signal_rows(frame)
        name = frame.message.name
        row = (frame.message.frame_id >> 24, frame.message.frame_id >> 8 & 0xFF, first, len(signals), frame.place,
               frame.kind, counters.index(name) if name in counters else 0, frame.values)
        heads.append(_line(row, f"{number} {name}" + ("" if frame.page is None else f", page {frame.page}")))
        rows += [_line(row[:-1], row.what) for row in signals]
        first += len(signals)
    return "\n".join(["TABLE = bytes((", *heads, *rows, "))"])


def _line(row: Sequence[int], what: str) -> str:
    _require(all(0 <= number < 256 for number in row), f"{what}: a number of its row does not fit a byte")
    return "    " + ", ".join(map(str, row)) + f",  # {what}"


class _Row(NamedTuple):
    """A signal's row; `number` is its divisor, or how many codes it stands for."""

    bit: int
    bits: int
    kind: int
    number: int
    what: str

    def goes_on_as(self, after: _Row) -> bool:
        """Whether both are codes of one width, one after the other."""
        end = self.bit + self.bits * self.number
        return (self.kind, self.bits) == (after.kind, after.bits) and self.kind == CODES and end == after.bit


def _signal_rows(frame: Frame) -> list[_Row]:
    if frame.kind & STRIDE:
        return [_Row(0, 8, CODES, _FAULT_BYTES, f"{frame.place} the bits of eight limits, six times")]
    rows: list[_Row] = []
    for value, signal in enumerate(frame.signals, frame.place):
        row = _Row(signal.start, signal.length, *_how(signal), f"{value} {node_name(signal)}")
        if rows and _is_sent(frame.message) and rows[-1].goes_on_as(row):
            before = rows.pop()
            row = before._replace(number=before.number + 1, what=f"{before.what}, {node_name(signal)}")
        rows.append(row)
    return rows


def _how(signal: Signal) -> tuple[int, int]:
    """(kind, divisor) of a signal. A value is held in range and has a raw value for NA, a code is neither."""
    per_unit = NODE_UNITS.get(signal.unit or "", ("", 1))[1]
    ratio = Fraction(str(signal.scale)) * per_unit
    _require(ratio.denominator == 1, f"{signal.name}: one raw step is no whole number of the node's units")
    _require(signal.length + (signal.start % 8 if _is_read(signal) else 0) <= _SMALL_BITS, f"{signal.name}: too long")
    absent = not_available(signal)
    if absent is None or (len(signal.choices or {}) > 1 and ratio == 1):
        _require(ratio == 1, f"{signal.name}: scaled, and no raw value is named {NA_TEXT}")
        if absent is None or not _is_read(signal):
            return (CODES if signal.start % 8 + signal.length <= 8 else WIDE), 1
    lowest, highest = -(1 << signal.length - 1), (1 << signal.length) - 1
    _require(absent == (lowest if signal.is_signed else highest), f"{signal.name}: {NA_TEXT} is not at the field's end")
    nearest = NEAREST if _attribute(signal, "Rounding") != 1 else 0
    return VALUE | (SIGNED if signal.is_signed else 0) | nearest, int(ratio)


def _require(met: bool, otherwise: str) -> None:
    if not met:
        raise ContractError(otherwise)


def _is_read(signal: Signal) -> bool:
    """Whether the node receives it; then NA is told from a code."""
    return "Node" in signal.receivers


def _attribute(signal: Signal, name: str) -> Any:
    found = signal.dbc.attributes.get(name) if signal.dbc else None
    return found.value if found is not None else None


# Names.


def _constants(messages: Sequence[Message]) -> str:
    lines = [f"ID_{snake(m.name).upper()} = 0x{m.frame_id:08X}" for m in messages if not _is_sent(m)]
    wanted = {"State": "STATE", "LastRefusal": "ANSWER", "Request": "REQUEST", "OpenReason": "REASON"}
    for message in messages:
        for signal in message.signals:
            if signal.name in wanted and signal.choices:
                prefix = wanted.pop(signal.name)
                lines += [
                    f"{prefix}_{snake(str(text)).upper()} = {number}"
                    for number, text in signal.choices.items()
                    if str(text) != NA_TEXT
                ]
    return "\n".join(lines)


def _readers(frames: Sequence[Frame]) -> Iterator[str]:
    """For what the node receives: values into an array, in the order of the DBC."""
    for number, frame in enumerate(frames):
        if not _is_sent(frame.message):
            names = ", ".join(f"{i} {node_name(s)}" for i, s in enumerate(frame.signals))
            yield (f"def read_{snake(frame.message.name)}(d, node, values):\n"
                   f'    """{frame.message.comment} Fills values: {names}."""\n'
                   f"    return read(TABLE, {number}, d, node, values)")
