from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolbms.journal import Event, Frame, Reading, Sample, Series
from twolbms.journal.block import HEADER_SIZE, pack_block, pack_what_fits, read_header, unpack_records

BOOT = "0123456789abcdef" * 2

times = st.integers(-(2**62) + 1, 2**62 - 1)
texts = st.text(max_size=12)
values = st.floats(allow_nan=False, allow_infinity=False)
series = st.builds(Series, texts, texts, st.none() | st.integers(0, 300))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6)
RECORDS = {
    "sample": st.builds(Sample, times, series, values),
    "event": st.builds(Event, times, texts, texts, st.dictionaries(texts, json_values, max_size=4)),
    "frame": st.builds(Frame, times, texts, st.integers(0, 2**31 - 1), st.booleans(), st.binary(max_size=64)),
    "reading": st.builds(Reading, times, texts, st.binary(max_size=200)),
}
batches = st.sampled_from(sorted(RECORDS)).flatmap(
    lambda family: st.tuples(st.just(family), st.lists(RECORDS[family], min_size=1, max_size=40)))


def unpacked(block: bytes, shift_ns: int = 0) -> list:
    header = read_header(block)
    assert header is not None
    return unpack_records(header, block[HEADER_SIZE:], shift_ns)


@given(batches)
def test_any_record_round_trip(batch):
    """Whatever a block is made of comes out of it again, of the same type, in the same order."""
    family, records = batch
    _, block = pack_block(family, BOOT, records)
    back = unpacked(block)
    assert back == records
    assert [type(record) for record in back] == [type(record) for record in records]


@given(batches)
def test_header_tells_count_range_and_boot(batch):
    """The header alone says how many records there are, from when to when, and of which boot."""
    family, records = batch
    _, block = pack_block(family, BOOT, records)
    header = read_header(block[:HEADER_SIZE])
    assert header is not None
    assert (header.family, header.records, header.boot_id, header.size) == (family, len(records), BOOT, len(block))
    assert header.first_ns == min(record.time_ns for record in records)
    assert header.last_ns == max(record.time_ns for record in records)


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 1.7976931348623157e308, 3.3120000000000003])
def test_values_keep_every_bit(value):
    """A value comes back as the same double, sign of zero and last bit included."""
    _, block = pack_block("sample", BOOT, [Sample(1, Series("a", "b", 0), value)])
    back = unpacked(block)[0].value
    assert (back, math.copysign(1, back)) == (value, math.copysign(1, value))


def test_shift_moves_every_time():
    """The wall offset given at reading is added to each record's time, to the nanosecond."""
    records = [Sample(time_ns, Series("a", "b", None), 1.0) for time_ns in (5, 3, 10**15)]
    _, block = pack_block("sample", BOOT, records)
    shifted = unpacked(block, 1_700_000_000_123_456_789)
    assert [record.time_ns - 1_700_000_000_123_456_789 for record in shifted] == [5, 3, 10**15]


@pytest.mark.parametrize("cells", [(None, 0, 1), (0, None, 1), (1, 0), (0, 1, 3, 4), (2, 3, None), (0, 0, 1)])
def test_series_without_cell_beside_cells(cells):
    """A quantity of the pack and the same quantity of its cells stay apart, in whatever order they come."""
    records = [Sample(1, Series("v", "north", cell), 1.0) for cell in cells]
    assert unpacked(pack_block("sample", BOOT, records)[1]) == records


def test_a_pack_of_cells_costs_one_row_of_names():
    """Sixteen cells are named by one row, so that small blocks stay small: under 300 bytes for a pack's second."""
    records = [Sample(10**12, Series("cell_voltage_v", "north", cell), 3.3 + cell / 1000) for cell in range(16)]
    _, block = pack_block("sample", BOOT, records)
    assert len(block) < 300
    assert block.count(b"cell_voltage_v") <= 1


@pytest.mark.parametrize("family, bad", [
    ("sample", Sample(2**62, Series("a", "", None), 1.0)),
    ("sample", Sample(1, Series("a", "", -1), 1.0)),
    ("sample", Sample(1, Series("a" * 70_000, "", None), 1.0)),
    ("sample", Sample(1.5, Series("a", "", None), 1.0)),
    ("sample", Sample(1, Series("a", None, None), 1.0)),
    ("sample", Sample(1, None, 1.0)),
    ("frame", Frame(1, "can0", -1, False, b"")),
    ("frame", Frame(1, "can0", 2**31, False, b"")),
    ("frame", Frame(1, "can0", None, False, b"")),
    ("reading", Reading(1, "shunt", None)),
    ("event", Event(1, "kind", "", {"set": {1}})),
    ("event", Event(1, "kind", "", {"value": float("nan")})),
])
def test_one_bad_record_costs_no_other(family, bad):
    """A record that the format cannot hold is left out, and its neighbours are packed."""
    good = {"sample": Sample(1, Series("a", "", None), 1.0), "frame": Frame(1, "can0", 5, False, b"x"),
            "reading": Reading(1, "shunt", b"x"), "event": Event(1, "kind", "", {})}[family]
    packed = pack_what_fits(family, BOOT, [good, bad, good])
    assert packed is not None
    assert packed[2] == [good, good]
    assert unpacked(packed[1]) == [good, good]
    assert pack_what_fits(family, BOOT, [bad]) is None


def test_every_bit_of_the_header_counts():
    """A header with one flipped bit, whichever, is not read as a header."""
    _, block = pack_block("sample", BOOT, [Sample(1, Series("a", "b", 0), 1.0)])
    for bit in range(HEADER_SIZE * 8):
        spoiled = bytearray(block[:HEADER_SIZE])
        spoiled[bit // 8] ^= 1 << bit % 8
        assert read_header(bytes(spoiled)) is None, f"bit {bit}"


def test_columns_in_the_narrowest_type():
    """Frames of equal length and spacing take less than 12 bytes each, ids and times included."""
    records = [Frame(10**12 + number * 568_000, "can0", 0x0CFF0001 + (number % 7 << 8), True,
                     bytes((number * 7919 >> shift) & 255 for shift in range(8))) for number in range(352)]
    _, block = pack_block("frame", BOOT, records)
    assert len(block) / len(records) < 12
