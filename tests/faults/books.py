"""Compares three books: what was acknowledged, what the journal holds, what a database has taken.

Line protocol is read and expected here in code of its own, so that it cannot share a mistake with the outlet.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from faults.feeder import NUMBERED_ID, number_of
from twolbms.fields import FIELDS
from twolbms.journal import Cursor, Event, Frame, JournalReader, Sample

SITE = "home"
_OWN_TAG = ("bank", "bus", "device")  # levels whose series carry their name in a tag of their own
_KEY = re.compile(rb"(?:\\.|[^\\ ])+")
_FIELD = re.compile(rb'((?:\\.|[^=])+)=("(?:\\.|[^"\\])*"|[^,"]+)(?:,|$)')

Key = tuple[str, frozenset[tuple[str, str]], int]


class BadLine(ValueError):
    """A line that is no line protocol."""


class Point(NamedTuple):
    """One line: measurement, tags and nanosecond, and its fields as texts."""

    key: Key
    fields: dict[str, str]


def _plain(text: bytes) -> str:
    return re.sub(rb"\\(.)", rb"\1", text).decode()


def read_line(line: bytes) -> Point:
    """The point of a line. Raises BadLine."""
    head = _KEY.match(line)
    body, _, stamp = line.rpartition(b" ")
    if head is None or not stamp.isdigit() or head.end() >= len(body):
        raise BadLine(line)
    name, *tags = re.split(rb"(?<!\\),", head.group())
    text, at, fields = body[head.end() + 1:], 0, {}
    while at < len(text):
        found = _FIELD.match(text, at)
        if found is None:
            raise BadLine(line)
        fields[_plain(found[1])] = _plain(found[2][1:-1]) if found[2][:1] == b'"' else found[2].decode()
        at = found.end()
    pairs = [re.split(rb"(?<!\\)=", tag, maxsplit=1) for tag in tags]
    if not fields or any(len(pair) != 2 for pair in pairs):
        raise BadLine(line)
    return Point((_plain(name), frozenset((_plain(key), _plain(value)) for key, value in pairs), int(stamp)), fields)


@dataclass
class Journal:
    """Everything that a journal holds, with the records that the harness knows to be wrong."""

    samples: Counter[tuple[int, str, str, int | None, float]] = field(default_factory=Counter)
    events: list[Event] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    numbers: Counter[int] = field(default_factory=Counter)
    all_frames: int = 0
    frames_twice: int = 0
    wrong_frames: int = 0
    damaged: int = 0
    skipped: int = 0
    walls: dict[str, set[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, reader: JournalReader) -> Journal:
        """Reads all families from their beginning."""
        book, seen = cls(), set[tuple[int, str, int, bytes]]()
        for family in ("event", "sample", "frame"):
            for block in reader.blocks(family):
                book.damaged += block.damaged
                book.skipped += block.skipped_segments
                if family == "frame":
                    book.all_frames += len(block.records)
                    keys = {(frame.time_ns, frame.bus, frame.can_id, frame.data) for frame in block.records
                            if isinstance(frame, Frame)}
                    book.frames_twice += len(block.records) - len(keys - seen)
                    seen = keys  # a block that is written twice follows itself
                for record in block.records:
                    book._take(record)
        return book

    def _take(self, record: Any) -> None:
        if isinstance(record, Sample):
            self.samples[(record.time_ns, *record.series, float(record.value))] += 1
        elif isinstance(record, Event):
            self.events.append(record)
        elif isinstance(record, Frame) and NUMBERED_ID <= record.can_id < NUMBERED_ID + 4:
            number = number_of(record.can_id, record.data)
            if number is None:
                self.wrong_frames += 1
            else:
                self.numbers[number] += 1
                self.frames.append(record)

    @property
    def doubled(self) -> int:
        """Records that stand in it more than once."""
        return self.frames_twice + sum(
            count - 1 for book in (self.samples, self.numbers) for count in book.values())

    def told_lost(self, family: str) -> int:
        """How many records of a family it says were lost."""
        return sum(event.data.get(family, 0) for event in self.events if event.kind == "lost")

    def kinds(self) -> Counter[str]:
        """How many events of each kind."""
        return Counter(event.kind for event in self.events)


class Followed:
    """What a reader of the frames has seen so far: acknowledged, because it stood in the file."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._cursor: Cursor | None = None
        self.numbers: set[int] = set()

    def look(self) -> int:
        """Reads what is new; how many numbered frames that were."""
        before = len(self.numbers)
        for block in self._reader.blocks("frame", self._cursor):
            self._cursor = block.next
            for record in block.records:
                if isinstance(record, Frame) and (number := number_of(record.can_id, record.data)) is not None:
                    self.numbers.add(number)
        return len(self.numbers) - before


def _content(data: dict[str, Any]) -> str:
    """An event's data without its ends in time, which a reader gives as wall times."""
    return repr({name: value for name, value in data.items() if name not in ("from_ns", "to_ns")})


class Acked(NamedTuple):
    """Acknowledgements against the journal."""

    told: int
    missing: list[Any]


