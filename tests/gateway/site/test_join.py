"""The join rule: when an open pack may close onto the others."""

from __future__ import annotations

import pytest

from twolbms.site.join import Side, join_refusal


def side(pack: str, voltage_v: float | None, charge_a: float = 50, discharge_a: float = 50, ohm: float = 0.01) -> Side:
    return Side(pack, voltage_v, ohm, charge_a, discharge_a)


# (joining, closed packs, what the refusal mentions or None)
TABLE = {
    "nobody to join": (side("a", 26.0), [], None),
    "same voltage": (side("a", 26.0), [side("b", 26.0)], None),
    "1 V over 20 mOhm is 50 A": (side("a", 27.0), [side("b", 26.0)], None),
    "a little more": (side("a", 27.02), [side("b", 26.0)], "would drive 51 A, allowed are 50 A"),
    "lower, and may not charge": (side("a", 25.5, charge_a=10), [side("b", 26.0)], "would drive 25 A"),
    "lower, the bank may not discharge": (side("a", 25.5), [side("b", 26.0, discharge_a=10)], "allowed are 10 A"),
    "higher, the bank may not charge": (side("a", 26.5), [side("b", 26.0, charge_a=0)], "allowed are 0 A"),
    "two closed packs halve their resistance": (side("a", 26.9), [side("b", 26.0), side("c", 26.0)], "60 A"),
    "more than 1.5 V": (side("a", 28.0, 900, 900, 1.0), [side("b", 26.4, 900, 900)], "at most 1.5 V"),
    "1.5 V exactly": (side("a", 27.5, 900, 900), [side("b", 26.0, 900, 900)], None),
    "own voltage unknown": (side("a", None), [side("b", 26.0)], "unknown"),
    "the other's voltage unknown": (side("a", 26.0), [side("b", None)], "unknown"),
}


@pytest.mark.parametrize(("joining", "closed", "refusal"), TABLE.values(), ids=TABLE.keys())
def test_table(joining: Side, closed: list[Side], refusal: str | None) -> None:
    """The equalising current must be within both allowances and the difference at most 1.5 V."""
    found = join_refusal(joining, closed)
    assert found is None if refusal is None else refusal in (found or "")
