"""Victron SmartShunt and BMV: what their labels mean. VE.Direct blocks in, readings in our words and units out.

Source: Victron, "VE.Direct Protocol" 3.33, the fields of a BMV-7xx and SmartShunt. Read only: nothing is ever sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from twolbms.devices.reading import DeviceReading
from twolbms.devices.ve_text import Block, BlockParser

_WHOLE = re.compile(r"-?[0-9]{1,10}")
INFINITE = -1  # minutes to go while nothing is drawn


class _Number(NamedTuple):
    """A label whose value is a whole number: value * `times` / `over` is in the unit of the quantity."""

    quantity: str
    times: int = 1
    over: int = 1


NUMBERS = {
    "V": _Number("shunt_voltage_v", over=1000),
    "VS": _Number("shunt_starter_voltage_v", over=1000),
    "VM": _Number("shunt_mid_voltage_v", over=1000),
    "DM": _Number("shunt_mid_deviation", over=1000),
    "T": _Number("shunt_temperature_c"),
    "I": _Number("shunt_current_a", over=1000),
    "P": _Number("shunt_power_w"),
    "CE": _Number("shunt_consumed_ah", over=1000),
    "SOC": _Number("shunt_soc", over=1000),
    "TTG": _Number("shunt_time_to_go_s", times=60),
    "AR": _Number("shunt_alarm_reason"),
    "H1": _Number("shunt_deepest_discharge_ah", over=1000),
    "H4": _Number("shunt_cycles"),
    "H6": _Number("shunt_charge_out_ah", times=-1, over=1000),  # the wire counts what was drawn as negative
    "H7": _Number("shunt_voltage_min_v", over=1000),
    "H8": _Number("shunt_voltage_max_v", over=1000),
    "H9": _Number("shunt_since_full_s"),
    "H17": _Number("shunt_energy_out_kwh", over=100),
    "H18": _Number("shunt_energy_in_kwh", over=100),
}

SWITCHES = {"Alarm": "shunt_alarm", "Relay": "shunt_relay_on"}
_ON_OFF = {"on": 1.0, "off": 0.0}  # very old units write On, newer ones ON

QUANTITIES = (*(number.quantity for number in NUMBERS.values()), *SWITCHES.values())

ALARM_BITS = {
    1: "low voltage", 2: "high voltage", 4: "low state of charge", 8: "low starter voltage",
    16: "high starter voltage", 32: "low temperature", 64: "high temperature", 128: "mid voltage", 256: "overload",
    512: "DC ripple", 1024: "low AC voltage", 2048: "high AC voltage", 4096: "short circuit", 8192: "BMS lockout",
}

PRODUCTS = {"0xA389": "SmartShunt 500A", "0xA38A": "SmartShunt 1000A", "0xA38B": "SmartShunt 2000A",
            "0xA381": "BMV-712", "0x203": "BMV-700", "0x204": "BMV-702", "0x205": "BMV-700H"}

MONITORS = {
    -9: "solar charger", -8: "wind turbine", -7: "shaft generator", -6: "alternator", -5: "fuel cell",
    -4: "water generator", -3: "DC/DC charger", -2: "AC charger", -1: "source", 0: "battery", 1: "load",
    2: "electric drive", 3: "fridge", 4: "water pump", 5: "bilge pump", 6: "DC system", 7: "inverter",
    8: "water heater",
}
"""What the unit is set to watch; only 0 is a battery."""


class VictronTalk:
    """The conversation with one unit: it speaks twice a second, nobody asks."""

    def __init__(self) -> None:
        self._parser = BlockParser()
        self.counts = self._parser.counts

    def feed(self, chunk: bytes) -> list[DeviceReading]:
        """The readings that these bytes complete."""
        return [reading_of(block) for block in self._parser.feed(chunk)]

    def poll(self, now_ns: int) -> bytes:
        """Nothing: these devices speak unasked."""
        return b""


def reading_of(block: Block) -> DeviceReading:
    """What a whole block says. A label that is no quantity of ours stays text."""
    fields = block.fields
    values = {number.quantity: _number(fields[label], number) for label, number in NUMBERS.items() if label in fields}
    if fields.get("TTG") == str(INFINITE):
        values["shunt_time_to_go_s"] = None
    values |= {quantity: _ON_OFF.get(fields[label].lower()) for label, quantity in SWITCHES.items() if label in fields}
    texts = {label: text for label, text in fields.items() if label not in NUMBERS and label not in SWITCHES}
    return DeviceReading(block.raw, values, texts, _alarms(values))


def _number(text: str, number: _Number) -> float | None:
    """None for `---` (not synchronised, no sensor, or not watching a battery), and for what is no whole number."""
    return int(text) * number.times / number.over if _WHOLE.fullmatch(text) else None


def _alarms(values: Mapping[str, float | None]) -> tuple[str, ...] | None:
    """The alarms in words, whichever of the two labels tells of them; None where neither does."""
    alarm, reason = values.get("shunt_alarm"), values.get("shunt_alarm_reason")
    if alarm is None and reason is None:
        return None
    bits = max(0, int(reason or 0))
    words = tuple(ALARM_BITS.get(1 << place, f"reason {1 << place}")
                  for place in range(bits.bit_length()) if bits >> place & 1)
    return words or (("an alarm without a reason",) if alarm else ())


def describe(texts: Mapping[str, str]) -> dict[str, str]:
    """What the unit is, for people: model, firmware, serial number, and what it is set to watch."""
    pid = texts.get("PID", "")
    model = texts.get("BMV") or PRODUCTS.get("0x" + pid[2:].upper()) or (f"product {pid}" if pid else "")
    told = {"model": model, "firmware": _firmware(texts.get("FW")) or texts.get("FWE", ""),
            "serial": texts.get("SER#", ""), "watches": _word(texts.get("MON"), _monitor)}
    return {name: text for name, text in told.items() if text}


def _firmware(text: str | None) -> str:
    """"0414" is 4.14; a letter before it marks a release candidate."""
    match = re.fullmatch(r"([A-Z]?)0*([0-9]+)([0-9]{2})", text or "")
    if match is None:
        return text or ""
    return f"{match[2]}.{match[3]}" + (f" release candidate {match[1]}" if match[1] else "")


def _word(text: str | None, words: Callable[[int], str]) -> str:
    return words(int(text)) if text and _WHOLE.fullmatch(text) else text or ""


def _monitor(mode: int) -> str:
    return MONITORS.get(mode, f"mode {mode}")
