"""Line protocol, against influxdb-client's own writer as the oracle."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point

from twolbms.fields import FIELDS
from twolbms.journal.records import Event, Sample, Series
from twolbms.outlets.line_protocol import LineEncoder

T = 1_795_000_000_123_456_789
WORDS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=12
)
AWKWARD = st.sampled_from(["a b", "a,b", "a=b", "a\\", "a\\,b", 'a"b', "ä°C", "#x", "a\nb", "x\ty", "\\"])
NAMES = WORDS | AWKWARD


def parse(line: bytes) -> tuple[str, dict[str, Any], int]:
    """Series key, fields and time of a line: an own small reader, so that order of fields and `.0` do not matter."""
    text = line.decode()
    match = re.fullmatch(r"((?:\\.|[^ \\])+?) (.*) (-?\d+)", text, re.DOTALL)
    assert match, text
    fields: dict[str, Any] = {}
    for key, string, number in re.findall(
        r'((?:\\.|[^=\\])+?)=(?:"((?:\\.|[^"\\])*)"|([^,"]+))(?:,|$)', match[2], re.DOTALL
    ):
        fields[key] = string if not number else int(number[:-1]) if number.endswith("i") else float(number)
    return match[1], fields, int(match[3])


def encode_one(sample: Sample, site: str = "s1") -> bytes:
    """The line of one sample."""
    (line,) = LineEncoder(site).samples([sample]).lines
    return line


@pytest.mark.parametrize(
    ("series", "value", "line"),
    [
        (Series("pack_voltage_v", "shed", None), 26.5, b"pack,pack=shed,site=s1 pack_voltage_v=26.5 %d"),
        (Series("cell_voltage_v", "shed", 0), 3.0, b"cell,cell=1,pack=shed,site=s1 cell_voltage_v=3.0 %d"),
        (Series("temperature_c", "shed", 1), -0.5, b"sensor,pack=shed,sensor=2,site=s1 temperature_c=-0.5 %d"),
        (Series("journal_lost", "", None), 0, b"gateway,site=s1 journal_lost=0.0 %d"),
        (Series("bank_charge_allowed_a", "main", None), 1e16, b"bank,bank=main,site=s1 bank_charge_allowed_a=1e+16 %d"),
        (Series("can_load", "can0", None), 0.25, b"bus,bus=can0,site=s1 can_load=0.25 %d"),
        (Series("shunt_current_a", "mppt", None), -3.0, b"device,device=mppt,site=s1 shunt_current_a=-3.0 %d"),
        (Series("not_in_the_table", "shed", 4), 1, b"cell,cell=5,pack=shed,site=s1 not_in_the_table=1.0 %d"),
        (Series("not_in_the_table", "", None), True, b"gateway,site=s1 not_in_the_table=1.0 %d"),
    ],
)
def test_lines_as_the_schema_says(series: Series, value: float, line: bytes) -> None:
    """Measurement is the level, cells and sensors count from 1, a float is always a float."""
    assert encode_one(Sample(T, series, value)) == line % T


def test_every_level_of_the_table_has_its_measurement() -> None:
    """Every row of the table of quantities is written under its own level's name."""
    for row in FIELDS.values():
        assert encode_one(Sample(T, Series(row.name, "p", None), 1.0)).startswith(row.level.encode() + b",")


