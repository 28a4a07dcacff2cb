"""Seven days of two 16-cell packs within 1 GiB, from a representative hour whose blocks are made as the writer does."""

from __future__ import annotations

import random
from collections.abc import Iterator

from twolbms.fields import FIELDS, Field
from twolbms.journal import Sample, Series
from twolbms.journal.block import pack_block

HOUR_S = 3600
WEEK_HOURS = 7 * 24
SLICES = 5  # the writer makes a block at least every 0.2 s
CELLS = 16
SENSORS = 4
BOOT = "0123456789abcdef" * 2


class House:
    """One pack behind an inverter: a load that steps, mV noise on every cell, sensors that drift by tenths."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._rng = random.Random(seed)
        self._current_a = -8.0
        self._used_ah = 0.0

    def second(self, now_s: int) -> Iterator[tuple[Field, int | None, float]]:
        """What the table of quantities records of this pack in one second, in its order."""
        steps = self._rng.random() < 0.1
        if steps:
            self._current_a = self._rng.uniform(-60, 40)
        self._used_ah += self._current_a / 3600
        for field in FIELDS.values():
            if field.level in ("bus", "device"):  # not of a pack
                continue
            due = field.record_s and now_s % field.record_s == 0
            times = 1 if due else 0
            if steps and field.step is not None:
                times = 10  # a change larger than the step is journalled at once, at most ten times a second
            for place in self._places(field):
                for _ in range(times):
                    yield field, place, self._value(field, place)

    def _places(self, field: Field) -> list[int] | list[None]:
        return {"cell": [*range(CELLS)], "sensor": [*range(SENSORS)]}.get(field.level, [None])

    def _value(self, field: Field, place: int | None) -> float:
        by_unit = {"V": 3.28 + self._current_a * 4e-4 if field.level == "cell" else 52.5 + self._current_a * 6e-3,
                   "A": self._current_a, "Ah": 140 + self._used_ah, "°C": 24 + (place or 0) * 0.7, "1": 0.5}
        noise = {"V": 0.0012 if field.level == "cell" else 0.02, "A": 0.15, "°C": 0.1}.get(field.unit, 0)
        return round(self._rng.gauss(by_unit.get(field.unit, 1), noise), field.decimals)


def blocks_of_an_hour() -> Iterator[list[Sample]]:
    """The samples of each 0.2 s. Pessimistic: what one second records is spread over all five blocks of it."""
    houses = [House("north", 1), House("south", 2)]
    series: dict[Series, Series] = {}
    for now_s in range(HOUR_S):
        slices: list[list[Sample]] = [[] for _ in range(SLICES)]
        for number, house in enumerate(houses):
            samples = list(house.second(now_s))
            for index, (field, place, value) in enumerate(samples):
                part = index * SLICES // len(samples)
                time_ns = now_s * 10**9 + part * 200_000_000 + index // 4 * 231_017 + number * 7_654_321
                name = Series(field.name, house.name, place)
                slices[part].append(Sample(time_ns, series.setdefault(name, name), value))
        yield from slices


def test_a_week_of_two_packs_fits_a_gibibyte(capsys):
    """A week of samples of two 16-cell packs, extrapolated from one hour with load steps, stays under 1 GiB."""
    samples = size = 0
    for records in blocks_of_an_hour():
        samples += len(records)
        size += len(pack_block("sample", BOOT, records)[1])
    week = size * WEEK_HOURS
    with capsys.disabled():
        print(f"\njournal: {samples / HOUR_S:.1f} samples/s, {size / samples:.2f} bytes/sample, "
              f"{week / 2**20:.0f} MiB a week of two 16-cell packs (an hour measured, times {WEEK_HOURS})")
    assert samples > HOUR_S * 2 * (CELLS + 5)
    assert week < 2**30
