"""InfluxQL for the pages, from the rows of `fields.py`: measurement, filters and grouping follow from a row's level.

It knows the schema that the outlet writes (docs/influxdb.md) and nothing of panels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twolbms.fields import FIELDS, Field

How = Literal["mean", "min", "max", "last"]

_FILTERS = {"site": '"site" =~ /^${site:regex}$/', "pack": '"pack" =~ /^${pack:regex}$/'}
_TAGS = {
    "pack": ("pack",), "cell": ("pack", "cell"), "sensor": ("pack", "sensor"), "bank": ("bank",), "gateway": ("site",),
    "bus": ("bus",), "device": ("device",),
}
_SILENT_AFTER = 3  # periods of a quantity without a value: from then on a page shows a hole
_CONSTANT_S = 600  # what is published more rarely does not change: limits


@dataclass(frozen=True)
class Query:
    """One question of a panel, what its lines are called (Grafana fills in `$tag_…`), and the quantities it reads."""

    influxql: str
    alias: str
    quantities: tuple[str, ...] = ()

    @property
    def period_s(self) -> float:
        """Longest time between two values of what it reads, s; 0 where nothing changes."""
        return max((row(name).record_s for name in self.quantities if row(name).record_s < _CONSTANT_S), default=0)

    @property
    def hole_ms(self) -> int:
        """Longest distance of two values, ms, that a line may bridge."""
        return int(1000 * _SILENT_AFTER * self.period_s)


def row(quantity: str) -> Field:
    """The row of a quantity; KeyError for a name that the table lacks."""
    return FIELDS[quantity]


def over_time(quantity: str, alias: str, how: How = "mean") -> Query:
    """A line for each series: holes stay holes."""
    return _grouped(f'{how}("{quantity}")', alias, quantity)


def downwards(quantity: str, alias: str, how: How = "mean") -> Query:
    """The same with the sign turned, to compare discharge with a current that is negative then."""
    return _grouped(f'{how}("{quantity}") * -1', alias, quantity)


def beside(quantity: str, sign: Literal["+", "-"], other: str, alias: str) -> Query:
    """`quantity` plus or minus `other`: an edge of a band."""
    return _grouped(f'mean("{quantity}") {sign} mean("{other}")', alias, quantity, other)


def rate(quantity: str, alias: str) -> Query:
    """How fast a counter grows, per second; a restart of the gateway begins at 0 again and is left out.

    Of the first value of each interval: the newest interval is never whole, and its last value would show a drop.
    The outer question is there for the holes, which a derivative alone leaves out.
    """
    level = row(quantity).level
    grown = (f'SELECT non_negative_derivative(first("{quantity}"), 1s) AS "{quantity}" FROM "{level}" '
             f"WHERE $timeFilter{_filter(level)} GROUP BY time($__interval), {_tags(level)}")
    return Query(f'SELECT mean("{quantity}") FROM ({grown}) WHERE $timeFilter '
                 f"GROUP BY time($__interval), {_tags(level)} fill(null)", alias, (quantity,))


def limit(quantity: str, alias: str) -> Query:
    """A published limit as a line, drawn on from its last publication: it holds until the next one."""
    since = f"time >= ${{__from}}ms - {int(2 * row(quantity).record_s)}s AND time <= ${{__to}}ms"
    return _grouped(f'last("{quantity}")', alias, quantity, when=since, fill="previous")


def now(quantity: str, alias: str) -> Query:
    """The value at the right edge of the page; none when it is older than a few of its periods."""
    span_s = int(max(60, _SILENT_AFTER * (row(quantity).record_s or 60)))
    when = f"time >= ${{__to}}ms - {span_s}s AND time <= ${{__to}}ms"
    level = row(quantity).level
    return Query(f'SELECT last("{quantity}") FROM "{level}" WHERE {when}{_filter(level)} GROUP BY {_tags(level)}',
                 alias, (quantity,))


def events(most: int) -> Query:
    """What happened, the newest first."""
    return Query('SELECT "pack", "kind", "text" FROM "event" '
                 f'WHERE $timeFilter{_filter("event")} ORDER BY time DESC LIMIT {most}', "")


def tag_values(measurement: str, tag: str, *filtered_by: str) -> str:
    """The question for a page variable."""
    where = " AND ".join(_FILTERS[name] for name in filtered_by)
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"' + (f" WHERE {where}" if where else "")


def _grouped(what: str, alias: str, *quantities: str, when: str = "$timeFilter", fill: str = "null") -> Query:
    level = row(quantities[0]).level
    return Query(f'SELECT {what} FROM "{level}" WHERE {when}{_filter(level)} '
                 f"GROUP BY time($__interval), {_tags(level)} fill({fill})", alias, quantities)


def _filter(level: str) -> str:
    names = ("site", "pack") if level in ("pack", "cell", "sensor") else ("site",)
    return "".join(f" AND {_FILTERS[name]}" for name in names)


def _tags(level: str) -> str:
    return ", ".join(f'"{tag}"' for tag in _TAGS[level])
