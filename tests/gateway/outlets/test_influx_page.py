"""docs/influxdb.md says what the outlet does: its tables are held against the code."""

from __future__ import annotations

import re
from pathlib import Path

from twolbms.fields import FIELDS
from twolbms.outlets.influx_answers import _VERDICTS
from twolbms.outlets.line_protocol import EVENT_TAGS

PAGE = (Path(__file__).resolve().parents[3] / "docs/influxdb.md").read_text()
SCHEMA = {cells[0].strip("` "): cells[1:] for line in PAGE.splitlines()
          if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 3 and line.startswith("| `")}


def test_every_level_is_a_measurement_of_the_page() -> None:
    """The schema's table has a row for each level of the table of quantities, one for events, and no other."""
    assert set(SCHEMA) == {row.level for row in FIELDS.values()} | {"event"}
    assert all(tag in SCHEMA["event"][0] for tag in ("site", "kind", "pack", "nth", *EVENT_TAGS))


def test_named_quantities_exist_at_their_level() -> None:
    """A quantity that the page names stands at that level in the table of quantities."""
    for level, (_, fields) in SCHEMA.items():
        for name in re.findall(r"`(\w+)`", fields) if level != "event" else ():
            assert FIELDS[name].level == level


def test_every_answer_is_told() -> None:
    """Each status that the outlet treats on purpose is in the table of answers."""
    told = set(map(int, re.findall(r"\b[2-5]\d\d\b", PAGE[PAGE.index("| answer |"):PAGE.index("Quarantine is")])))
    assert set(_VERDICTS) | {503} == told
