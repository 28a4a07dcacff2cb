"""What the driver writes into a BQ76952 for a pack: thresholds typed again from the packs and the reference page."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from drivers.bq76952_memory import ERROR_RANGE, ERROR_TABLE, OK, Settings, outside
from drivers.bq76952_watch import Watch

from firmware.drivers.bq76952_bench import EIGHT, NEVER, SENSORS, limits
from twolbms.diagnoses import DIAGNOSES

FOURTEEN = (*range(1, 14), 16)
STEP_MV = 50.6


def written(rows: Any = None, inputs: tuple[int, ...] = EIGHT, sensors: tuple[int, ...] = SENSORS,
            micro_ohm: int = 250, gain_ppm: int = 0, **options: Any) -> dict[int, int]:
    """Every byte by its address."""
    settings = Settings(inputs, sensors, micro_ohm, **options)
    assert settings.plan(rows or limits(), gain_ppm) == OK
    return {address + n: value for address, data in settings.items for n, value in enumerate(data)}


def word(bytes_: dict[int, int], address: int) -> int:
    return bytes_[address] | bytes_[address + 1] << 8


def signed(value: int) -> int:
    return value - 256 if value > 127 else value


def test_the_rows_are_the_diagnoses() -> None:
    """The row numbers that become thresholds are those of the limit table."""
    names = ("cell_over_voltage", "cell_under_voltage", "charge_over_current", "discharge_over_current",
             "charge_over_temperature", "charge_under_temperature", "discharge_over_temperature",
             "discharge_under_temperature", "deep_discharge", "charge_peak_current", "discharge_peak_current")
    assert [DIAGNOSES[name].number for name in names] == [0, 1, 2, 3, 4, 5, 6, 7, 17, 18, 19]


def test_the_eight_cells() -> None:
    """3.65 V becomes 72 (3.643 V) and 2.5 V 49 (2.479 V), both acting after the firmware: 2047 is 6.76 s."""
    m = written()
    assert (m[0x9278], m[0x9275]) == (72, 49)
    assert word(m, 0x9279) == word(m, 0x9276) == 2047
    assert (m[0x927C], m[0x927B]) == (3, 10)  # 3.491 V and 2.985 V: the firmware clears at 3.45 and 3.0 V
    assert (m[0x9280], m[0x9281]) == (33, 127)  # 264 A on 0.25 mOhm, the peak row is 260 A
    assert (m[0x9282], m[0x9283]) == (35, 127)  # 280 A
    assert (m[0x9284], m[0x9285]) == (37, 10)  # 296 A: the outputs break 300 A
    assert (m[0x9286], m[0x9287]) == (7, 5)  # 150 mV is 600 A, 60 us
    assert [m[a] for a in range(0x929A, 0x92A0)] == [66, 8, 50, 66, 8, 50]  # 65 degC, 2 s and 5 s of asking
    assert [signed(m[a]) for a in range(0x92A6, 0x92AC)] == [-1, 3, 3, -31, 8, -27]
    assert [m[0x9261], m[0x9262], m[0x9263]] == [0xFC, 0x73, 0x02]


def test_the_leaf_modules() -> None:
    """4.2 V is 83 steps (4.1998 V), 3.0 V is 59 (2.985 V); no cold row trips, so UTC stays off."""
    from generated import limits_leaf_2013_14s as leaf
    m = written(leaf, FOURTEEN)
    assert (m[0x9278], m[0x9275]) == (83, 59)
    assert word(m, 0x9279) == (1000 + 5000 + 200) * 10 // 33 - 1  # 3.3 ms each, of which the chip counts two more
    assert (m[0x9280], m[0x9282], m[0x9284]) == (10, 18, 18)  # 80 A; 145 A would become 152, the outputs break 150
    assert word(m, 0x9276) == 2047  # 7.2 s, more than the chip can wait
    assert m[0x9286] == 3  # 300 A are 75 mV, the step below is 60
    assert m[0x9262] == 0x72
    assert word(m, 0x9304) == 0b1001111111111111


@pytest.mark.parametrize("trip", range(3400, 3700, 7))
def test_over_voltage_is_never_beyond_the_pack(trip: int) -> None:
    """The chip's over-voltage is the last step that does not exceed the trip, which is the maker's own limit."""
    threshold = written(limits(TRIP={0: trip}))[0x9278] * STEP_MV
    assert trip - STEP_MV < threshold <= trip


@pytest.mark.parametrize("trip", range(3400, 3700, 7))
def test_over_voltage_with_room(trip: int) -> None:
    """With the data sheet's maximum known, the threshold is the first step at or above the trip, inside the maximum."""
    threshold = written(limits(TRIP={0: trip}), highest_mv=trip + 60)[0x9278] * STEP_MV
    assert trip <= threshold < trip + STEP_MV
    tight = written(limits(TRIP={0: trip}), highest_mv=trip + 10)[0x9278] * STEP_MV
    assert trip - STEP_MV < tight <= trip + 10


