"""Acknowledged records are looked for in the journal by content."""

from __future__ import annotations

import json

import pytest

from twolbms.demo.count import Acknowledged, key_of_line
from twolbms.journal.gaps import on_wall_clock
from twolbms.journal.records import Event, Frame, Record, Sample, Series, Wall
from twolbms.outlets.local_socket import acknowledgement

OFFSET = 1_795_500_000 * 10**9
MONO: list[Record] = [
    Sample(5, Series("soc", "house", None), 0.55), Sample(6, Series("cell_voltage_v", "house", 3), 3.3010000000000002),
    Event(7, "opened", "garage", {"text": "opened: ±", "cell": 9, "value": 4.21}),
    Event(8, "gap", "", {"from_ns": 1, "to_ns": 8, "reason": "killed"}),
]


def wall(record: Record) -> Record:
    """The record as the journal's reader gives it."""
    moved = record._replace(time_ns=record.time_ns + OFFSET)
    return on_wall_clock(moved, "b", {"b": Wall(OFFSET, "demo")}) if isinstance(moved, Event) else moved


def acknowledged(records: list[Record]) -> Acknowledged:
    """Counts the lines that the local socket sends for these records."""
    counted = Acknowledged(OFFSET)
    for record in records:
        line = acknowledgement(record)
        assert line is not None
        counted.take(line)
    return counted


def test_everything_there() -> None:
    """Records read back are found again to the last digit, gaps with their ends on another clock included."""
    assert acknowledged(MONO).compare(map(wall, MONO)) == (4, 4, [])


@pytest.mark.parametrize("gone", range(4))
def test_a_lost_record_is_missed(gone: int) -> None:
    """Each record that is not in the journal is named."""
    kept = [wall(record) for at, record in enumerate(MONO) if at != gone]
    comparison = acknowledged(MONO).compare(kept)
    assert (comparison.acknowledged, comparison.read_back, len(comparison.missing)) == (4, 3, 1)


@pytest.mark.parametrize("changed", [
    Sample(5 + OFFSET, Series("soc", "house", None), 0.56), Sample(6 + OFFSET, Series("soc", "house", None), 0.55),
    Sample(5 + OFFSET, Series("soc", "garage", None), 0.55), Sample(5 + OFFSET, Series("soc", "house", 0), 0.55),
])
def test_content_counts(changed: Record) -> None:
    """Another value, time, pack or cell is not the record that was acknowledged."""
    assert acknowledged(MONO[:1]).compare([changed]).read_back == 0


def test_told_twice_must_be_there_twice() -> None:
    """A record acknowledged twice and stored once is missed once."""
    assert acknowledged([MONO[0], MONO[0]]).compare([wall(MONO[0])])[:2] == (2, 1)
    assert acknowledged([MONO[0]]).compare([wall(MONO[0])] * 2)[:2] == (1, 1)


@pytest.mark.parametrize("line", ["", "{", "[]", '["sample"]', '{"dropped":"too slow"}', '["frame",1,"can0"]',
                                  json.dumps(["sample", "5", "soc", "house", None, 1])])
def test_other_lines_are_no_acknowledgements(line: str) -> None:
    """What is none is not counted."""
    assert key_of_line(line, 0) is None


def test_other_families_are_passed_over() -> None:
    """Raw frames are recorded too, and are not acknowledged one by one."""
    assert acknowledged([]).compare([Frame(1, "can0", 5, True, b"")]) == (0, 0, [])
