"""The divider bank against simulated dividers, wires and converter, and its error budget against their worst."""

from __future__ import annotations

import math
import re
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from drivers import adc_bank
from drivers.adc_bank import AdcBank
from drivers.adc_budget import AdcBudget, external_16_bit, stm32g4
from drivers.ntc import BETA_3435, Ntc
from node.measure import NA

from firmware.drivers.tape import Recorder, on_micropython
from twolbms.sim.chips.adc_bank import TOP_OHM, DividerBank, full_mv, meter_sums

CELLS = 8
KNOWN = (25_800, 27_150)  # 1.212 V of 3.0 V, 2.5 % either way
FULL_MV = [full_mv(ohm) for ohm in TOP_OHM]
TOP_INT = [int(ohm) for ohm in TOP_OHM]
TRUE_V = [3.300, 3.310, 3.290, 3.305, 3.320, 3.280, 3.300, 3.315]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "measuring.md"


def rows(error_mv: int = 1000, **other: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"CELLS": CELLS, "SENSORS": 4, "CAL_GAIN_PPM_MAX": 5000, "CAL_OFFSET_MV_MAX": 10,
                              "ADC_ERROR_MV": error_mv, **other})


class Bench:
    """A bank of ideal parts and 16 bits, unless told otherwise, with its driver."""

    def __init__(self, bits: int = 16, taped: list[Any] | None = None, shift: int = 4, **parts: Any) -> None:
        self.bank = DividerBank(list(TRUE_V), [20.0, 21.0, 22.0, 23.0], bits=bits, **parts)
        b = self.bank

        def on(adc: Any) -> Any:
            return adc if taped is None else Recorder(adc, taped)
        self.budget = stm32g4(FULL_MV, TOP_INT)
        self.driver = AdcBank([on(adc) for adc in b.taps], FULL_MV, [Ntc(on(adc), BETA_3435) for adc in b.ntcs],
                              self.budget, on(b.known), *KNOWN, pack=on(b.pack), pack_full_mv=FULL_MV[-1],
                              link=on(b.link), link_full_mv=FULL_MV[-1], shift=shift)
        self.m = SimpleNamespace(cell_mv=[NA] * CELLS, temp_dc=[NA] * 4, pack_mv=NA, link_mv=NA, current_ma=7)
        self.code = self.driver.start(rows())

    def read(self) -> list[int]:
        assert self.driver.read_into(self.m)
        return list(self.m.cell_mv)

    def cut(self, k: int) -> None:
        self.bank.dividers[k].wire_ohm = math.inf


def test_cells_are_differences_of_neighbouring_taps() -> None:
    """With ideal parts every cell reads within 2 mV, and pack and link have dividers of their own."""
    bench = Bench()
    bench.bank.link_v = 24.0
    assert bench.code == adc_bank.OK
    assert all(abs(mv - v * 1000) <= 2 for mv, v in zip(bench.read(), TRUE_V, strict=True))
    assert abs(bench.m.pack_mv - 26_420) <= 1 and abs(bench.m.link_mv - 24_000) <= 1
    assert bench.m.current_ma == 7  # not its to measure
    assert [round(dc / 10) for dc in bench.m.temp_dc] == [20, 21, 22, 23]


@pytest.mark.parametrize("cell", range(CELLS))
def test_one_cell_moves_alone(cell: int) -> None:
    """A cell raised by 200 mV is that cell, and no other."""
    bench = Bench()
    before = bench.read()
    bench.bank.cells_v[cell] += 0.2
    moved = [after - mv for after, mv in zip(bench.read(), before, strict=True)]
    assert [abs(d - (200 if n == cell else 0)) <= 2 for n, d in enumerate(moved)] == [True] * CELLS


@pytest.mark.parametrize("shift", [0, 2, 4, 6, 10])
def test_averaging_of_any_length(shift: int) -> None:
    """From one to 1,024 conversions a channel the scale is the same, and noise falls."""
    bench = Bench(shift=shift)
    assert all(abs(mv - v * 1000) <= 2 for mv, v in zip(bench.read(), TRUE_V, strict=True))


def test_averaging_quietens_noise() -> None:
    """Sixteen conversions of 2 counts of noise stay within four sigma of half a count."""
    bench = Bench(bits=12, noise_lsb=2.0)
    reads = [bench.read()[7] for _ in range(60)]
    mean = sum(reads) / len(reads)
    assert max(abs(mv - mean) for mv in reads) <= 4 * math.hypot(*[0.5 * mv / 4096 for mv in FULL_MV[6:8]]) + 2