@pytest.mark.parametrize("trip", range(2100, 2900, 13))
def test_under_voltage_is_the_first_step_below(trip: int) -> None:
    """The chip's under-voltage lies less than a step below the trip, and never below deep discharge."""
    threshold = written(limits(TRIP={1: trip}))[0x9275] * STEP_MV
    assert trip - STEP_MV < threshold <= trip and threshold >= 2000


@pytest.mark.parametrize("deep", range(2400, 2500, 3))
def test_under_voltage_stays_above_deep_discharge(deep: int) -> None:
    """Where the step below would reach deep discharge the threshold is the first step above that."""
    threshold = written(limits(TRIP={1: 2500, 17: deep}))[0x9275] * STEP_MV
    assert deep <= threshold < max(2500, deep + STEP_MV)


@pytest.mark.parametrize("micro_ohm", [100, 125, 150, 200, 250, 333, 375])
def test_currents_lie_between_the_firmware_and_what_breaks(micro_ohm: int) -> None:
    """Over-current thresholds lie at or above the firmware's peak trips, or at most at what the outputs break."""
    m = written(micro_ohm=micro_ohm)
    amperes = [2000 * m[a] / micro_ohm for a in (0x9280, 0x9282, 0x9284)]
    step = 2000 / micro_ohm
    for a, peak in zip(amperes, (260, 280, 300), strict=True):
        assert a <= 300 and (a >= peak or a + step > 300)
    assert amperes[1] <= amperes[2]
    scd_mv = (10, 20, 40, 60, 80, 100, 125, 150, 175, 200, 250, 300, 350, 400, 450, 500)[m[0x9286]]
    assert 300 < scd_mv * 1000 / micro_ohm <= 600


@pytest.mark.parametrize(("index", "mv"), list(enumerate(
    (10, 20, 40, 60, 80, 100, 125, 150, 175, 200, 250, 300, 350, 400, 450, 500))))
def test_short_circuit_thresholds(index: int, mv: int) -> None:
    """The index of each threshold; a little less means the one below."""
    rows = limits(TRIP={2: 40_000, 3: 40_000, 18: 60_000, 19: 60_000}, BREAK_MAX_MA=90_000)
    assert written(rows, micro_ohm=100, short_ma=mv * 10_000)[0x9286] == index
    if index:
        assert written(rows, micro_ohm=100, short_ma=mv * 10_000 - 1)[0x9286] == index - 1


def test_slow_rows_stand_in_for_peaks() -> None:
    """A pack without peak rows is watched at its slow trips."""
    m = written(limits(TRIP={18: NEVER, 19: NEVER}))
    assert (m[0x9280], m[0x9282]) == (28, 30)  # 220 A are 55 mV, 240 A 60 mV


def test_rows_that_are_not_fitted_enable_nothing() -> None:
    """Without current and temperature trips only voltages, short circuit, die and host watchdog are watched."""
    rows = limits(TRIP={2: NEVER, 3: NEVER, 18: NEVER, 19: NEVER, 4: NEVER, 5: -NEVER, 6: NEVER, 7: -NEVER})
    m = written(rows)
    assert [m[a] for a in (0x9261, 0x9262, 0x9263)] == [0x8C, 0x40, 0x02]
    assert written(rows, sensors=())[0x9262] == 0x40


