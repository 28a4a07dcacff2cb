"""Frames as columns: what a block of them gives without a record for each, with numpy and without."""

from __future__ import annotations

import random
import sys

import pytest

from twolbms.journal import Frame, JournalReader, Keep, Retention
from twolbms.journal.block import pack_block, unpack_frame_columns
from twolbms.journal.frames import pack_frames, unpack_frames
from twolbms.journal.payload import NONSENSE

A, B = "aa" * 16, "bb" * 16
STANDARD = [Frame(5 + number, "can0", 0x100 + number, False, bytes([number] * 8)) for number in range(9)]
EXTENDED = [Frame(10**12 - number, "can1", 0x1FFF_FFFF - number, True, b"\xff" * 8) for number in range(9)]
MIXED = [Frame(10**9 * number, f"can{number % 3}", number * 7, number % 2 == 0, bytes(range(number % 9)))
         for number in range(300)]
FD = [Frame(-number, "fd", number, False, random.Random(number).randbytes(number)) for number in range(65)]
LOADS = {"standard": STANDARD, "extended": EXTENDED, "mixed": MIXED, "fd": FD, "one": STANDARD[:1],
         "empty data": [Frame(1, "can0", 0, False, b""), Frame(1, "can0", 2**31 - 1, True, b"")]}


def columns_of(records, shift_ns=0):
    header, block = pack_block("frame", A, records)
    return unpack_frame_columns(header, block[-header.stored_size:], shift_ns)


@pytest.mark.parametrize("records", LOADS.values(), ids=LOADS)
def test_columns_hold_every_frame(records):
    """Every column, the records made of them and the shifted times are those of the frames that were packed."""
    columns = columns_of(records, 1000)
    assert columns.count == len(records)
    assert columns.frames() == [record._replace(time_ns=record.time_ns + 1000) for record in records]
    assert columns.times_ns() == [record.time_ns + 1000 for record in records]
    assert [columns.buses[index] for index in columns.bus] == [record.bus for record in records]
    assert columns.can_ids() == [record.can_id for record in records]
    assert columns.extended() == [record.extended for record in records]
    assert columns.lengths.tolist() == [len(record.data) for record in records]
    assert list(columns.data()) == [record.data for record in records]


@pytest.mark.parametrize("records", LOADS.values(), ids=LOADS)
def test_arrays_hold_every_frame(records):
    """As numpy arrays: the same values, the data padded with zeros to the longest of the block."""
    pytest.importorskip("numpy")
    arrays = columns_of(records, 1000).arrays()
    assert (arrays.time_ns.dtype, arrays.can_id.dtype, arrays.extended.dtype) == ("int64", "int64", "bool")
    rows = [Frame(int(time_ns) - 1000, arrays.buses[bus], int(can_id), bool(extended), data.tobytes()[:length])
            for time_ns, bus, can_id, extended, length, data in zip(*arrays[:6], strict=True)]
    assert rows == records
    widest = max(len(record.data) for record in records)
    assert [row.tobytes() for row in arrays.data] == [record.data.ljust(widest, b"\0") for record in records]


