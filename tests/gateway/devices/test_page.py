"""docs/devices.md is held against the code."""

from __future__ import annotations

import re
from pathlib import Path

from twolbms.devices.kinds import KINDS
from twolbms.devices.victron import NUMBERS, SWITCHES
from twolbms.fields import FIELDS

PAGE = (Path(__file__).resolve().parents[3] / "docs/devices.md").read_text()
ROWS = {label: (quantities, recorded) for labels, quantities, recorded in
        re.findall(r"^\| ([A-Za-z0-9, ]+) \| (`shunt_[^|]+) \| (each [^|]+) \|$", PAGE, re.M)
        for label in labels.split(", ")}


def test_every_kind_is_on_the_page() -> None:
    """Each kind of the table of kinds has its row."""
    assert set(re.findall(r"^\| `(\w+)` \| ", PAGE, re.M)) == set(KINDS)


def test_every_label_is_on_the_page() -> None:
    """Each label that becomes a quantity stands with it, and with how often it is recorded."""
    known = {**{label: number.quantity for label, number in NUMBERS.items()}, **SWITCHES}
    assert set(ROWS) == set(known)
    for label, quantity in known.items():
        assert f"`{quantity}`" in ROWS[label][0]
        assert ROWS[label][1].startswith(f"each {FIELDS[quantity].record_s:g} s")


def test_every_quantity_named_exists() -> None:
    """No quantity is named that the table of quantities lacks."""
    assert set(re.findall(r"`(shunt_\w+)`", PAGE)) == {name for name in FIELDS if name.startswith("shunt_")}
