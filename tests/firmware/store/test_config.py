"""A node's number, serial and calibration: bounded by the pack, made for its limits, or the node stays open."""

from __future__ import annotations

from array import array
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store.config import Config
from store.config_form import bound, load, pack, same, unpack, values, wrong
from store.record import Record

NA = -(1 << 28)
LIMITS = SimpleNamespace(
    CELLS=3, SENSORS=2, HASH_LOW=0x1234, HASH_HIGH=0xABCD, CAL_GAIN_PPM_MAX=50000, CAL_OFFSET_MV_MAX=100,
    CAL_CURRENT_PPM_MAX=50000, CAL_CURRENT_MA_MAX=5000, CAL_TEMP_DC_MAX=50)


def of_limits(**changed: Any) -> Any:
    return SimpleNamespace(**{**vars(LIMITS), **changed})


def good(limits: Any = LIMITS) -> Config:
    config = Config(limits)
    config.number, config.serial = 17, "LFP-0017"
    config.current_gain_ppm, config.current_offset_ma = -1500, 120
    config.cell_gain_ppm = array("i", [100, -200, 300])
    config.cell_offset_mv = array("i", [-3, 0, 4])
    config.temp_offset_dc = array("i", [5, -7])
    return config


def stored(tmp_path: Path, config: Config, limits: Any = LIMITS) -> Config:
    """`config` through flash, read by a node with `limits`."""
    record = Record(str(tmp_path / "config"))
    assert record.write(pack(config)) and record.write(pack(config))
    return load(limits, Record(str(tmp_path / "config")))


def test_comes_back_whole(tmp_path: Path) -> None:
    """What was stored is what is loaded, and sound."""
    found = stored(tmp_path, good())
    assert found.sound and found.reason == "" and same(found, good())
    assert (found.number, found.serial, found.hash_low, found.hash_high) == (17, "LFP-0017", 0x1234, 0xABCD)


def test_nothing_stored(tmp_path: Path) -> None:
    """Without a configuration the node has number 0, corrects nothing, and is not sound."""
    found = load(LIMITS, Record(str(tmp_path / "config")))
    assert not found.sound and found.number == 0 and found.reason == "no configuration is stored"
    assert same(found, Config(LIMITS))


def test_damaged_copies(tmp_path: Path) -> None:
    """Of two copies either may be lost; when both are damaged the node is not sound and says so."""
    stored(tmp_path, good())
    (tmp_path / "config.0").write_bytes(b"\xff" * 80)
    assert same(load(LIMITS, Record(str(tmp_path / "config"))), good())
    (tmp_path / "config.1").write_bytes(b"\0" * 80)
    found = load(LIMITS, Record(str(tmp_path / "config")))
    assert not found.sound and found.number == 0 and "damaged" in found.reason


@pytest.mark.parametrize("half", ["HASH_LOW", "HASH_HIGH"])
def test_made_for_other_limits(half: str, tmp_path: Path) -> None:
    """Another limit hash keeps the node open, but under its own number, and saving again is all that is missing."""
    found = stored(tmp_path, good(), of_limits(**{half: 1}))
    assert not found.sound and "ABCD1234" in found.reason and same(found, good())
    assert stored(tmp_path, found, of_limits(**{half: 1})).sound


@pytest.mark.parametrize("shape", [{"CELLS": 4}, {"SENSORS": 1}])
def test_made_for_another_pack(shape: dict[str, int], tmp_path: Path) -> None:
    """A calibration for another number of cells or sensors is not used."""
    found = stored(tmp_path, good(), of_limits(**shape))
    assert not found.sound and found.number == 17 and "3 cells and 2 sensors" in found.reason
    assert not any(found.cell_gain_ppm) and found.current_gain_ppm == 0


@pytest.mark.parametrize("column, key", [
    ("CAL_GAIN_PPM_MAX", "cell_gain_ppm"), ("CAL_OFFSET_MV_MAX", "cell_offset_mv"),
    ("CAL_CURRENT_PPM_MAX", "current_gain_ppm"), ("CAL_CURRENT_MA_MAX", "current_offset_ma"),
    ("CAL_TEMP_DC_MAX", "temp_offset_dc")])
def test_the_packs_row_bounds_it(column: str, key: str, tmp_path: Path) -> None:
    """A value at its bound is sound, one beyond it is not, and then nothing at all is corrected."""
    most = max(abs(value) for value in values(good(), key))
    assert stored(tmp_path, good(), of_limits(**{column: most})).sound
    found = stored(tmp_path, good(), of_limits(**{column: most - 1}))
    assert not found.sound and found.reason == f"{key}: the pack's row allows {most - 1}"
    m = SimpleNamespace(cell_mv=array("i", [3300] * 3), current_ma=1000, temp_dc=array("i", [250] * 2))
    found.correct(m)
    assert (list(m.cell_mv), m.current_ma, list(m.temp_dc)) == ([3300] * 3, 1000, [250] * 2)


def test_a_pack_without_bounds_allows_nothing() -> None:
    """Limits made before there were bounds allow no calibration."""
    bare = SimpleNamespace(CELLS=3, SENSORS=2, HASH_LOW=0, HASH_HIGH=0)
    assert bound(bare, "cell_gain_ppm") == 0
    assert wrong(good(bare)) == "cell_gain_ppm: the pack's row allows 0"


@pytest.mark.parametrize("number, right", [(0, False), (1, True), (127, True), (128, False), (255, False)])
def test_numbers(number: int, right: bool, tmp_path: Path) -> None:
    """A node's number is 1 to 127; another one in flash is number 0."""
    config = good()
    config.number = number
    found = stored(tmp_path, config)
    assert found.sound is right and found.number == (number if right else 0)


