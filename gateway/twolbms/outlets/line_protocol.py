"""Turns samples and events of the journal into InfluxDB line protocol, the same bytes for the same records.

It knows the table of quantities and the syntax; no server, no cursor and no clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from twolbms.fields import FIELDS
from twolbms.journal.records import Event, Sample, Series

EVENT_TAGS = ("limit", "tier")
"""Names in an event's data that become tags when they are words: few values, and simultaneous events differ by them."""

_LONGEST_TEXT = 60_000  # InfluxDB refuses a field above 1 MiB; a text that long is no text for people
_INT64 = 2**63
_ESCAPE_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ ", "\n": r"\n", "\t": r"\t", "\r": r"\r"})
_ESCAPE_KEY = _ESCAPE_MEASUREMENT | str.maketrans({"=": r"\="})
_ESCAPE_STRING = str.maketrans({'"': r"\"", "\\": r"\\"})
_TAGS = {"bank": ("bank", "cell"), "bus": ("bus", "cell"), "device": ("device", "cell"), "sensor": ("pack", "sensor")}
"""By level: the tags of a series' name and of its number; of any other level `pack` and `cell`."""


class Encoded(NamedTuple):
    """Lines without their line ends, and how many records had nothing that a line can carry (NaN, infinity)."""

    lines: list[bytes]
    dropped: int


class LineEncoder:
    """Encodes the records of one site. A series' measurement and tags are made once and kept."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._series: dict[Series, tuple[str, str]] = {}

    def samples(self, records: Iterable[Sample]) -> Encoded:
        """One line for each measurement, tags and time; where one series has two values at one time the last holds."""
        points: dict[tuple[str, int], dict[str, float]] = {}
        dropped = 0
        known = self._series
        for time_ns, series, value in records:
            prefix, field = known.get(series) or self._learn(series)
            number = float(value)
            if number - number != 0.0:  # NaN and the infinities: line protocol has no word for them
                dropped += 1
                continue
            fields = points.get((prefix, time_ns))
            if fields is None:
                points[prefix, time_ns] = {field: number}
            else:
                fields[field] = number
        lines = [f"{prefix}{','.join([f'{field}={number!r}' for field, number in fields.items()])} {time_ns}"
                 for (prefix, time_ns), fields in points.items()]
        return Encoded([line.encode(errors="replace") for line in lines], dropped)

    def events(self, records: Iterable[Event]) -> Encoded:
        """One line an event. Events that would share series and time get a tag `nth` from the second one on."""
        seen: dict[tuple[str, int], int] = {}
        lines = []
        for event in records:
            tags = self._event_tags(event)
            key = (_prefix("event", tags), event.time_ns)
            nth = seen[key] = seen.get(key, 0) + 1
            prefix = key[0] if nth == 1 else _prefix("event", tags | {"nth": str(nth)})
            lines.append(f"{prefix}{_event_fields(event.data)} {event.time_ns}".encode(errors="replace"))
        return Encoded(lines, 0)

    def _learn(self, series: Series) -> tuple[str, str]:
        row = FIELDS.get(series.quantity)
        level = row.level if row else _guess_level(series)
        name_tag, number_tag = _TAGS.get(level, ("pack", "cell"))
        tags = {"site": self._site, name_tag: series.pack}
        if series.cell is not None:
            tags[number_tag] = str(series.cell + 1)  # people count from 1
        found = self._series[series] = (_prefix(level, tags), escape_key(series.quantity))
        return found

    def _event_tags(self, event: Event) -> dict[str, str]:
        tags = {"site": self._site, "pack": event.pack, "kind": event.kind}
        return tags | {name: event.data[name] for name in EVENT_TAGS if isinstance(event.data.get(name), str)}


def escape_key(text: str) -> str:
    """A tag key, tag value or field key as line protocol spells it; line ends and tabs become two characters."""
    return text.translate(_ESCAPE_KEY)


def _escape_tag_value(text: str) -> str:
    escaped = text.translate(_ESCAPE_KEY)
    return escaped + " " if escaped.endswith("\\") else escaped  # a last backslash would swallow the separator


def _prefix(measurement: str, tags: dict[str, str]) -> str:
    """Measurement and tags in the order of their keys, with the blank that ends them; an empty tag is left out."""
    listed = "".join(f",{escape_key(key)}={_escape_tag_value(tags[key])}" for key in sorted(tags) if tags[key])
    return f"{measurement.translate(_ESCAPE_MEASUREMENT)}{listed} "


def _guess_level(series: Series) -> str:
    """Measurement of a quantity that the table does not know, e.g. from an import."""
    if series.cell is not None:
        return "cell"
    return "pack" if series.pack else "gateway"


def _event_fields(data: dict[str, Any]) -> str:
    """The field `text`, then the numbers: floats always, but integers where the name says nanoseconds."""
    fields = [f'text="{_event_text(data).translate(_ESCAPE_STRING)}"']
    for name, value in data.items():
        if name in ("text", "time", *EVENT_TAGS) or name.startswith("_") or not isinstance(value, (int, float)):
            continue  # "time" is refused by the server; a name is a tag or a field, never both
        if (number := _number(name, value)) is not None:
            fields.append(f"{escape_key(name)}={number}")
    return ",".join(fields)


def _event_text(data: dict[str, Any]) -> str:
    text = data.get("text")
    if not isinstance(text, str):
        text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return " ".join(text[:_LONGEST_TEXT].splitlines())  # VictoriaMetrics ends a line at every line end, quoted or not


def _number(name: str, value: float) -> str | None:
    if name.endswith("_ns"):
        return f"{int(value)}i" if abs(value) < _INT64 else None
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if number - number != 0.0 else repr(number)
