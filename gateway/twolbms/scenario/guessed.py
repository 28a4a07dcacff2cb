"""What a recording does not say outright: inputs of a node that no message carries, guessed from its fault bits.

A bit that rose says that the value was beyond its tier `delay_s` earlier; one that fell, that it is inside again. Knows
the pack's numbers and the bench's keys; an input that crossed nothing left no trace and is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from twolbms.config.pack import GuardedPack
from twolbms.diagnoses import CYCLE_MS, DIAGNOSES
from twolbms.scenario.told import Cycle

TIERS = ("warn", "limit", "trip")
PRESS_CYCLES = 30  # the clear button counts when it was held for 3 s
_TEMPERATURES = ("charge_over_temperature", "charge_under_temperature", "discharge_over_temperature",
                 "discharge_under_temperature", "temperature_spread")


class Input(NamedTuple):
    """A key of the bench that nothing on the bus carries: `good` while its row is at rest. `bad` None: a number, one
    count beyond the tier that is told."""

    row: str
    key: str
    good: Any
    bad: Any = None


INPUTS = (
    Input("emergency_stop", "emergency_stop", "released", "pressed"),
    Input("smoke", "smoke", "off", "on"),
    Input("leak", "leak", "off", "on"),
    Input("short_circuit", "short_circuit", "off", "on"),
    Input("monitor_protection", "monitor_protection", "off", "on"),
    Input("monitor_configuration", "monitor_configuration", "sound", "lost"),
    Input("node_memory", "memory", "sound", "bad"),
    Input("open_wire", "open_wires", 0),
    Input("humidity", "humidity_percent", 45),
    Input("supply_voltage", "supply_v", 12.0),
    Input("insulation", "insulation_kohm", 2000),
    Input("restart_loop", "restarts", 0),
    Input("contactor_life", "wear_percent", 0),
)
AGES = (Input("monitor_communication", "monitor", "answers", "silent"),
        Input("stale_reading", "conversions", "running", "stopped"))


@dataclass(frozen=True)
class Span:
    """From cycle `first` up to `end`, itself left out, a row's value was beyond `tier`."""

    first: int
    end: int
    tier: str


def fault_rows(cycles: Sequence[Cycle]) -> dict[str, list[frozenset[str]]]:
    """The rows of each page in each cycle, as told last; before a page was told it is empty."""
    pages: dict[str, list[frozenset[str]]] = {}
    for tier in (*TIERS, "latched"):
        last: frozenset[str] = frozenset()
        pages[tier] = [last := cycle.faults.get(tier, last) for cycle in cycles]
    return pages