def test_a_round_is_counted() -> None:
    """Each complete round moves `samples` by one; values that do not change are new all the same."""
    bench = Bench()
    before = bench.driver.samples
    assert bench.read() == bench.read() and bench.driver.samples == before + 2


@pytest.mark.parametrize("channel", ["taps", "ntcs", "known", "pack"])
def test_a_converter_that_fails_gives_no_round(channel: str) -> None:
    """One failing conversion: nothing of the round is kept, it is counted, and the age rises."""
    bench = Bench()
    bench.read()
    adc = getattr(bench.bank, channel)
    adc = adc[2] if isinstance(adc, list) else adc
    adc.broken = True
    before = bench.driver.samples
    for lost in (1, 2):
        assert not bench.driver.read_into(bench.m)
        assert set(bench.m.cell_mv) == {NA} == set(bench.m.temp_dc) and bench.m.pack_mv == NA
        assert (bench.driver.errors, bench.driver.comms_age) == (lost, lost)
    assert bench.driver.samples == before
    adc.broken = False
    bench.read()
    assert bench.driver.comms_age == 0


@pytest.mark.parametrize("repeats", [0, 13_000, 48_000, 52_000, 65_535])
def test_a_converter_that_repeats_itself_is_noticed(repeats: int) -> None:
    """The same count on all channels looks like eight good cells: the known voltage tells it apart."""
    bench = Bench()
    bench.read()
    bench.bank.repeats = repeats
    assert not bench.driver.read_into(bench.m) and set(bench.m.cell_mv) == {NA} and bench.driver.errors


@pytest.mark.parametrize(("reference", "good"), [(1.0, True), (1.02, True), (0.98, True), (1.03, False), (0.97, False),
                                                 (1.1, False)])
def test_a_wrong_reference_is_noticed(reference: float, good: bool) -> None:
    """A reference 3 % off moves the known voltage out of its window: no start, and no reading."""
    bench = Bench()
    bench.bank.reference = reference
    assert bench.driver.read_into(bench.m) == good
    assert bench.driver.start(rows()) == (adc_bank.OK if good else adc_bank.ERROR_REFERENCE)


@pytest.mark.parametrize("k", range(CELLS))
def test_an_open_wire_is_named(k: int) -> None:
    """The divider pulls a tap whose wire is off to ground: it is counted, named, and both its cells are unknown."""
    bench = Bench()
    bench.cut(k)
    cells = bench.read()
    assert bench.driver.open_wires == 1
    assert bench.driver.open_wire_mask == bytearray([1 << k]) + bytes(15)
    assert [mv == NA for mv in cells] == [n in (k, k + 1) for n in range(CELLS)]
    bench.bank.dividers[k].wire_ohm = 0.0
    bench.read()
    assert bench.driver.open_wires == 0 and not any(bench.driver.open_wire_mask)


def test_several_open_wires() -> None:
    """Each is counted; neighbours too."""
    bench = Bench()
    for k in (0, 3, 4, 7):
        bench.cut(k)
    bench.read()
    assert bench.driver.open_wires == 4 and bench.driver.open_wire_mask[0] == 0b10011001


@pytest.mark.parametrize("k", range(CELLS))
def test_a_lower_resistor_that_is_off(k: int) -> None:
    """Without its lower resistor a tap goes to full scale: unknown, not a high cell."""
    bench = Bench()
    bench.bank.dividers[k].bottom_open = True
    cells = bench.read()
    assert cells[k] == NA and bench.driver.open_wire_mask[0] & 1 << k
    assert k == CELLS - 1 or cells[k + 1] == NA


def test_taps_out_of_order_are_both_doubted() -> None:
    """A tap far below its lower neighbour: one of the two is wrong, so neither counts."""
    bench = Bench()
    bench.bank.dividers[4].bottom = 0.7
    cells = bench.read()
    assert bench.driver.open_wire_mask[0] == 0b11000 and cells[3:6] == [NA] * 3


def test_a_poor_contact_moves_two_cells_apart() -> None:
    """1 kOhm in a wire is not open: its cell reads low and the one above high, which the limits then see."""
    bench = Bench()
    bench.bank.dividers[5].wire_ohm = 1_000.0
    cells = bench.read()
    assert cells[5] < TRUE_V[5] * 1000 - 200 and cells[6] > TRUE_V[6] * 1000 + 200