@pytest.mark.parametrize("serial, right", [
    ("", True), ("A" * 16, True), ("A" * 17, False), (" A", False), ("A\n", False), ("Ä", False), ("a b", True)])
def test_serials(serial: str, right: bool) -> None:
    """A serial is at most 16 printable ASCII characters."""
    config = good()
    config.serial = serial
    assert (wrong(config) == "") is right


def test_every_bit_of_a_payload_is_judged() -> None:
    """Whatever a payload holds, it is taken as sound only when all of it is within the bounds; nothing raises."""
    whole = pack(good())
    sound = 0
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        found = Config(LIMITS)
        unpack(found, bytes(data))
        assert found.sound == (found.reason == "")
        if found.sound:
            assert wrong(found) == "" and (found.hash_low, found.hash_high) == (LIMITS.HASH_LOW, LIMITS.HASH_HIGH)
            sound += 1
    assert 0 < sound < 8 * len(whole)
    for length in range(len(whole)):
        found = Config(LIMITS)
        unpack(found, whole[:length])
        assert not found.sound


def corrected(cells: list[int], ma: int, temps: list[int], config: Config) -> SimpleNamespace:
    m = SimpleNamespace(cell_mv=array("i", cells), current_ma=ma, temp_dc=array("i", temps))
    config.arm()
    config.correct(m)
    return m


def test_a_correction_by_hand() -> None:
    """3,300 mV with 300 ppm and 4 mV reads 3,305; 100 A with -1,500 ppm and 120 mA reads 99.97 A."""
    m = corrected([3300, 3300, 3300], 100000, [250, -10], good())
    assert list(m.cell_mv) == [3297, 3299, 3305]
    assert m.current_ma == 99970 and list(m.temp_dc) == [255, -17]


def test_what_is_not_available_stays_so() -> None:
    """A missing reading is never corrected into a number."""
    m = corrected([NA, 3300, NA], NA, [NA, 0], good())
    assert m.cell_mv[0] == m.cell_mv[2] == m.current_ma == m.temp_dc[0] == NA


@given(st.integers(-16382, 16382), st.integers(-50000, 50000), st.integers(-100, 100))
def test_cells_are_rounded_to_nearest(mv: int, gain: int, offset: int) -> None:
    """A corrected cell is within half a millivolt of the exact value, and no product leaves 31 bits."""
    config = Config(LIMITS)
    config.cell_gain_ppm[1], config.cell_offset_mv[1] = gain, offset
    found = corrected([3300, mv, 3300], 0, [0, 0], config).cell_mv[1]
    assert abs(found - (mv + Fraction(mv * gain, 10**6) + offset)) <= Fraction(1, 2)
    assert abs(mv * gain) + 500000 < 1 << 30


@given(st.integers(-2000000, 2000000), st.integers(-50000, 50000), st.integers(-5000, 5000))
def test_current_is_rounded(ma: int, gain: int, offset: int) -> None:
    """A corrected current is within 1 mA of the exact value up to 2,000 A, and no product leaves 31 bits."""
    config = Config(LIMITS)
    config.current_gain_ppm, config.current_offset_ma = gain, offset
    found = corrected([0] * 3, ma, [0, 0], config).current_ma
    assert abs(found - (ma + Fraction(ma * gain, 10**6) + offset)) <= 1
    assert abs(ma // 1000 * gain) + 1000 * abs(gain) < 1 << 30


def test_readings_out_of_this_world() -> None:
    """A cell the bus could not tell is left alone; a current beyond 2,000 A counts as 2,000 A."""
    config = good()
    m = corrected([16383, -16383, 1 << 27], 1 << 27, [0, 0], config)
    assert list(m.cell_mv) == [16383, -16383, 1 << 27]
    assert m.current_ma == 2000000 - 3000 + 120


def test_drivers_that_calibrate_themselves() -> None:
    """What is handed to a driver is not applied a second time."""
    config = good()
    bank = SimpleNamespace(gain_ppm=array("i", [0] * 3), offset_mv=array("i", [0] * 3))
    sensor = SimpleNamespace(gain_ppm=0, offset_ma=0)
    config.arm()
    config.give_cells(bank)
    config.give_current(sensor)
    m = SimpleNamespace(cell_mv=array("i", [3300] * 3), current_ma=1000, temp_dc=array("i", [250, 250]))
    config.correct(m)
    assert list(m.cell_mv) == [3300] * 3 and m.current_ma == 1000 and list(m.temp_dc) == [255, 243]
    assert list(bank.gain_ppm) == [100, -200, 300] and list(bank.offset_mv) == [-3, 0, 4]
    assert (sensor.gain_ppm, sensor.offset_ma) == (-1500, 120)


@pytest.mark.parametrize("name", ["lfp_8s_320ah", "leaf_2013_14s"])
def test_our_packs_have_bounds(name: str) -> None:
    """Each generated pack bounds every calibration, within what the correction can multiply."""
    limits = getattr(__import__(f"generated.limits_{name}"), f"limits_{name}")
    most = {"cell_gain_ppm": 50000, "cell_offset_mv": 100, "current_gain_ppm": 50000, "current_offset_ma": 5000,
            "temp_offset_dc": 50}
    for key, bounds in most.items():
        assert 0 < bound(limits, key) <= bounds


def test_nothing_to_correct() -> None:
    """A configuration without calibration leaves every reading as it is."""
    m = corrected([3300, NA, 1], -5, [7, NA], Config(LIMITS))
    assert list(m.cell_mv) == [3300, NA, 1] and m.current_ma == -5 and list(m.temp_dc) == [7, NA]