class Guesses:
    """What lay behind the fault bits of one recording of `pack`."""

    def __init__(self, pack: GuardedPack, cycles: Sequence[Cycle], clears: Sequence[int]) -> None:
        """`clears` are the cycles in which the gateway asked for a clear."""
        self._pack = pack
        self._count = len(cycles)
        self.pages = fault_rows(cycles)
        self._clears = set(clears)
        self._spans = {row: list(self._spans_of(row)) for row in DIAGNOSES}

    def spans(self, row: str) -> list[Span]:
        """When the value of `row` was beyond a tier."""
        return self._spans[row]

    def _spans_of(self, row: str) -> Iterator[Span]:
        limit = self._pack.limits[row]
        delay, hold = _cycles(limit.delay_s), _cycles(limit.hold_s)
        for tier in TIERS:
            ended = -hold - 2
            for first, end in _runs([row in rows for rows in self.pages[tier]]):
                # in its hold, and while latched, a row comes back without its delay
                back = tier == "trip" and (first - ended <= hold + 1 or self._latched(row, first - 1))
                yield Span(max(0, first - (0 if back else delay)), end, tier)
                ended = end

    def _latched(self, row: str, at: int) -> bool:
        return at >= 0 and row in self.pages["latched"][at]

    def changes(self) -> dict[int, dict[str, Any]]:
        """What to set in which cycle, apart from ages, the second current and the clear button."""
        found: dict[int, dict[str, Any]] = {}
        for guess in INPUTS:
            for at, value in _steps(self._values(guess), guess.good):
                found.setdefault(at, {})[guess.key] = value
        return found

    def _values(self, guess: Input) -> list[Any]:
        values = [guess.good] * self._count
        for tier in TIERS:  # the gravest comes last and wins
            for span in self._spans[guess.row]:
                if span.tier == tier:
                    value = guess.bad if guess.bad is not None else self.beyond(guess.row, tier)
                    values[span.first:span.end] = [value] * (span.end - span.first)
        warn = self._pack.limits[guess.row].warn
        if warn is None or guess.bad is not None:
            return values
        # warn has no memory: where it is not told any more the value is back inside, and what stays has not cleared
        warned = {at for span in self._spans[guess.row] if span.tier == "warn" for at in range(span.first, span.end)}
        return [value if value == guess.good or at in warned else warn for at, value in enumerate(values)]

    def beyond(self, row: str, tier: str) -> float | int:
        """One count beyond a tier of `row`, in its unit."""
        diagnosis, threshold = DIAGNOSES[row], getattr(self._pack.limits[row], tier)
        value = round(float(threshold or 0.0) + diagnosis.beyond / diagnosis.counts, 3)
        return round(value) if diagnosis.counts == 1 else value

    def age_cycles(self, row: str, tier: str) -> int:
        """A threshold of a row that counts time, in cycles."""
        return _cycles(getattr(self._pack.limits[row], tier) or 0.0)

    def ages(self) -> dict[int, dict[str, Any]]:
        """When the cell monitor fell silent, or stopped converting, and when it came back."""
        silent: set[int] = set()
        found: dict[int, dict[str, Any]] = {}
        for guess in AGES:
            bad: set[int] = set()
            for span in self._spans[guess.row]:
                bad.update(range(max(0, span.first - self.age_cycles(guess.row, span.tier)), span.end))
            bad -= silent  # a monitor that does not answer does not convert either
            silent |= bad
            values = [guess.bad if at in bad else guess.good for at in range(self._count)]
            for at, value in _steps(values, guess.good):
                found.setdefault(at, {})[guess.key] = value
        return found

    def second_currents(self, currents: Sequence[float | None]) -> dict[int, dict[str, Any]]:
        """The second current sensor: the first one's value and as much more as its row tells."""
        values: list[Any] = ["follows"] * self._count
        for tier in TIERS:
            for span in self._spans["current_disagreement"]:
                if span.tier == tier:
                    apart = self.beyond("current_disagreement", tier)
                    for at in range(span.first, span.end):
                        current = currents[at]
                        values[at] = "follows" if current is None else round(current + apart, 3)
        return {at: {"second_a": value} for at, value in _steps(values, "follows")}

    def presses(self) -> dict[int, dict[str, Any]]:
        """The clear button: held for 3 s before a latch fell that no gateway had asked to clear."""
        found: dict[int, dict[str, Any]] = {}
        latched = self.pages["latched"]
        for at in range(1, self._count):
            if latched[at - 1] - latched[at] and at not in self._clears:
                found.setdefault(max(0, at - PRESS_CYCLES + 1), {})["clear_button"] = "pressed"
                found.setdefault(at + 1, {})["clear_button"] = "released"
        return found

    def temperature_crossings(self) -> list[int]:
        """Cycles in which a temperature passed some threshold: where the told values may be late by half a second."""
        return sorted({at for row in _TEMPERATURES for span in self._spans[row] for at in (span.first, span.end)})


def _cycles(seconds: float) -> int:
    return round(seconds * 1000 / CYCLE_MS)


def _runs(flags: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Where `flags` are true: first and one behind the last."""
    first = None
    for at, flag in enumerate([*flags, False]):
        if flag and first is None:
            first = at
        elif not flag and first is not None:
            yield first, at
            first = None


def _steps(values: Sequence[Any], before: Any) -> Iterator[tuple[int, Any]]:
    """Where a value differs from the one before."""
    for at, value in enumerate(values):
        if value != before:
            yield at, value
        before = value


def merged(*changes: Mapping[int, Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Changes of several kinds, cycle by cycle."""
    found: dict[int, dict[str, Any]] = {}
    for some in changes:
        for at, keys in some.items():
            found.setdefault(at, {}).update(keys)
    return found