def test_no_thermistor_no_temperature_protection() -> None:
    """A pack whose thermistors hang elsewhere gets no temperature protections of the chip."""
    assert written(sensors=())[0x9262] == 0x40


def test_what_opens_which_fet() -> None:
    """CHG A is 0x98, which acts at once; the host watchdog opens both."""
    m = written()
    assert [m[a] for a in (0x9265, 0x9266, 0x9267)] == [0x98, 0xD5, 0x56]
    assert [m[a] for a in (0x9269, 0x926A, 0x926B)] == [0xE4, 0xE6, 0xE2]
    assert m[0x9267] & m[0x926B] & m[0x9263] == 0x02 and word(m, 0x92B2) == 2


def test_cells_and_pins() -> None:
    """The connected inputs, the thermistor pins, and nothing on the other pins."""
    m = written()
    assert word(m, 0x9304) == 0x807F
    assert [m[0x92FA + n] for n in range(9)] == [0, 0, 0, 7, 0, 7, 7, 7, 0]
    assert word(written(inputs=tuple(range(1, 17)), rows=limits(CELLS=16)), 0x9304) == 0xFFFF
    fet = written(fet_sensor=8, pin_functions=bytes((2, 2, 0, 0, 0, 0, 0, 0, 0)))
    assert [fet[0x92FA + n] for n in range(9)] == [2, 2, 0, 7, 0, 7, 7, 7, 0x0F]
    assert fet[0x9262] == 0xF3 and [fet[a] for a in (0x92A0, 0x92A1, 0x92A2)] == [80, 2, 65]


def test_power_fets_and_balancing() -> None:
    """SLEEP is off; TS2 as a thermistor changes SHUTDOWN; FETs start off; balancing ends after 10 s, half the cells."""
    m = written()
    assert word(m, 0x9234) == 0x2882 and word(written(sensors=(3, 4)), 0x9234) == 0x3882
    assert m[0x9308] == 0x2D and written(predischarge=True)[0x9308] == 0x3D
    assert (m[0x9335], m[0x9339], m[0x933A]) == (0, 10, 4)
    assert word(m, 0x926D) == 0xC082


@pytest.mark.parametrize(("peak", "unit", "code"), [(280_000, 10, 0x06), (32_000, 1, 0x05), (32_001, 10, 0x06)])
def test_the_unit_of_current(peak: int, unit: int, code: int) -> None:
    """Above 32 A a count is 10 mA; the range always reaches beyond every trip."""
    rows = limits(TRIP={2: 20_000, 3: 20_000, 18: peak, 19: peak}, BREAK_MAX_MA=max(40_000, peak))
    settings = Settings(EIGHT, SENSORS, 250 if peak > 100_000 else 1000)
    assert settings.plan(rows) == OK and settings.unit_ma == unit
    assert dict(settings.items)[0x9303] == bytes((code,))
    assert 32767 * unit > peak


def test_the_gain() -> None:
    """CC gain is 7.5684 over the shunt in mOhm, times the calibration."""
    def gain(**options: Any) -> float:
        m = written(**options)
        return float(struct.unpack("<f", bytes(m[0x91A8 + n] for n in range(4)))[0])
    assert gain() == pytest.approx(30.2736, rel=1e-6)
    assert gain(micro_ohm=100, short_ma=600_000) == pytest.approx(75.684, rel=1e-6)
    assert gain(gain_ppm=-5000) == pytest.approx(30.2736 * 0.995, rel=1e-6)