@pytest.mark.parametrize("n", range(4))
def test_broken_thermistors(n: int) -> None:
    """Open and shorted thermistors are unknown, the others go on."""
    for fault in ("open", "short"):
        bench = Bench()
        bench.read()
        bench.bank.ntc_fault[n] = fault
        bench.read()
        assert [dc == NA for dc in bench.m.temp_dc] == [i == n for i in range(4)]


def test_thermistors_do_not_see_the_reference() -> None:
    """They are ratios: a reference 2 % off changes no temperature."""
    bench = Bench()
    bench.read()
    before = list(bench.m.temp_dc)
    bench.bank.reference = 1.02
    bench.read()
    assert bench.m.temp_dc == before


def test_calibration_by_gain_and_offset() -> None:
    """Gain in ppm and offset in mV are applied to each tap."""
    bench = Bench()
    plain = bench.read()
    bench.driver.gain_ppm[7], bench.driver.offset_mv[7] = 5000, -10
    bench.driver.offset_mv[0] = 4
    moved = [after - mv for after, mv in zip(bench.read(), plain, strict=True)]
    assert moved[:2] == [4, -4] and moved[2:7] == [0] * 5 and abs(moved[7] - (132 - 10)) <= 1


@pytest.mark.parametrize(("gain", "offset", "good"), [(5000, 10, True), (-5000, -10, True), (5001, 0, False),
                                                      (-5001, 0, False), (0, 11, False), (0, -11, False)])
@pytest.mark.parametrize("k", [0, 7])
def test_calibration_is_bounded(k: int, gain: int, offset: int, good: bool) -> None:
    """The pack's bounds hold for every tap; a bank beyond them neither starts nor reads."""
    bench = Bench()
    bench.driver.gain_ppm[k], bench.driver.offset_mv[k] = gain, offset
    code = bench.driver.start(rows())
    assert code == (adc_bank.OK if good else adc_bank.ERROR_CALIBRATION)
    assert bench.driver.read_into(bench.m) == good == bench.driver.config_ok


def test_nothing_is_read_without_a_start() -> None:
    """A bank that was never checked against its image gives no cells."""
    bench = Bench()
    b = bench.bank
    idle = AdcBank(b.taps, FULL_MV, [Ntc(adc, BETA_3435) for adc in b.ntcs], bench.budget, b.known, *KNOWN)
    assert not idle.read_into(bench.m) and set(bench.m.cell_mv) == {NA}


@pytest.mark.parametrize("change", [{"CELLS": 7}, {"CELLS": 9}, {"SENSORS": 3}])
def test_the_bank_fits_the_pack(change: dict[str, int]) -> None:
    """As many taps as cells and as many thermistors as sensors."""
    assert Bench().driver.start(rows(**change)) == adc_bank.ERROR_SHAPE


def test_an_image_that_does_not_allow_for_the_error_is_refused() -> None:
    """ADC_ERROR_MV of the image must be at least the worst error of this bank; an image without it is refused."""
    bench = Bench()
    worst = bench.driver.worst_error_mv()
    assert bench.driver.start(rows(worst)) == adc_bank.OK
    assert bench.driver.start(rows(worst - 1)) == adc_bank.ERROR_BUDGET
    bare = rows()
    del bare.ADC_ERROR_MV
    assert bench.driver.start(bare) == adc_bank.ERROR_BUDGET and not bench.driver.read_into(bench.m)


def test_a_bank_has_no_switches() -> None:
    """balance() is there and does nothing; there is no hard trip."""
    bench = Bench()
    bench.driver.balance(bytearray(b"\xff" * 16))
    assert bench.driver.hard_trip == 0


# What the data sheets allow: typed again from the sources named in docs/measuring.md.
INL_LSB, OFFSET_LSB, NOISE_SIGMA = 3.4, 4.5, 1.5  # 4 sigma of 16 averaged conversions: 1.5 counts
TOLERANCE, TCR, AGEING, SPAN_K = 0.001, 10e-6, 100e-6, 35.0
LEAKAGE_A, REFERENCE_START, REFERENCE_TCR, REFERENCE_AGEING = 100e-9, 0.0005, 10e-6, 100e-6
METER_PPM, METER_V = 500.0, 0.003