def test_columns_do_without_numpy(monkeypatch):
    """Where numpy is not installed the columns are there all the same; only the arrays are missing."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.delitem(sys.modules, "twolbms.journal.frame_arrays", raising=False)
    columns = columns_of(MIXED)
    assert columns.frames() == MIXED
    with pytest.raises(ModuleNotFoundError):
        columns.arrays()


@pytest.mark.parametrize("bad", [
    Frame(1, "can0", 2**31, True, b""), Frame(1, "can0", -1, False, b""), Frame(1, "can0", 5, False, bytes(65)),
    Frame(1, "can0", 5, False, bytes(300)), Frame(2**63, "can0", 5, False, b""), Frame(1, 5, 5, False, b""),
    Frame(1, "can0", 5.5, False, b""), Frame(1, "can0", 5, False, "text"), Frame(1, "can0", 5, False, None)])
def test_a_batch_loses_only_what_the_format_cannot_hold(open_writer, read_all, bad):
    """A frame out of range, too long or of wrong types is counted as refused; the batch around it is written."""
    writer = open_writer()
    writer.frames([*MIXED, bad, *EXTENDED])
    assert writer.flush(5)
    assert read_all("frame") == [*MIXED, *EXTENDED]
    assert (writer.status().refused, writer.status().lost) == (1, 0)


def test_tables_and_blocks_agree_and_resume(open_writer, folder):
    """Tables come with the cursors, counts and wall times of the blocks, over segments, and resume like them."""
    writer = open_writer(segment_bytes=1 << 16)
    frames = [Frame(number, "can0", number % 2000, False, random.Random(number).randbytes(8))
              for number in range(20_000)]
    for start in range(0, 20_000, 1000):
        writer.frames(frames[start:start + 1000])
        assert writer.flush(5)
        if start == 10_000:
            writer.fix_wall(5000, "rtc")
    reader = JournalReader(folder)
    blocks, tables = list(reader.blocks("frame")), list(reader.frame_tables())
    assert [table.columns.frames() for table in tables] == [block.records for block in blocks]
    assert [(*table[:1], *table[2:]) for table in tables] == [(block.boot_id, *block[3:]) for block in blocks]
    assert tables[-1].next.segment > 2
    for position in (0, 7, 19):
        rest = list(reader.frame_tables(tables[position].next))
        assert [table.columns.frames() for table in rest] == [block.records for block in blocks[position + 1:]]
    assert (tables[-1].wall_known, tables[-1].quality) == (True, "rtc")
    assert tables[0].columns.times_ns()[0] == 5000


def test_tables_tell_of_damage_and_of_what_was_unlinked(open_writer, folder):
    """A damaged block and unlinked segments are told with the next table, once."""
    writer = open_writer(segment_bytes=1 << 16, retention=Retention(frame=Keep(300_000)))
    cursor = None
    for number in range(60):
        writer.frames([Frame(number, "can0", 1, False, random.Random(number * 1000 + row).randbytes(8))
                       for row in range(1000)])
        assert writer.flush(5)
        cursor = cursor or next(JournalReader(folder).frame_tables()).next
    tables = list(JournalReader(folder).frame_tables(cursor))
    assert tables[0].skipped_segments > 0
    assert all(table.skipped_segments == 0 for table in tables[1:])
    path = folder / "frame" / f"{tables[0].next.segment:08d}.seg"
    raw = bytearray(path.read_bytes())
    raw[tables[0].next.offset + 100] ^= 1
    path.write_bytes(raw)
    reader = JournalReader(folder)
    spoiled = list(reader.frame_tables(cursor))
    assert [table.damaged for table in spoiled[:3]] == [0, 1, 0]
    assert [table.columns.rows for table in spoiled] == [table.columns.rows for table in tables[:1] + tables[2:]]
    assert reader.damaged == 1


@pytest.mark.parametrize("records", [[Frame(1, "can0", 5, False, b"\x01\x02")], MIXED[:20], FD])
def test_bytes_that_are_no_columns_are_refused(records):
    """Columns cut short or too long, lengths that do not add up, unknown buses: each raises what readers know."""
    raw, _, _, by_bytes = pack_frames(records)
    assert unpack_frames(raw, len(records), 0, by_bytes).frames() == records
    for spoiled in [*(raw[:cut] for cut in range(len(raw))), raw + b"\0", raw + raw]:
        with pytest.raises(NONSENSE):
            unpack_frames(spoiled, len(records), 0, by_bytes)
    last_bus = raw.rindex(b"can") + 5 if b"can" in raw else raw.index(b"fd") + 3
    for value in (len(records), 127, 128, 255):
        with pytest.raises(NONSENSE):
            unpack_frames(raw[:last_bus] + bytes([value]) + raw[last_bus + 1:], len(records), 0, by_bytes)
