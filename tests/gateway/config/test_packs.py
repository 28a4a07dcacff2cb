"""What the loader of guarded packs accepts and refuses."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from twolbms.config.pack import GuardedPack

PACKS = Path(__file__).resolve().parents[3] / "packs"


def bank() -> dict:
    return yaml.safe_load((PACKS / "lfp_8s_320ah.yaml").read_text())


def refused(data: dict) -> str:
    with pytest.raises(ValidationError) as caught:
        GuardedPack.model_validate(data)
    return str(caught.value)


def part(data: dict, name: str) -> dict:
    return next(row for row in data["ratings"] if row["part"] == name)


def test_continuous_limit_is_the_bms_not_one_c() -> None:
    """The eight-cell bank carries what its 200 A BMS carries, not the 320 A of its cells."""
    assert GuardedPack.model_validate(bank()).continuous_a(charging=True) == (200.0, "bms")


def test_user_limits_of_the_eight_cell_bank() -> None:
    """2.5 to 3.65 V; charge from 0 to 65 °C; discharge from -30 to 65 °C: as the user gave them."""
    limits = GuardedPack.model_validate(bank()).limits
    assert (limits["cell_under_voltage"].trip, limits["cell_over_voltage"].trip) == (2.5, 3.65)
    assert (limits["charge_under_temperature"].trip, limits["charge_over_temperature"].trip) == (0.0, 65.0)
    assert (limits["discharge_under_temperature"].trip, limits["discharge_over_temperature"].trip) == (-30.0, 65.0)


def pool_bank() -> dict:
    return yaml.safe_load((PACKS / "lfp_16s_280ah.yaml").read_text())


def test_the_shunt_of_separate_ports_leaves_room_for_what_it_does_not_see() -> None:
    """Net current at break_max beside all that the chargers give stays within the 350 A that a contactor breaks."""
    pack = GuardedPack.model_validate(pool_bank())
    unseen = pack.limits["charge_over_current"].limit
    assert pack.outputs == "separate_ports" and unseen is not None
    assert pack.contactor.break_max_a + unseen <= pack.contactor.life[-1].at_a == 350


def test_a_port_s_fuse_above_its_cable_is_refused() -> None:
    """250 A before one run of 1/0 AWG, 230 A in NEC 310.17 at 75 degC."""
    data = pool_bank()
    part(data, "fuse").update(charge_a=250, discharge_a=250)
    assert "250 A fuse is above the cable's 230 A" in refused(data)


def test_a_fuse_above_the_cable_is_refused() -> None:
    """With a single run of 2 AWG the 250 A fuse does not protect the cable."""
    data = bank()
    part(data, "cable")["runs"] = 1
    assert "250 A fuse is above the cable's 170 A" in refused(data)


def test_a_limit_above_the_smallest_rating_is_refused() -> None:
    """No limit may be above what the weakest part carries."""
    data = bank()
    data["limits"]["charge_over_current"]["limit"] = 201
    assert "201 A is above the bms's 200 A" in refused(data)


def test_a_trip_that_a_part_does_not_carry_is_refused() -> None:
    """A trip current must be carried by every part for the row's delay."""
    data = bank()
    data["limits"]["discharge_over_current"]["delay_s"] = 20.0
    assert "the bms does not carry 240 A for 20 s" in refused(data)


def test_a_cable_needs_its_table() -> None:
    """A cable's rating carries its table and temperature."""
    data = bank()
    del part(data, "cable")["table"]
    assert "names its table" in refused(data)


@pytest.mark.parametrize(("key", "value", "words"), [
    ("delay_s", 0.25, "multiple of 0.1 s"), ("clear", 3.7, "expected clear inside"), ("trip", 3.55, "rising severity"),
    ("trip", 3.6505, "not a whole count"), ("unit", "A", "expected V, found A")])
def test_a_row_that_cannot_be_meant_is_refused(key: str, value: object, words: str) -> None:
    """Delays are whole cycles, thresholds whole counts, tiers in rising severity, units as the diagnosis has them."""
    data = bank()
    data["limits"]["cell_over_voltage"][key] = value
    assert words in refused(data)


def test_a_missing_and_an_unknown_row_are_named() -> None:
    """Every diagnosis has its row, and no row is without a diagnosis."""
    data = bank()
    data["limits"]["cell_over_volts"] = data["limits"].pop("cell_over_voltage")
    text = refused(data)
    assert "limits.cell_over_volts: no such diagnosis" in text
    assert "limits.cell_over_voltage: the row is missing" in text


def test_charging_below_the_cold_limit_cannot_be_derated_in() -> None:
    """The derating line ends at 0 A at or inside the cold limit."""
    data = bank()
    data["derating"]["charge_by_temperature"][0]["allow_a"] = 5
    assert "expected 0 A at or inside the charge_under_temperature limit" in refused(data)


@pytest.mark.parametrize("path", [p for p in sorted(PACKS.glob("*.yaml")) if "kind: guarded" in p.read_text()],
                         ids=lambda p: p.stem)
def test_every_number_has_its_source(path: Path) -> None:
    """Each limit row and each derating point of a guarded pack carries a source."""
    data = yaml.safe_load(path.read_text())
    rows = [*data["limits"].values(), *(p for line in data["derating"].values() for p in line), *data["ratings"]]
    assert rows and all(len(row["source"]) >= 8 for row in rows)


@pytest.mark.parametrize("row", [
    "cell_over_voltage", "cell_under_voltage", "discharge_over_temperature", "stale_reading", "implausible_reading",
    "path_feedback", "interlock", "break_overload"])
def test_a_protecting_row_without_a_trip_is_refused(row: str) -> None:
    """No file can switch a protection off by leaving its trip away."""
    data = bank()
    del data["limits"][row]["trip"]
    data["limits"][row]["latch"] = False
    assert f"limits.{row}.trip: expected a value" in refused(data)


@pytest.mark.parametrize(("row", "key", "value", "words"), [
    ("cell_over_voltage", "delay_s", 200000.0, "expected at most 3600 s"),
    ("cell_over_voltage", "hold_s", 200000.0, "expected at most 86400 s"),
    ("stale_reading", "trip", 3.0, "expected at most 2 s"),
    ("gateway_silent", "limit", 10.1, "expected a value of at most 10 s"),
    ("gateway_silent", "allow_charge_a", 5000, "is above the bms's 200 A"),
    ("precharge_failed", "delay_s", 0.1, "expected delay_s 0"),
    ("break_overload", "latch", False, "latch true")])
def test_a_number_that_switches_a_protection_off_is_refused(row: str, key: str, value: object, words: str) -> None:
    """Delays, ages and allowances have an end; a moment is remembered at once."""
    data = bank()
    data["limits"][row][key] = value
    assert words in refused(data)


def test_a_derating_line_too_steep_for_the_node_is_refused() -> None:
    """The node reckons in 31-bit integers: a piece of a line must fit."""
    data = bank()
    data["derating"]["charge_by_temperature"] = [
        {"at": -900.0, "allow_a": 0, "source": "an invented one"},
        {"at": 25.0, "allow_a": 200, "source": "an invented one"},
        {"at": 60.0, "allow_a": 0, "source": "an invented one"}]
    assert "too long and steep" in refused(data)