def calibrated(bench: Bench, pick: Any) -> None:
    """Builds a bank of off parts at 25 degC and calibrates its gains by a meter, cell by cell."""
    b = bench.bank
    b.reference = 1 + pick("reference start", 1) * REFERENCE_START
    for k, divider in enumerate(b.dividers[:CELLS]):
        divider.top = 1 + pick("top", k) * TOLERANCE
        divider.bottom = 1 + pick("bottom", k) * TOLERANCE
        b.taps[k].offset_lsb = pick("offset", k) * OFFSET_LSB + pick("inl before", k) * INL_LSB
    digits = [pick("digits", n) * METER_V for n in range(CELLS)]
    metered = meter_sums(b.cells_v, pick("meter", 1) * METER_PPM, digits)
    sums = [0.0] * CELLS
    for _ in range(16):
        bench.read()
        for k in range(CELLS):
            sums[k] += bench.driver._tap_mv[k] / 16
    for k in range(CELLS):
        bench.driver.gain_ppm[k] = round((metered[k] * 1000 / sums[k] - 1) * 1e6)
    assert bench.driver.start(rows()) == adc_bank.OK  # within 5,000 ppm


def aged(bench: Bench, pick: Any) -> None:
    """The same bank 35 K away and a year later."""
    b = bench.bank
    drift = TCR * SPAN_K + AGEING
    b.reference *= 1 + pick("reference drift", 1) * (REFERENCE_TCR * SPAN_K + REFERENCE_AGEING)
    for k, divider in enumerate(b.dividers[:CELLS]):
        divider.top *= 1 + pick("top drift", k) * drift
        divider.bottom *= 1 + pick("bottom drift", k) * drift
        divider.leakage_a = pick("leakage", k) * LEAKAGE_A
        b.taps[k].offset_lsb = pick("offset", k) * OFFSET_LSB + pick("inl after", k) * INL_LSB


def errors_mv(bench: Bench, volts: float) -> list[float]:
    bench.bank.cells_v = [volts] * CELLS
    return [mv - volts * 1000 for mv in bench.read()]


@pytest.mark.parametrize("seed", range(60))
def test_no_random_bank_exceeds_its_budget(seed: int) -> None:
    """Parts drawn from all of their data sheets' ranges: every cell at 2.5, 3.3 and 3.65 V stays within error_mv."""
    random = Random(seed)
    memory: dict[tuple[str, int], float] = {}

    def pick(name: str, k: int) -> float:
        return memory.setdefault((name, k), random.uniform(-1, 1))
    bench = Bench(bits=12, noise_lsb=NOISE_SIGMA, seed=seed)
    calibrated(bench, pick)
    aged(bench, pick)
    for volts in (2.5, 3.3, 3.65):
        for n, off in enumerate(errors_mv(bench, volts)):
            assert abs(off) <= bench.driver.error_mv(n), (n, volts)


@pytest.mark.parametrize("cell", range(CELLS))
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_worst_bank_just_fits_its_budget(cell: int, sign: int) -> None:
    """With every part at its end, against this cell, the error is within the budget and above four fifths of it."""
    high = {"bottom drift", "leakage", "inl after", "digits", "meter", "noise"}
    low = {"top drift", "inl before", "offset", "reference drift"}  # a higher reference reads lower

    def pick(name: str, k: int) -> float:
        side = sign if k == cell or name in ("meter", "digits", "reference drift") else -sign
        return side if name in high else -side if name in low else 0.0
    bench = Bench(bits=12)
    bench.bank.cells_v = [3.1] * CELLS  # the lowest that may be calibrated at
    calibrated(bench, pick)
    aged(bench, pick)
    for k in range(CELLS):
        bench.bank.taps[k].offset_lsb += pick("noise", k) * 4 * NOISE_SIGMA / 4
    off = errors_mv(bench, 3.65)[cell]
    budget = bench.driver.error_mv(cell)
    assert 0.8 * budget <= sign * off <= budget


def test_the_budget_by_hand() -> None:
    """Cell 8 on the G4's converter, added up by hand: 10.7 counts of 7.88 mV, 817 ppm of 29.2 V, 9.8 mV, and so on."""
    lsb = [mv / 4096 for mv in FULL_MV]
    hand = 0.0
    for k in (6, 7):
        hand += (2.2 * 3.4 + 1.2 + 1.5 + 0.5) * lsb[k]
        hand += 2 * 450e-6 * (1 - 3000 / FULL_MV[k]) * 3650 * (k + 1)
        hand += 100e-9 * TOP_OHM[k] * 1000
    hand += (450e-6 + 500e-6) * 3650 + 3.6 + 2
    assert abs(stm32g4(FULL_MV, TOP_INT).error_mv(7) - hand) <= 1.5


