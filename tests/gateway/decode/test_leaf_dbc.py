"""Our Leaf DBC files against recorded frames, whose meaning is typed here by hand."""

from __future__ import annotations

import pytest

from twolbms.decode import CompiledDatabase, compile_database
from twolbms.files import data_path

GENERATIONS = ["leaf_ze0", "leaf_aze0", "leaf_ze1"]


def database(name: str) -> CompiledDatabase:
    return compile_database(data_path("dbc", "ev", f"{name}.dbc"))


def values(name: str, frame_id: int, data: str) -> dict[str, int | float | None]:
    got = database(name).decode_values(frame_id, False, bytes.fromhex(data))
    assert isinstance(got, dict)
    return got


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_signal_has_a_comment_and_every_message_a_period(name: str) -> None:
    """Our files explain each signal and give each period; only plain numbers and flags have no unit."""
    for message in database(name).messages.values():
        assert message.cycle_time_s and message.comment
        for signal in message.signals.values():
            assert len(signal.comment) > 8, signal.name
            assert signal.unit or signal.scale == 1


@pytest.mark.parametrize("name", GENERATIONS)
def test_current_is_signed_and_positive_when_charging(name: str) -> None:
    """0.5 A of discharge is -0.5 A (read unsigned it would be 1023.5 A), and a small charge is positive."""
    assert values(name, 0x1DB, "FFE0C86A5F000084")["Current"] == -0.5
    assert values(name, 0x1DB, "0060C16A00000391")["Current"] == 1.5
    assert values(name, 0x1DB, "0060C16A00000391")["Voltage"] == 386.5


@pytest.mark.parametrize("name", GENERATIONS)
def test_the_first_frames_after_start_give_no_values(name: str) -> None:
    """The all-ones markers of the first frames are no value, in each signal on its own."""
    first = values(name, 0x1DB, "7FE0FFC6000000DE")
    assert (first["Current"], first["Voltage"], first["MainRelayOn"]) == (None, None, 0)
    second = values(name, 0x1DB, "FF80FFC600000122")
    assert (second["Current"], second["Voltage"]) == (-2.0, None)
    limits = values(name, 0x1DC, "FFFFFFFF1FFFFC6B")
    assert (limits["DischargePowerLimit"], limits["ChargePowerLimit"]) == (None, None)


@pytest.mark.parametrize("name", GENERATIONS)
def test_state_of_charge_has_a_tenth_of_a_percent(name: str) -> None:
    """Raw 751 is 75.1 %."""
    got = values(name, 0x55B, "BBC0AA00FFC0112D")
    assert (got["StateOfCharge"], got["AlternatingAnswer"]) == (pytest.approx(75.1), 0xAA)


@pytest.mark.parametrize("name", GENERATIONS)
def test_power_limits_are_in_quarter_kilowatts(name: str) -> None:
    """A recorded frame of the 24 kWh pack: 62.75 kW out, 4.5 kW in, no figure for the charger."""
    got = values(name, 0x1DC, "3EC12FFD08C4C3EE")
    assert (got["DischargePowerLimit"], got["ChargePowerLimit"], got["ChargerPowerLimit"]) == (62.75, 4.5, None)


def test_ze0_reads_capacity_health_and_average_temperature_in_one_page() -> None:
    """The 24 kWh pack: 111 gids, 51 % health, 3 degC."""
    got = values("leaf_ze0", 0x5BC, "1BC32B2B664620B4")
    assert (got["RemainingGids"], got["StateOfHealth"], got["AverageTemperature"]) == (111, 51, 3)


@pytest.mark.parametrize("name", ["leaf_aze0", "leaf_ze1"])
def test_large_packs_alternate_remaining_and_full_capacity(name: str) -> None:
    """The 62 kWh pack tells 663 gids left and 750 when full, never one as the other."""
    left, full = values(name, 0x5BC, "A5C0F064B701806F"), values(name, 0x5BC, "BB80F064B711A000")
    assert (left["RemainingGids"], left["StateOfHealth"], "FullGids" in left) == (663, 91, False)
    assert (full["FullGids"], full["StateOfHealth"], "RemainingGids" in full) == (750, 91, False)


@pytest.mark.parametrize("name", ["leaf_ze0", "leaf_aze0"])
def test_temperatures_come_page_by_page(name: str) -> None:
    """A cold car: highest, average and lowest are all -2 degC; a page of no meaning gives no temperature."""
    assert values(name, 0x5C0, "404C4C0004E4F100")["TemperatureMaximum"] == -2
    assert values(name, 0x5C0, "804C4C0004A0F100")["TemperatureAverage"] == -2
    assert values(name, 0x5C0, "C04C4C000454F100")["TemperatureMinimum"] == -2
    assert not {key for key in values(name, 0x5C0, "00FEFE00FEFC1F14") if key.startswith("TemperatureM")}


def test_ze1_gives_no_temperature_from_its_history_frame() -> None:
    """On the ZE1 byte 2 of 0x5C0 is no temperature (0xF2 at 19 degC), so no signal claims it."""
    assert values("leaf_ze1", 0x5C0, "0172F20271B01F00") == {"HistoryPage": 1}


def test_quick_charge_figures_are_in_steps_of_100_wh() -> None:
    """Raw 360 in both fields is 36.0 kWh: a recorded frame of a 40 kWh pack in an AZE0."""
    got = values("leaf_aze0", 0x59E, "0000168B400000C8")
    assert (got["FullCapacity"], got["RemainingCapacity"]) == (36000, 36000)
