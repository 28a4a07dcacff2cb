"""Thermistor tables and their faults. Resistances typed from the reference page "afe_chips"."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
from drivers.ntc import BETA_3435, BETA_3950, Ntc, to_dc
from node.measure import NA

from firmware.drivers.tape import on_micropython

TABLES = {3435: BETA_3435, 3950: BETA_3950}
OHMS = {
    3435: {-20: 77_523, -10: 46_290, 0: 28_704, 5: 22_897, 10: 18_410, 45: 4_847, 55: 3_488, 60: 2_981, 80: 1_662},
    3950: {-20: 105_385, -10: 58_246, 0: 33_621, 5: 25_925, 10: 20_175, 45: 4_348, 55: 2_978, 60: 2_486, 80: 1_270}}
POINTS = [(beta, celsius, ohm) for beta, rows in OHMS.items() for celsius, ohm in rows.items()]


def count_of(ohm: float) -> int:
    """The 16-bit ratio of a divider with 10 kOhm above."""
    return round(65535 * ohm / (ohm + 10_000))


def ratio_of(celsius: float, beta: float) -> int:
    """The reference page's equation, R = R25 * exp(B * (1/T - 1/298.15))."""
    return count_of(10_000 * math.exp(beta * (1 / (celsius + 273.15) - 1 / 298.15)))


def settled(table: tuple[int, ...], celsius: float, beta: float = 3435) -> Ntc:
    """A thermistor that has been read at this temperature."""
    ntc = Ntc(None, table)
    assert ntc.read(ratio_of(celsius, beta)) != NA
    return ntc


@pytest.mark.parametrize(("beta", "celsius", "ohm"), POINTS)
def test_the_reference_resistances(beta: int, celsius: int, ohm: int) -> None:
    """Each resistance of the reference page reads its temperature within 0.1 K."""
    assert abs(to_dc(TABLES[beta], count_of(ohm)) - celsius * 10) <= 1


@pytest.mark.parametrize("beta", [3435, 3950])
def test_the_table_against_its_equation(beta: int) -> None:
    """From -20 to 80 degC, each 0.05 K: less than 0.3 K off; from -40 to 120 less than 0.5 K."""
    for n in range(-800, 2401):
        celsius = n / 20
        off = abs(to_dc(TABLES[beta], ratio_of(celsius, beta)) / 10 - celsius)
        assert off < (0.3 if -20 <= celsius <= 80 else 0.5), celsius


@pytest.mark.parametrize("beta", [3435, 3950])
def test_every_number_of_the_table(beta: int) -> None:
    """Each point, every 5 K from -40 to 120 degC, is the equation's count."""
    assert TABLES[beta] == tuple(ratio_of(celsius, beta) for celsius in range(-40, 121, 5))


@pytest.mark.parametrize("beta", [3435, 3950])
def test_hotter_never_reads_colder(beta: int) -> None:
    """Over all counts the temperature falls as the count rises, without a step at the table's points."""
    read = [to_dc(TABLES[beta], count) for count in range(1311, 64225)]
    assert all(0 <= a - b <= 2 for a, b in pairwise(read))
    assert (read[0], read[-1]) == (1200, -400)


def test_the_wrong_type_shows() -> None:
    """The two betas are 3 K apart near freezing: the type belongs in the board."""
    apart = to_dc(BETA_3435, count_of(33_621)) - to_dc(BETA_3950, count_of(33_621))
    assert -40 <= apart <= -30 or 30 <= apart <= 40


@pytest.mark.parametrize(("share", "known"), [(0.981, False), (0.979, True), (0.019, False), (0.021, True),
                                              (1.0, False), (0.0, False)])
def test_open_and_short(share: float, known: bool) -> None:
    """Above 0.98 of the supply the thermistor is open, below 0.02 shorted."""
    for table in TABLES.values():
        assert (to_dc(table, round(65535 * share)) != NA) == known


def test_a_slow_change_is_followed() -> None:
    """Up to 5 K/s, half a kelvin a reading, every reading counts."""
    ntc = settled(BETA_3435, 20.0)
    for n in range(1, 60):
        assert abs(ntc.read(ratio_of(20.0 + 0.4 * n, 3435)) - (200 + 4 * n)) <= 1


def test_a_leap_is_no_reading() -> None:
    """More than 5 K/s is not believed; when the old value comes back, it counts at once."""
    ntc = settled(BETA_3435, 20.0)
    assert ntc.read(ratio_of(20.7, 3435)) == NA
    assert ntc.read(ratio_of(60.0, 3435)) == NA
    assert ntc.read(ratio_of(20.0, 3435)) == 200


def test_a_leap_that_stays_becomes_the_truth() -> None:
    """A steady other temperature is taken after 2 s: late enough for the fault to be told, so that it can end."""
    ntc = settled(BETA_3435, 20.0)
    read = [ntc.read(ratio_of(60.0, 3435)) for _ in range(22)]
    assert read[:20] == [NA] * 20 and read[20:] == [600, 600]


def test_a_restless_reading_never_becomes_the_truth() -> None:
    """Values that leap about are not taken, however long they do."""
    ntc = settled(BETA_3435, 20.0)
    assert all(ntc.read(ratio_of(60.0 + 5 * (n % 2), 3435)) == NA for n in range(200))


def test_a_loose_wire() -> None:
    """Open is NA at once; back at the old temperature counts at once, back at another only when steady."""
    ntc = settled(BETA_3435, 20.0)
    assert ntc.read(65535) == NA and ntc.read(ratio_of(20.0, 3435)) == 200
    assert ntc.read(65535) == NA
    assert [ntc.read(ratio_of(30.0, 3435)) for _ in range(21)].count(NA) == 20


@pytest.mark.need("micropython32")
def test_no_reading_allocates(tmp_path: Path) -> None:
    """On 32-bit MicroPython, heap locked, all counts and faults give what CPython gave."""
    counts = [ratio_of(20.0, 3950)] * 2 + [65535, 0, 40_000] + [ratio_of(60.0, 3950)] * 24 + list(range(0, 65536, 257))
    ntc = Ntc(None, BETA_3950)
    expected = [(ntc.read(count), to_dc(BETA_3435, count)) for count in counts]
    script = f"""
from drivers.ntc import BETA_3435, BETA_3950, Ntc, to_dc
counts = {counts!r}
ntc = Ntc(None, BETA_3950)
def cycle(n, out, at):
    out[at] = ntc.read(counts[n])
    out[at + 1] = to_dc(BETA_3435, counts[n])
run(cycle, len(counts), 2)
"""
    assert on_micropython(tmp_path, script) == expected
