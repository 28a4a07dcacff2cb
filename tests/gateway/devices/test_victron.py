"""What the labels of a SmartShunt or BMV mean: our words and units, and unknown where the unit does not know itself."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.devices.captures import capture, needs_captures
from twolbms.devices.reading import DeviceReading
from twolbms.devices.ve_text import Block
from twolbms.devices.victron import ALARM_BITS, QUANTITIES, VictronTalk, describe, reading_of
from twolbms.fields import FIELDS
from twolbms.sim.smart_shunt import block


def reading(**fields: str) -> DeviceReading:
    return reading_of(Block(b"", fields))


@pytest.mark.parametrize(("label", "text", "quantity", "value"), [
    ("V", "12865", "shunt_voltage_v", 12.865),
    ("VS", "-14", "shunt_starter_voltage_v", -0.014),
    ("VM", "6432", "shunt_mid_voltage_v", 6.432),
    ("DM", "-12", "shunt_mid_deviation", -0.012),
    ("T", "-7", "shunt_temperature_c", -7.0),
    ("I", "-7625", "shunt_current_a", -7.625),
    ("P", "-92", "shunt_power_w", -92.0),
    ("CE", "-65473", "shunt_consumed_ah", -65.473),
    ("SOC", "839", "shunt_soc", 0.839),
    ("TTG", "942", "shunt_time_to_go_s", 56520.0),
    ("TTG", "-1", "shunt_time_to_go_s", None),
    ("TTG", "0", "shunt_time_to_go_s", 0.0),
    ("AR", "5", "shunt_alarm_reason", 5.0),
    ("Alarm", "ON", "shunt_alarm", 1.0),
    ("Alarm", "Off", "shunt_alarm", 0.0),
    ("Alarm", "maybe", "shunt_alarm", None),
    ("Relay", "ON", "shunt_relay_on", 1.0),
    ("H1", "-149322", "shunt_deepest_discharge_ah", -149.322),
    ("H4", "17", "shunt_cycles", 17.0),
    ("H6", "-5526294", "shunt_charge_out_ah", 5526.294),
    ("H7", "11733", "shunt_voltage_min_v", 11.733),
    ("H8", "16161", "shunt_voltage_max_v", 16.161),
    ("H9", "368003", "shunt_since_full_s", 368003.0),
    ("H17", "6843", "shunt_energy_out_kwh", 68.43),
    ("H18", "8527", "shunt_energy_in_kwh", 85.27),
    ("SOC", "---", "shunt_soc", None),
    ("T", "---", "shunt_temperature_c", None),
    ("V", "12.8", "shunt_voltage_v", None),
    ("V", "", "shunt_voltage_v", None),
    ("V", "99999999999999999999", "shunt_voltage_v", None),
    ("V", "１２", "shunt_voltage_v", None),
])
def test_a_label_and_its_value(label: str, text: str, quantity: str, value: float | None) -> None:
    """Each number comes in the unit of its name, exactly; `---`, an infinite time and nonsense are unknown."""
    assert reading(**{label: text}).values == {quantity: value}


def test_every_quantity_is_in_the_table() -> None:
    """What a monitor tells are rows of the table of quantities, at the level of devices, no two of one name."""
    assert len(QUANTITIES) == len(set(QUANTITIES))
    assert all(FIELDS[quantity].level == "device" for quantity in QUANTITIES)
    assert {name for name in FIELDS if name.startswith("shunt_")} == set(QUANTITIES)


def test_what_is_not_said_is_not_in_it() -> None:
    """A label that is missing makes no value, and an unknown label stays text."""
    found = reading(V="12865", PPV="140")
    assert (found.values, found.texts, found.alarms) == ({"shunt_voltage_v": 12.865}, {"PPV": "140"}, None)


@pytest.mark.parametrize(("fields", "alarms"), [
    ({"Alarm": "OFF", "AR": "0"}, ()),
    ({"Alarm": "ON", "AR": "5"}, ("low voltage", "low state of charge")),
    ({"AR": "128"}, ("mid voltage",)),
    ({"Alarm": "ON"}, ("an alarm without a reason",)),
    ({"Alarm": "ON", "AR": "0"}, ("an alarm without a reason",)),
    ({"Alarm": "ON", "AR": "16384"}, ("reason 16384",)),
    ({"Alarm": "OFF", "AR": "1"}, ("low voltage",)),
    ({"AR": "-1"}, ()),
    ({"H1": "0"}, None),
    ({"AR": "---"}, None),
])
def test_alarms_in_words(fields: dict[str, str], alarms: tuple[str, ...] | None) -> None:
    """Each bit is its word; an alarm without a bit is one all the same; a block without the labels says nothing."""
    assert reading(**fields).alarms == alarms


def test_every_bit_has_its_word() -> None:
    """All fourteen reasons of the vendor's document have words of their own."""
    assert sorted(ALARM_BITS) == [1 << place for place in range(14)]
    assert len(set(ALARM_BITS.values())) == 14
    assert reading(AR="16383").alarms == tuple(ALARM_BITS.values())