@pytest.mark.parametrize(("rows", "options", "code"), [
    ({"CELLS": 9}, {}, ERROR_TABLE),
    ({"SENSORS": 3}, {}, ERROR_TABLE),
    ({"TRIP": {0: NEVER}}, {}, ERROR_RANGE),
    ({"TRIP": {0: 5650}}, {}, ERROR_RANGE),
    ({"TRIP": {1: -NEVER}}, {}, ERROR_RANGE),
    ({"TRIP": {1: 900, 17: -NEVER}}, {}, ERROR_RANGE),
    ({}, {"micro_ohm": 10}, ERROR_RANGE),  # 260 A are 2.6 mV
    ({}, {"micro_ohm": 7, "short_ma": 2_000_000}, ERROR_RANGE),
    ({}, {"micro_ohm": 15, "short_ma": 1_000_000}, OK),  # 260 A are 3.9 mV: two steps
    ({}, {"micro_ohm": 476}, OK),  # 260 A are 123.8 mV
    ({}, {"micro_ohm": 500}, ERROR_RANGE),  # 260 A are 130 mV, OCC ends at 124
    ({"TRIP": {19: 330_000}, "BREAK_MAX_MA": 340_000}, {}, ERROR_RANGE),  # beyond 327 A
    ({"TRIP": {19: 320_001}, "BREAK_MAX_MA": 340_000}, {}, ERROR_RANGE),
    ({"TRIP": {19: 320_000}, "BREAK_MAX_MA": 340_000}, {}, OK),
    ({}, {"short_ma": 300_000}, ERROR_RANGE),  # no short while the outputs break it
    ({}, {"short_delay_us": 470}, ERROR_RANGE),
    ({"TRIP": {4: 1250}}, {}, ERROR_RANGE),
    ({"TRIP": {17: -NEVER}}, {}, OK),
    ({}, {"short_delay_us": 450}, OK)])
def test_a_pack_that_does_not_fit_is_refused(rows: dict[str, Any], options: dict[str, Any], code: int) -> None:
    """Cells, sensors, thresholds or a shunt that the chip cannot watch give a code, and nothing is written."""
    micro_ohm = options.pop("micro_ohm", 250)
    assert Settings(EIGHT, SENSORS, micro_ohm, **options).plan(limits(**rows)) == code


@pytest.mark.parametrize(("inputs", "sensors", "fet"), [
    ((1, 2), (), None), ((0, 1, 2), (), None), ((1, 2, 17), (), None), ((1, 3, 2), (), None), ((1, 2, 2), (), None),
    ((1, 2, 3), (9,), None), ((1, 2, 3), (3, 3), None), ((1, 2, 3), (3,), 3), (tuple(range(1, 18)), (), None)])
def test_a_table_that_is_no_wiring_is_refused(inputs: tuple[int, ...], sensors: tuple[int, ...],
                                              fet: int | None) -> None:
    """Inputs rise within 1 to 16, sensors have pins of their own: anything else never becomes a driver."""
    with pytest.raises(ValueError):
        Settings(inputs, sensors, 250, fet_sensor=fet)


def test_every_written_byte_is_compared() -> None:
    """The blocks cover each byte that is written; a bit of any of them that differs is found, others do not matter."""
    settings = Settings(EIGHT, SENSORS, 250)
    settings.plan(limits())
    window = bytearray(42)
    watch = Watch(SimpleNamespace(data=window), None)
    watch.take(settings.items)
    m = {address + n: value for address, data in settings.items for n, value in enumerate(data)}
    covered = set()
    for block, start in enumerate(watch.blocks):
        for n in range(32):
            window[2 + n] = m.get(start + n, 0xA5)
        assert watch.same(block)
        for n in range(32):
            for bit in range(8):
                window[2 + n] ^= 1 << bit
                if not watch.same(block):
                    covered.add((start + n, bit))
                window[2 + n] ^= 1 << bit
    assert covered == {(address, bit) for address in m for bit in range(8)}


@pytest.mark.parametrize(("trip", "step", "most", "steps"), [
    (100, 10, 100, 10), (101, 10, 200, 11), (101, 10, 105, 10), (109, 10, 110, 11), (-101, 10, -90, -10),
    (-101, 10, -101, -11)])
def test_outside(trip: int, step: int, most: int, steps: int) -> None:
    """The first step at or above the trip, or the last within what is bearable."""
    assert outside(trip, step, most) == steps