def page_rows() -> dict[str, list[int]]:
    """The rows of the page's table of errors by cell."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^\| (G4[^|]*|16-bit[^|]*|cheap[^|]*) \|((?: \d+ \|){8})", text, re.M)
    return {name: [int(number) for number in re.findall(r"\d+", numbers)] for name, numbers in found}


@pytest.mark.parametrize(("name", "budget"), [
    ("G4, 10 ppm/K resistors", stm32g4(FULL_MV, TOP_INT)),
    ("G4, 25 ppm/K resistors", stm32g4(FULL_MV, TOP_INT, tcr_ppm_k=25)),
    ("16-bit converter, 10 ppm/K resistors", external_16_bit(FULL_MV, TOP_INT)),
    ("16-bit converter, matched networks", external_16_bit(FULL_MV, TOP_INT, tcr_ppm_k=2, ageing_ppm=50)),
    ("cheap: supply as reference, 100 ppm/K", AdcBudget(FULL_MV, TOP_INT, 12, 34, 45, 15, 100, 1000, 35, 100, 3000, 200,
                                                          2000, 500, 3))])
def test_the_page_prints_the_budget(name: str, budget: AdcBudget) -> None:
    """Every number of docs/measuring.md's error table is what error_mv gives."""
    assert page_rows()[name] == [budget.error_mv(n) for n in range(CELLS)]


@pytest.mark.need("micropython32")
def test_no_cycle_allocates(tmp_path: Path) -> None:
    """On 32-bit MicroPython, heap locked, open wires, faults and a failing converter give what CPython gave."""
    tape: list[Any] = []
    bench = Bench(bits=12, taped=tape, noise_lsb=1.5)
    bench.driver.gain_ppm[7], bench.driver.offset_mv[7] = -5000, 10
    expected = []
    for n in range(9):
        bench.bank.dividers[5].wire_ohm = math.inf if n == 2 else 0.0
        bench.bank.dividers[2].bottom_open = n == 3
        bench.bank.dividers[4].bottom = 0.7 if n == 4 else 1.0
        bench.bank.ntc_fault = {1: "open"} if n == 5 else {}
        bench.bank.taps[3].broken = n == 6
        bench.bank.repeats = 48_000 if n == 7 else None
        fresh = bench.driver.read_into(bench.m)
        d = bench.driver
        expected.append((int(fresh), *bench.m.cell_mv, *bench.m.temp_dc, bench.m.pack_mv, bench.m.link_mv, d.open_wires,
                         d.open_wire_mask[0], d.errors, d.comms_age, d.samples))
    assert len({line[15] for line in expected}) >= 3 and expected[-1][0]
    script = f"""
from drivers.adc_bank import AdcBank
from drivers.adc_budget import stm32g4
from drivers.ntc import BETA_3435, Ntc
class M: pass
m = M()
m.cell_mv = array("i", [0] * 8)
m.temp_dc = array("i", [0] * 4)
m.pack_mv = m.link_mv = 0
rows = M()
rows.CELLS, rows.SENSORS, rows.CAL_GAIN_PPM_MAX, rows.CAL_OFFSET_MV_MAX, rows.ADC_ERROR_MV = 8, 4, 5000, 10, 231
t = Tape({tape!r})
full = {FULL_MV!r}
d = AdcBank([t] * 8, full, [Ntc(t, BETA_3435) for _ in range(4)], stm32g4(full, {TOP_INT!r}), t, {KNOWN[0]}, {KNOWN[1]},
            pack=t, pack_full_mv=full[7], link=t, link_full_mv=full[7])
assert d.start(rows) == 0
d.gain_ppm[7] = -5000
d.offset_mv[7] = 10
def cycle(n, out, at):
    out[at] = d.read_into(m)
    for i in range(8):
        out[at + 1 + i] = m.cell_mv[i]
    for i in range(4):
        out[at + 9 + i] = m.temp_dc[i]
    out[at + 13] = m.pack_mv
    out[at + 14] = m.link_mv
    out[at + 15] = d.open_wires
    out[at + 16] = d.open_wire_mask[0]
    out[at + 17] = d.errors
    out[at + 18] = d.comms_age
    out[at + 19] = d.samples
    d.balance(None)
run(cycle, 9, 20)
"""
    assert on_micropython(tmp_path, script) == expected