@pytest.mark.parametrize(("texts", "told"), [
    ({"PID": "0xA389", "BMV": "SmartShunt 500A/50mV", "FW": "0405", "MON": "0"},
     {"model": "SmartShunt 500A/50mV", "firmware": "4.05", "watches": "battery"}),
    ({"PID": "0x203", "FW": "0308"}, {"model": "BMV-700", "firmware": "3.08"}),
    ({"PID": "0xA38b", "FW": "C208"}, {"model": "SmartShunt 2000A", "firmware": "2.08 release candidate C"}),
    ({"PID": "0xA3FF", "FWE": "0419FF", "SER#": "HQ1"},
     {"model": "product 0xA3FF", "firmware": "0419FF", "serial": "HQ1"}),
    ({"MON": "-9"}, {"watches": "solar charger"}),
    ({"MON": "99"}, {"watches": "mode 99"}),
    ({"MON": "x", "FW": "?"}, {"firmware": "?", "watches": "x"}),
    ({}, {}),
])
def test_what_it_is(texts: dict[str, str], told: dict[str, str]) -> None:
    """Model, firmware, serial number and what it watches in words, whatever of it is told."""
    assert describe(texts) == told


def test_it_asks_nothing() -> None:
    """Nothing is ever sent to a monitor."""
    talk = VictronTalk()
    talk.feed(block({"V": "12000"}))
    assert talk.poll(0) == b""


NAMES = {"voltage_V": "shunt_voltage_v", "aux_voltage_V": "shunt_starter_voltage_v", "current_A": "shunt_current_a",
         "power_W": "shunt_power_w", "consumed_Ah": "shunt_consumed_ah", "deepest_discharge_Ah":
         "shunt_deepest_discharge_ah", "charge_cycles": "shunt_cycles", "min_voltage_V": "shunt_voltage_min_v",
         "max_voltage_V": "shunt_voltage_max_v", "seconds_since_full": "shunt_since_full_s",
         "discharged_kWh": "shunt_energy_out_kwh", "charged_kWh": "shunt_energy_in_kwh",
         "alarm_reason": "shunt_alarm_reason"}


@needs_captures
@pytest.mark.parametrize("name", ["smartshunt_fw0405_idle", "bmv700_discharging",
                                  "constructed_unsynchronised_with_alarm"])
def test_recorded_blocks(name: str) -> None:
    """The values of recorded units are those that were published with them."""
    found = capture(name)
    readings = VictronTalk().feed(found.received)
    for reading, expected in zip(readings, (each["decoded"] for each in found.expected["blocks"]), strict=True):
        compared = {key: reading.values[quantity] for key, quantity in NAMES.items() if key in expected}
        assert compared == {key: expected[key] for key in compared}
        _same_rest(reading, expected)
    assert sum(len(set(NAMES) & set(each["decoded"])) for each in found.expected["blocks"]) >= 5


def _same_rest(reading: DeviceReading, expected: dict[str, Any]) -> None:
    if "soc_pct" in expected:
        soc, minutes = expected["soc_pct"], expected["ttg_min"]
        assert reading.values["shunt_soc"] == (None if soc is None else pytest.approx(soc / 100))
        assert reading.values["shunt_time_to_go_s"] == (None if minutes is None else minutes * 60)
        assert reading.values["shunt_alarm"] == {"ON": 1.0, "OFF": 0.0}[expected["alarm"]]
        assert reading.texts["PID"] == expected["pid"]
    else:
        assert reading.values["shunt_charge_out_ah"] == -expected["cumulative_Ah"]


@needs_captures
def test_recorded_alarm() -> None:
    """The alarm bits of the unsynchronised unit are its low voltage and its low state of charge."""
    found = capture("constructed_unsynchronised_with_alarm")
    assert [each.lower() for each in found.expected["alarm_bits"]] == ["low voltage", "low soc"]
    assert VictronTalk().feed(found.received)[0].alarms == ("low voltage", "low state of charge")
