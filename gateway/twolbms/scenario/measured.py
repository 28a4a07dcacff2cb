"""The readings of each recorded cycle: what was told outright, and cells and sensors in between.

Lowest and highest are told in every cycle (cells) or every half second (sensors), each single one only now and then:
between two tellings a cell stays where it was, held within the extremes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from twolbms.config.pack import GuardedPack
from twolbms.scenario.guessed import Guesses
from twolbms.scenario.told import Cycle

MISSING = "missing"
Change = dict[str, Any]


class _Extremes(NamedTuple):
    low: float
    high: float
    low_at: int
    high_at: int


class _Bounds(NamedTuple):
    """Outside of these a reading is a broken wire and no value."""

    low: float
    high: float

    def hold(self, value: float | None) -> bool:
        return value is not None and self.low <= value <= self.high


class Measured:
    """The readings of `cycles`; `currents` is None where it was missing."""

    def __init__(self, pack: GuardedPack, cycles: Sequence[Cycle], guesses: Guesses) -> None:
        self._pack = pack
        self._cycles = cycles
        self._guesses = guesses
        self._told_at = -1  # when temperatures were told last
        self._valid = _carried([cycle.value("CellExtremes", "CellExtremesValid") if cycle.heard else None
                                for cycle in cycles])
        self.currents: list[float | None] = [
            None if value == MISSING else value for value in self._told("PackCurrent")]

    def _told(self, signal: str) -> list[Any]:
        """A signal of PackValues: what was told last where a cycle was not heard."""
        return _carried([_or_missing(cycle.value("PackValues", signal)) if cycle.heard else None
                         for cycle in self._cycles])

    def changes(self) -> dict[int, Change]:
        """What to set in which cycle."""
        cells = self._cells()
        found = _vector("cells_v", "cell_v", cells, 3)
        for more in (_vector("temperatures_c", "temperature_c", self._temperatures(), 1),
                     moved("current_a", _rounded(self._told("PackCurrent"), 2), None),
                     moved("link_v", _rounded(self._told("LinkVoltage"), 2), None),
                     moved("pack_v", self._pack_voltages(cells), "sum")):
            for at, change in more.items():
                found.setdefault(at, {}).update(change)
        return found

    def _pack_voltages(self, cells: Sequence[Sequence[float | None]]) -> list[Any]:
        """The sum of the cells where it is near enough, for single cells may be a second old."""
        tolerance = self._pack.sensors.pack_sum_tolerance_v
        found: list[Any] = []
        for told, row, valid in zip(self._told("PackVoltage"), cells, self._valid, strict=True):
            apart = 0.0 if told in (MISSING, None) else abs(told - sum(value or 0.0 for value in row))
            agrees = apart <= tolerance / 2 or (valid and apart > tolerance)
            found.append("sum" if told is None or (agrees and told != MISSING) else _round(told, 2))
        return found

    def _cells(self) -> list[list[float | None]]:
        sensors = self._pack.sensors
        bounds = _Bounds(sensors.cell_low_v, sensors.cell_high_v)
        rows = self._singles(self._pack.cells.series, lambda cycle: cycle.cells, bounds)
        singles = [list(row) for row in rows]
        for at, cycle in enumerate(self._cycles):
            _hold(rows[at], _extremes(cycle, "CellExtremes", "CellVoltageMin", "CellVoltageMax", "CellMinIndex",
                                      "CellMaxIndex"), bounds)
        self._with_losses(rows, singles, bounds)
        return rows

    def _temperatures(self) -> list[list[float | None]]:
        """As told, and moved back to where a limit or the heater says that a temperature passed something."""
        sensors = self._pack.sensors
        bounds = _Bounds(sensors.temperature_low_c, sensors.temperature_high_c)
        singles = self._singles(len(sensors.temperatures), lambda cycle: cycle.sensors, bounds)
        crossings = sorted({*self._guesses.temperature_crossings(), *self._heater_moves()})
        rows: list[list[float | None]] = []
        now = list(singles[0])
        for at, cycle in enumerate(self._cycles):
            told = [singles[at][n] if n in cycle.sensors else value for n, value in enumerate(now)]
            extremes = _extremes(cycle, "TempExtremes", "TemperatureMin", "TemperatureMax", "TemperatureMinIndex",
                                 "TemperatureMaxIndex")
            _hold(told, extremes, bounds)
            if extremes is not None or cycle.sensors:
                self._move_back(rows, told, crossings)
                now = told
            rows.append(list(now))
        self._with_losses(rows, singles, bounds)
        return rows

    def _move_back(self, rows: list[list[float | None]], told: list[float | None], crossings: Sequence[int]) -> None:
        """What is told now began where something was crossed since the telling before."""
        here = len(rows)
        crossed = crossings[bisect_right(crossings, self._told_at):bisect_right(crossings, here)]
        for at in range(crossed[-1] if crossed else here, here):
            rows[at] = list(told)
        self._told_at = here

    def _with_losses(self, rows: list[list[float | None]], singles: Sequence[Sequence[float | None]],
                     bounds: _Bounds) -> None:
        """Puts in what was lost, but never in a cycle in which all was measured."""
        good = list(rows[0])
        for at, row in enumerate(rows):
            for n, value in enumerate(singles[at]):
                if not bounds.hold(value) and not self._valid[at]:
                    row[n] = value
                elif bounds.hold(row[n]):
                    good[n] = row[n]
                elif bounds.hold(good[n]):
                    row[n] = good[n]

    def _heater_moves(self) -> list[int]:
        commands = [cycle.value("PackState", "HeaterCommanded") for cycle in self._cycles]
        return [at for at in range(1, len(commands)) if None not in commands[at - 1:at + 1]
                and commands[at] != commands[at - 1]]

    def _singles(self, count: int, told_of: Callable[[Cycle], dict[int, float | None]],
                 bounds: _Bounds) -> list[list[float | None]]:
        """Each cell or sensor as it was told last, and before it was first told as it was then."""
        rows: list[list[float | None]] = [[None] * count for _ in self._cycles]
        for n in range(count):
            tellings = [(at, told_of(cycle)[n]) for at, cycle in enumerate(self._cycles) if n in told_of(cycle)]
            begins = [self._moved_at(tellings, k, bounds) for k in range(len(tellings))]
            for at in range(len(rows)):
                k = max(0, bisect_right(begins, at) - 1)
                rows[at][n] = tellings[k][1] if tellings else None
        return rows

    def _moved_at(self, tellings: Sequence[tuple[int, float | None]], k: int, bounds: _Bounds) -> int:
        """When the k-th telling began to be true: a reading that was lost or came back did so when validity moved."""
        at, value = tellings[k]
        if k == 0:
            return 0
        before, old = tellings[k - 1]
        if bounds.hold(value) == bounds.hold(old):
            return at
        wanted = 1 if bounds.hold(value) else 0
        for cycle in range(before + 1, at + 1):
            if self._valid[cycle] == wanted and self._valid[cycle - 1] != wanted:
                return cycle
        return at


def _extremes(cycle: Cycle, message: str, *signals: str) -> _Extremes | None:
    values = [cycle.value(message, signal) for signal in signals]
    return None if None in values else _Extremes(values[0], values[1], int(values[2]), int(values[3]))


def _hold(row: list[float | None], extremes: _Extremes | None, bounds: _Bounds) -> None:
    """Puts the lowest and the highest where they were told, and the others between them."""
    if extremes is None:
        return
    for n, value in enumerate(row):
        if value is not None and bounds.hold(value):
            row[n] = min(extremes.high, max(extremes.low, value))
    for n, value in ((extremes.low_at, extremes.low), (extremes.high_at, extremes.high)):
        if n < len(row):
            row[n] = value


def _vector(all_key: str, one_key: str, rows: Sequence[Sequence[float | None]], digits: int) -> dict[int, Change]:
    """Changes of many values: all of them at first or when most move, else only those that do."""
    found: dict[int, Change] = {}
    last: list[Any] = []
    for at, row in enumerate(rows):
        now = [_or_missing(_round(value, digits)) for value in row]
        new = {n + 1: value for n, value in enumerate(now) if not last or last[n] != value}
        if new and len(set(now)) == 1:
            found[at] = {all_key: now[0]}
        elif len(new) > len(now) // 2:
            found[at] = {all_key: now}
        elif new:
            found[at] = {one_key: new}
        last = now
    return found


def moved(key: str, values: Sequence[Any], before: Any) -> dict[int, Change]:
    """Where a value is another than before; None leaves it as it is."""
    found: dict[int, Change] = {}
    for at, value in enumerate(values):
        if value is not None and value != before:
            found[at] = {key: value}
            before = value
    return found


def _carried(values: Sequence[Any]) -> list[Any]:
    last = next((value for value in values if value is not None), None)
    return [last := value if value is not None else last for value in values]


def _or_missing(value: Any) -> Any:
    return MISSING if value is None else value


def _round(value: Any, digits: int) -> Any:
    return round(value, digits) + 0.0 if isinstance(value, int | float) else value


def _rounded(values: Sequence[Any], digits: int) -> list[Any]:
    return [_round(value, digits) for value in values]
