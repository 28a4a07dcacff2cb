"""The node's faults out of four pages of bits: which limit, which tier, since when, and the reading that shows it.

Names come from the table of diagnoses; a reading is looked up where the extremes or the current stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from twolbms.battery.latest import Latest, Values
from twolbms.config.pack import GuardedPack
from twolbms.diagnoses import DIAGNOSES, Diagnosis

Tier = Literal["warn", "limit", "trip"]
TIERS: tuple[Tier, ...] = ("warn", "limit", "trip")
LATCHED_PAGE = 3
_PREFIXES = ("Warn", "Limit", "Trip", "Latched")


class Reading(NamedTuple):
    """What a limit compares, as last heard: the value, and the cell or sensor (from 0) it belongs to."""

    value: float | None
    cell: int | None = None
    sensor: int | None = None


NO_READING = Reading(None)


class Evidence(NamedTuple):
    """Where the reading of a limit stands; `sign` turns discharge current positive."""

    message: str
    signal: str
    cell: str | None = None
    sensor: str | None = None
    sign: int = 1


_CELL_MAX = Evidence("CellExtremes", "CellVoltageMax", cell="CellMaxIndex")
_CELL_MIN = Evidence("CellExtremes", "CellVoltageMin", cell="CellMinIndex")
_HOTTEST = Evidence("TempExtremes", "TemperatureMax", sensor="TemperatureMaxIndex")
_COLDEST = Evidence("TempExtremes", "TemperatureMin", sensor="TemperatureMinIndex")
_CHARGING = Evidence("PackValues", "PackCurrent")
_DISCHARGING = Evidence("PackValues", "PackCurrent", sign=-1)

EVIDENCE: Mapping[str, Evidence] = {
    "cell_over_voltage": _CELL_MAX, "cell_under_voltage": _CELL_MIN,
    "charge_over_current": _CHARGING, "discharge_over_current": _DISCHARGING,
    "charge_over_temperature": _HOTTEST, "discharge_over_temperature": _HOTTEST,
    "charge_under_temperature": _COLDEST, "discharge_under_temperature": _COLDEST,
    "charge_while_blocked": _CHARGING, "discharge_while_blocked": _DISCHARGING,
}


def reading_of(limit: str, messages: Mapping[str, Latest]) -> Reading:
    """The reading that limit `limit` is about, as last heard."""
    where = EVIDENCE.get(limit)
    if where is None:
        return NO_READING
    last = messages[where.message].last
    value = last(where.signal)
    return Reading(None if value is None else value * where.sign, _place(last, where.cell), _place(last, where.sensor))


def _place(last: Callable[[str], int | float | None], signal: str | None) -> int | None:
    value = None if signal is None else last(signal)
    return None if value is None else int(value)


@dataclass(slots=True)
class Fault:
    """One limit that is beyond a tier or remembered. `worst` is the furthest reading heard while it was active."""

    diagnosis: Diagnosis
    since_ns: int
    tiers: dict[Tier, int] = field(default_factory=dict)
    latched_since_ns: int | None = None
    worst: Reading = NO_READING

    @property
    def tier(self) -> Tier:
        """The highest tier that is active; of one only remembered it is the trip that was."""
        return next((tier for tier in reversed(TIERS) if tier in self.tiers), "trip")

    @property
    def active(self) -> bool:
        """Whether a tier is active now, not only remembered."""
        return bool(self.tiers)

    @property
    def latched(self) -> bool:
        """Whether the trip is remembered."""
        return self.latched_since_ns is not None

    def watch(self, reading: Reading) -> None:
        """Keeps the reading when it is further beyond than those before."""
        old, new = self.worst.value, reading.value
        if new is not None and (old is None or (new - old) * self.diagnosis.beyond > 0):
            self.worst = reading


class Change(NamedTuple):
    """A tier (or "latched") of a limit that appeared or went away."""

    fault: Fault
    what: Tier | Literal["latched"]
    appeared: bool


class Faults:
    """Active and remembered faults of one pack. `known` pages say which of the four were ever heard since its boot."""

    def __init__(self, pack: GuardedPack) -> None:
        self._pack = pack
        self.active: dict[str, Fault] = {}
        self.known: set[int] = set()
        self._names = tuple({f"{prefix}{row.signal}": name for name, row in DIAGNOSES.items()} for prefix in _PREFIXES)
        self._bits: list[frozenset[str]] = [frozenset()] * len(_PREFIXES)

    def forget(self) -> None:
        """After a boot of the node: nothing is known until each page came again."""
        self.known.clear()

    @property
    def complete(self) -> bool:
        """Whether all four pages were heard since the node's boot."""
        return len(self.known) == len(_PREFIXES)

    @property
    def any_latched(self) -> bool:
        """Whether a trip is remembered, as last heard."""
        return bool(self._bits[LATCHED_PAGE])

    def count(self, *pages: int) -> int:
        """How many limits have a bit in one of these pages."""
        return len(frozenset[str]().union(*(self._bits[page] for page in pages)))

    def take(self, values: Values, messages: Mapping[str, Latest], now_ns: int) -> list[Change]:
        """A page as received; the readings are taken from `messages`. Returns what changed."""
        page = int(values["FaultPage"] or 0)
        self.known.add(page)
        names = self._names[page]
        now = frozenset(names[signal] for signal, bit in values.items() if bit and signal in names)
        before, self._bits[page] = self._bits[page], now
        for name in now:
            self._watch(name, messages)
        return [self._appeared(name, page, messages, now_ns) for name in sorted(now - before)] + \
            [self._gone(name, page) for name in sorted(before - now)]

    def _watch(self, name: str, messages: Mapping[str, Latest]) -> None:
        fault = self.active.get(name)
        if fault is not None and fault.active:
            fault.watch(reading_of(name, messages))

    def _appeared(self, name: str, page: int, messages: Mapping[str, Latest], now_ns: int) -> Change:
        fault = self.active.setdefault(name, Fault(DIAGNOSES[name], now_ns))
        fault.watch(reading_of(name, messages))
        if page == LATCHED_PAGE:
            fault.latched_since_ns = now_ns
            return Change(fault, "latched", True)
        fault.tiers[TIERS[page]] = now_ns
        return Change(fault, TIERS[page], True)

    def _gone(self, name: str, page: int) -> Change:
        fault = self.active[name]
        if page == LATCHED_PAGE:
            fault.latched_since_ns = None
        else:
            fault.tiers.pop(TIERS[page], None)
        if not fault.active and not fault.latched:
            del self.active[name]
        return Change(fault, "latched" if page == LATCHED_PAGE else TIERS[page], False)

    def threshold(self, limit: str, tier: Tier) -> float | None:
        """The pack file's value of a tier, in the limit's unit."""
        value: float | None = getattr(self._pack.limits[limit], tier)
        return value