def compare_acknowledged(lines: Iterable[tuple[int, list[Any]]], book: Journal) -> Acked:
    """Which acknowledged samples and events the journal does not hold, as often as they were told."""
    events = Counter((event.time_ns, event.kind, event.pack, _content(event.data)) for event in book.events)
    told: Counter[Any] = Counter()
    missing: list[Any] = []
    for offset_ns, (family, time_ns, *rest) in lines:
        if family == "sample":
            key: Any = (time_ns + offset_ns, rest[0], rest[1], rest[2], float(rest[3]))
            held = book.samples[key]
        else:
            key = (time_ns + offset_ns, rest[0], rest[1], _content(rest[2]))
            held = events[key]
        told[key] += 1
        if told[key] > held:
            missing.append(key)
    return Acked(told.total(), missing)


@dataclass
class Database:
    """The points that a database holds after the lines that it took; the last write of a field wins, as in InfluxDB."""

    points: dict[Key, dict[str, str]] = field(default_factory=dict)
    lines: int = 0
    bad: list[bytes] = field(default_factory=list)
    repeated: int = 0  # fields that came again with the same value
    changed: list[Any] = field(default_factory=list)  # and with another one

    def take(self, lines: Iterable[bytes]) -> None:
        """Adds lines."""
        for line in lines:
            self.lines += 1
            try:
                key, fields = read_line(line)
            except (BadLine, UnicodeDecodeError):
                self.bad.append(line)
                continue
            held = self.points.setdefault(key, {})
            for name, value in fields.items():
                if name in held:
                    self.repeated += held[name] == value
                    if held[name] != value:
                        self.changed.append((key, name, held[name], value))
                held[name] = value


def _sample_key(quantity: str, name: str, cell: int | None, time_ns: int) -> Key:
    row = FIELDS.get(quantity)
    level = row.level if row else "pack"
    tags = {"site": SITE, level if level in _OWN_TAG else "pack": name}
    if cell is not None:
        tags["sensor" if level == "sensor" else "cell"] = str(cell + 1)
    return level, frozenset((key, value) for key, value in tags.items() if value), time_ns


def expected(book: Journal, decoded: bool) -> Iterator[tuple[Key, str, float | str]]:
    """Every field that a database must hold of a journal: key, field, value. Events come by their text."""
    for time_ns, quantity, name, cell, value in book.samples:
        yield _sample_key(quantity, name, cell, time_ns), quantity, value
    if decoded:
        for frame in book.frames:
            number = number_of(frame.can_id, frame.data)
            assert number is not None
            tags = frozenset({("site", SITE), ("bus", frame.bus)})
            key = (f"Numbered{number % 4}", tags, frame.time_ns)
            yield key, "Number", float(number)
            yield key, "Check", float(int.from_bytes(frame.data[4:], "little"))


class Difference(NamedTuple):
    """A journal against a database. `late` are records younger than the moment of asking: they were not due yet."""

    held: int
    missing: list[Any]
    late: int
    wrong: list[Any]
    extra: list[Any]


def compare_database(book: Journal, database: Database, until_ns: int, decoded: bool = False) -> Difference:
    """Whether the database holds exactly what the journal holds up to a wall time."""
    held, late, missing, wrong = 0, 0, [], []
    known: set[tuple[Key, str]] = set()
    for key, name, value in expected(book, decoded):
        known.add((key, name))
        found = database.points.get(key, {}).get(name)
        if found is None:
            late += key[2] >= until_ns
            if key[2] < until_ns:
                missing.append((key, name, value))
        elif float(found.rstrip("i")) != value:
            wrong.append((key, name, value, found))
        else:
            held += 1
    extra = [(key, name) for key, fields in database.points.items() if key[0] != "event" and (
        decoded or not key[0].startswith("Numbered")) for name in fields
        if (key, name) not in known and key[0] in _LEVELS | _NUMBERED]
    events = _compare_events(book, database, until_ns)
    return Difference(held + events.held, missing + events.missing, late + events.late, wrong, extra + events.extra)


_LEVELS = {row.level for row in FIELDS.values()}
_NUMBERED = {f"Numbered{n}" for n in range(4)}


def _compare_events(book: Journal, database: Database, until_ns: int) -> Difference:
    """Events by time, kind, pack and text: two that are alike are told apart by the tag `nth`."""
    want: Counter[Any] = Counter()
    for event in book.events:
        text = event.data.get("text")
        want[event.time_ns, event.kind, event.pack, " ".join(text.splitlines()) if isinstance(text, str) else None] += 1
    have: Counter[Any] = Counter()
    for (name, tags, time_ns), fields in database.points.items():
        if name == "event":
            tag = dict(tags)
            text = fields.get("text")
            have[time_ns, tag.get("kind", ""), tag.get("pack", ""),
                 None if text is not None and text.startswith("{") else text] += 1
    gone = want - have
    missing = [event for event in gone.elements() if event[0] < until_ns]
    return Difference((want & have).total(), missing, gone.total() - len(missing), [], list((have - want).elements()))
