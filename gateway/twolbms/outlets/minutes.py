"""What stands for a minute of a series: mean, last or largest, made from the journal in its order, block by block.

Its state after a block depends on the blocks alone, never on when they were read, and can be put down and taken up
again exactly; so restarts and outages make no other points. It knows no server and reads no clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twolbms.fields import FIELDS, Minute
from twolbms.journal.records import Sample, Series

MINUTE_NS = 60_000_000_000
GRACE_NS = 10_000_000_000
"""A minute is closed by the first block with a record so long after its end: the journal writes each 0.2 s."""

FAR_MINUTES = 180
"""A boot that begins so long before what is closed, or a minute so far ahead of its boot, is of a clock set anew."""

_MOST_BOOTS = 50  # remembered, a pair of numbers each
_CARRIED_FROM_S = 60.0  # a quantity recorded so rarely, or on change only, may have no record in a minute
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rule:
    """How a quantity is condensed. `cap_ns`: a value counts at most so long; `hold_ns`: and is carried so far into
    minutes without a record, None for a quantity that is recorded too often to need it."""

    kind: Minute
    cap_ns: float
    hold_ns: float | None
    digits: int


def rule_of(quantity: str) -> Rule:
    """The rule of a row of the table of quantities; one that is not there keeps its last value."""
    row = FIELDS.get(quantity)
    if row is None:
        return Rule("last", math.inf, None, 9)
    carried = row.record_s == 0 or row.record_s >= _CARRIED_FROM_S
    hold_s = math.inf if row.record_s == 0 else 2 * row.record_s + 60
    return Rule(row.minute, max(2 * row.record_s, 3) * _NS if row.record_s else math.inf,
                hold_s * _NS if carried else None, row.decimals + 3)


@dataclass(slots=True)
class Sum:
    """One series in one minute. `held` is the value at the minute's start; `base` keeps a constant's mean exact."""

    held: float | None = None
    last: float | None = None
    last_ns: int = 0
    base: float = 0.0
    area: float = 0.0
    weight: float = 0.0
    top: float = -math.inf

    def add(self, time_ns: int, value: float, cap_ns: float) -> None:
        """One more record. One that is older than the last counts for the largest only."""
        self.top = max(self.top, value)
        if self.last is None:
            self.base = value
        elif time_ns < self.last_ns:
            return
        else:
            lasted = min(time_ns - self.last_ns, cap_ns)
            self.area += (self.last - self.base) * lasted
            self.weight += lasted
        self.last, self.last_ns = value, time_ns

    def value(self, rule: Rule, end_ns: int) -> float | None:
        """What stands for the minute that ends at `end_ns`; None where nothing is known."""
        if self.last is None:
            return self.held
        if rule.kind == "max":
            return self.top if self.held is None else max(self.top, self.held)
        if rule.kind == "last":
            return self.last
        lasted = min(end_ns - self.last_ns, rule.cap_ns)
        return round(self.base + (self.area + (self.last - self.base) * lasted) / (self.weight + lasted), rule.digits)


Sums = dict[Series, Sum]


@dataclass
class Condenser:
    """The open minutes and what is carried into them. Minutes count from 1970.

    `late`: series of minutes at or before `closed` that got records afterwards: those points are to be made anew from
    the whole journal. `holes`: minutes of which retention dropped a part before it was read; they are not written.
    `boots`: times of the first and the newest record of the last boots, in the journal's order.
    """

    boot_id: str = ""
    closed: int = -1
    open: dict[int, Sums] = field(default_factory=dict)
    late: dict[int, set[Series]] = field(default_factory=dict)
    carried: dict[Series, tuple[int, float]] = field(default_factory=dict)
    holes: set[int] = field(default_factory=set)
    boots: list[tuple[int, int]] = field(default_factory=list)
    _rules: dict[str, Rule] = field(default_factory=dict)

    def take(self, boot_id: str, records: Sequence[Sample], after_a_hole: bool = False) -> None:
        """One block, its times wall time."""
        if not records:
            return
        first_ns, newest_ns = records[0].time_ns, max(record.time_ns for record in records)
        if boot_id != self.boot_id:
            self._change_boot(boot_id, first_ns)
        elif not self.boots:  # restored from a state that did not keep them
            self.boots = [(first_ns, first_ns)]
        self.boots[-1] = self.boots[-1][0], max(self.boots[-1][1], newest_ns)
        if after_a_hole:
            self.holes = {*self.open, first_ns // MINUTE_NS}
            self.carried = {}  # what changed in the hole is not known
        minute, sums, late = -1, {}, False
        for time_ns, series, value in records:
            if time_ns // MINUTE_NS != minute:
                minute = time_ns // MINUTE_NS
                late = self._is_late(minute)
                sums = {} if late else self.open.setdefault(minute, {})
            rule = self._rules.get(series.quantity) or self._learn(series.quantity)
            if not late:
                found = sums.get(series)
                if found is None:
                    found = sums[series] = Sum(self._held(series, rule, minute))
                found.add(time_ns, value, rule.cap_ns)
            else:
                self.late.setdefault(minute, set()).add(series)
            if rule.hold_ns is not None:
                self.carried[series] = (time_ns, value)

    def due(self, newest_ns: int) -> list[int]:
        """The minutes, open or late, that a record of `newest_ns` closes, oldest first."""
        last = (newest_ns - GRACE_NS) // MINUTE_NS
        return sorted(minute for minute in {*self.open, *self.late} if minute < last or self._is_far_ahead(minute))

    def points(self, minute: int) -> list[Sample]:
        """What an open minute comes to by now, stamped with its beginning; nothing is closed by asking."""
        sums, start_ns = self.open.get(minute), minute * MINUTE_NS
        if sums is None or minute in self.holes:
            return []
        found = {series: one.value(self._rule(series), start_ns + MINUTE_NS) for series, one in sums.items()}
        found |= {series: self._carried_into(series, minute) for series in self.carried if series not in sums}
        return [Sample(start_ns, series, value) for series, value in found.items() if value is not None]

    def close(self, minute: int) -> None:
        """Its points are written: what comes now for it is late."""
        if self.open.pop(minute, None) is not None and not self._is_far_ahead(minute):
            self.closed = max(self.closed, minute)
        self.late.pop(minute, None)
        self.holes.discard(minute)

    def held_since_ns(self, minute: int) -> int:
        """When the boot began whose values held at a minute's start: the first that recorded anything in it."""
        start_ns = minute * MINUTE_NS
        return next((first_ns for first_ns, newest_ns in self.boots
                     if first_ns < start_ns + MINUTE_NS and newest_ns >= start_ns), 0)

    def _is_late(self, minute: int) -> bool:
        """Closed, or passed by an earlier boot before the clock was set back."""
        if minute in self.open:
            return False
        return minute <= self.closed or any(
            first_ns < (minute + 1) * MINUTE_NS and newest_ns >= minute * MINUTE_NS
            for first_ns, newest_ns in self.boots[:-1])

    def _is_far_ahead(self, minute: int) -> bool:
        """Of a boot before this one, whose clock was far ahead: it would stay open till then."""
        return bool(self.boots) and minute > self.boots[-1][1] // MINUTE_NS + FAR_MINUTES

    def _carried_into(self, series: Series, minute: int) -> float | None:
        """The value that held at the start of a minute without a record of its own."""
        later = [self.open[one][series] for one in self.open if one > minute and series in self.open[one]]
        if later:
            return later[0].held
        return self._held(series, self._rule(series), minute)

    def _held(self, series: Series, rule: Rule, minute: int) -> float | None:
        known = self.carried.get(series)
        if rule.hold_ns is None or known is None or known[0] >= minute * MINUTE_NS:
            return None
        return known[1] if minute * MINUTE_NS - known[0] <= rule.hold_ns else None

    def _change_boot(self, boot_id: str, first_ns: int) -> None:
        """A value holds within its boot; in the minutes still open it has held.

        What an earlier boot closed by a clock far ahead closes nothing for this one: each minute would be late.
        """
        for minute, sums in self.open.items():
            for series in self.carried:
                if series not in sums and (value := self._carried_into(series, minute)) is not None:
                    sums[series] = Sum(value)
        self.carried = {}
        self.boot_id = boot_id
        self.boots = [*self.boots[1 - _MOST_BOOTS:], (first_ns, first_ns)]
        if first_ns // MINUTE_NS < self.closed - FAR_MINUTES:
            self.closed = first_ns // MINUTE_NS - 1

    def _rule(self, series: Series) -> Rule:
        return self._rules.get(series.quantity) or self._learn(series.quantity)

    def _learn(self, quantity: str) -> Rule:
        found = self._rules[quantity] = rule_of(quantity)
        return found

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs, as what JSON can hold."""
        return {
            "boot": self.boot_id, "closed": self.closed, "holes": sorted(self.holes), "boots": self.boots,
            "open": [[minute, [[*series, one.held, one.last, one.last_ns, one.base, one.area, one.weight,
                                None if one.last is None else one.top] for series, one in sums.items()]]
                     for minute, sums in self.open.items()],
            "late": [[minute, [list(one) for one in sorted(series, key=str)]] for minute, series in self.late.items()],
            "carried": [[*series, *known] for series, known in self.carried.items()],
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Condenser:
        """The condenser of a `state`; KeyError, TypeError or ValueError when it is not one."""
        opened = {minute: {Series(*row[:3]): _sum_of(row[3:]) for row in rows} for minute, rows in state["open"]}
        return cls(state["boot"], state["closed"], opened,
                   {minute: {Series(*one) for one in series} for minute, series in state["late"]},
                   {Series(*row[:3]): (row[3], row[4]) for row in state["carried"]}, set(state["holes"]),
                   [(first_ns, newest_ns) for first_ns, newest_ns in state.get("boots", ())])


def _sum_of(row: list[Any]) -> Sum:
    held, last, last_ns, base, area, weight, top = row
    return Sum(held, last, last_ns, base, area, weight, -math.inf if top is None else top)


def points_of(minute: int, before: Iterable[Sample], records: Iterable[Sample], wanted: set[Series]) -> list[Sample]:
    """The points of some series from all records of one minute, and of as long a time before as values may hold: the
    records since `Condenser.held_since_ns`. Of both only what is wanted is kept in memory."""
    start_ns = minute * MINUTE_NS
    held: dict[Series, tuple[int, float]] = {}
    for time_ns, series, value in before:
        if series in wanted and (series not in held or time_ns >= held[series][0]):
            held[series] = (time_ns, value)
    sums: Sums = {}
    for time_ns, series, value in sorted((record for record in records if record.series in wanted),
                                         key=lambda record: record.time_ns):
        rule = rule_of(series.quantity)
        if series not in sums:
            known = held.get(series)
            near = known is not None and rule.hold_ns is not None and start_ns - known[0] <= rule.hold_ns
            sums[series] = Sum(known[1] if near and known else None)
        sums[series].add(time_ns, value, rule.cap_ns)
    found = {series: one.value(rule_of(series.quantity), start_ns + MINUTE_NS) for series, one in sums.items()}
    return [Sample(start_ns, series, value) for series, value in found.items() if value is not None]
