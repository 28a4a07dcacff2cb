"""The simulated SmartShunt speaks as the real one does."""

from __future__ import annotations

import pytest

from gateway.devices.captures import capture, needs_captures
from twolbms.sim.smart_shunt import SmartShunt, block

REAL = {"PID": "0xA389", "V": "12865", "VS": "-14", "I": "0", "P": "0", "CE": "0", "SOC": "1000", "TTG": "-1",
        "Alarm": "OFF", "AR": "0", "BMV": "SmartShunt 500A/50mV", "FW": "0405"}


def test_the_checksum_of_the_worked_example() -> None:
    """The vendor's example, built from its fields, has the length and the checksum byte that the vendor gives."""
    built = block(REAL)
    assert (len(built), built[-1:]) == (127, b"L")


@needs_captures
def test_the_recorded_unit_byte_for_byte() -> None:
    """The recorded blocks are rebuilt from their fields without a byte of difference."""
    found = capture("smartshunt_fw0405_idle")
    assert b"".join(block(each["fields"]) for each in found.expected["blocks"]) == found.received


@pytest.mark.parametrize(("volts", "amperes", "fields"), [
    (26.5, -2.5, {"V": "26500", "I": "-2500", "P": "-66", "TTG": "2880"}),
    (lambda: 53.1, lambda: 10.0, {"V": "53100", "I": "10000", "P": "531", "TTG": "-1"}),
])
def test_it_says_what_it_is_given(volts: float, amperes: float, fields: dict[str, str]) -> None:
    """Numbers and functions stand in the main block in the wire's units; what is set besides wins."""
    shunt = SmartShunt(volts, amperes, more={"AR": "5"})
    assert shunt.fields().items() >= {**fields, "AR": "5"}.items()