@given(NAMES, NAMES, NAMES, st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 2**62))
def test_the_same_as_influxdb_client(site: str, pack: str, quantity: str, value: float, time_ns: int) -> None:
    """Names of any spelling and any finite value come out as influxdb-client writes them, `.0` apart."""
    line = encode_one(Sample(time_ns, Series(quantity, pack, None), value), site)
    point = Point("pack").tag("site", site).tag("pack", pack).field(quantity, value).time(time_ns)
    assert re.sub(rb"\.0 (\d+)$", rb" \1", line) == point.to_line_protocol().encode()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["soc", "current_a", "cell_min_v"]),
            st.sampled_from(["a", "b"]),
            st.integers(0, 2),
            st.floats(-1e6, 1e6),
        ),
        max_size=30,
    )
)
def test_merged_lines_hold_what_single_points_hold(rows: list[tuple[str, str, int, float]]) -> None:
    """Merging loses and invents nothing: per series and time the fields of the separate points, the last value wins."""
    expected: dict[tuple[str, int], dict[str, float]] = {}
    for quantity, pack, at, value in rows:
        key, fields, when = parse(
            Point("pack")
            .tag("site", "s1")
            .tag("pack", pack)
            .field(quantity, value)
            .time(T + at)
            .to_line_protocol()
            .encode()
        )
        expected.setdefault((key, when), {}).update(fields)
    samples = [Sample(T + at, Series(quantity, pack, None), value) for quantity, pack, at, value in rows]
    found = [parse(line) for line in LineEncoder("s1").samples(samples).lines]
    assert {(key, when): fields for key, fields, when in found} == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_counted_and_left_out(value: float) -> None:
    """NaN and infinity never reach a line, and the other values of the same moment do."""
    lines, dropped = LineEncoder("s1").samples(
        [Sample(T, Series("soc", "a", None), value), Sample(T, Series("current_a", "a", None), 2.5)]
    )
    assert (lines, dropped) == ([b"pack,pack=a,site=s1 current_a=2.5 %d" % T], 1)


def test_event_line() -> None:
    """An event has its kind as a tag, its text as a string, its numbers as floats and its nanoseconds as integers."""
    event = Event(
        T,
        "trip",
        "shed",
        {
            "text": 'cell 3 is "high"',
            "limit": "cell_over_voltage",
            "value": 3,
            "latched": True,
            "since_ns": T - 1,
            "none": None,
            "list": [1],
            "time": 4.0,
            "bad": math.nan,
        },
    )
    (line,) = LineEncoder("s1").events([event]).lines
    assert line.decode() == (
        f'event,kind=trip,limit=cell_over_voltage,pack=shed,site=s1 text="cell 3 is \\"high\\"",value=3.0,latched=1.0,'
        f"since_ns={T - 1}i {T}"
    )


def test_event_without_text_carries_its_data() -> None:
    """Where an event has no text of its own, its data stands there as JSON."""
    (line,) = LineEncoder("s1").events([Event(T, "gap", "", {"reason": "restart", "from_ns": 5})]).lines
    key, fields, when = parse(line)
    assert (key, when) == ("event,kind=gap,site=s1", T)
    assert json.loads(fields["text"].replace('\\"', '"')) == {"reason": "restart", "from_ns": 5}
    assert fields["from_ns"] == 5


def test_simultaneous_events_do_not_overwrite_each_other() -> None:
    """Two events of one kind, pack and moment are two points, the same two each time they are sent."""
    events = [Event(T, "note", "shed", {"text": text}) for text in ("one", "two", "three")]
    lines = LineEncoder("s1").events(events).lines
    assert len({parse(line)[0] for line in lines}) == 3
    assert lines == LineEncoder("s1").events(events).lines


@given(NAMES, NAMES, st.text(max_size=40))
def test_event_text_as_influxdb_client_writes_it(kind: str, pack: str, text: str) -> None:
    """Any text survives as influxdb-client would write it, on one line."""
    (line,) = LineEncoder("s1").events([Event(T, kind, pack, {"text": text})]).lines
    clean = " ".join(text.splitlines())
    point = Point("event").tag("site", "s1").tag("kind", kind).tag("pack", pack).field("text", clean).time(T)
    assert line == point.to_line_protocol().encode(errors="replace")
    assert b"\n" not in line


def test_numbers_too_large_are_left_out() -> None:
    """A whole number beyond what the server holds never makes a line that it refuses."""
    (line,) = LineEncoder("s1").events([Event(T, "x", "", {"text": "t", "big_ns": 2**63, "huge": 10**400})]).lines
    assert line == b'event,kind=x,site=s1 text="t" %d' % T
