from __future__ import annotations

import errno
import os
import random
import threading
from itertools import islice

import pytest

import twolbms.journal.reader as reader_module
import twolbms.journal.verify as verify_module
from twolbms.journal import (
    Cursor,
    Event,
    JournalReader,
    JournalWriter,
    Keep,
    Reading,
    Retention,
    Sample,
    Series,
)
from twolbms.journal.block import Header
from twolbms.journal.segments import segment_path

A, B, C = "aa" * 16, "bb" * 16, "cc" * 16
CELL = Series("cell_voltage_v", "north", 3)
S = 10**9


def write(writer, *times_ns: int) -> None:
    """One block a time."""
    for time_ns in times_ns:
        writer.sample(CELL, time_ns, 1.0)
        assert writer.flush(5)


def times(blocks) -> list[int]:
    return [record.time_ns for block in blocks for record in block.records]


def large_readings(writer, *times_ns: int) -> None:
    """One block a time, so large that a segment of 64 KiB holds six."""
    for time_ns in times_ns:
        writer.reading(time_ns, "shunt", random.Random(time_ns).randbytes(10_000))
        assert writer.flush(5)


def test_no_journal_no_blocks(folder):
    """A folder that is not there yet reads as empty: the gateway may start its outlets before its journal."""
    reader = JournalReader(folder)
    assert (list(reader.blocks("sample")), list(reader.records("event")), reader.gaps()) == ([], [], [])
    assert reader.verify() == [f"{folder}: no such folder"]


@pytest.mark.parametrize("stop_after", [1, 2, 3, 5, 7, 20])
def test_resuming_gives_every_record_once(open_writer, folder, stop_after):
    """Stopped after any number of blocks and resumed from a written-down cursor, each record comes exactly once."""
    writer = open_writer(segment_bytes=1 << 16)
    large_readings(writer, *range(20))
    assert len(list(folder.joinpath("reading").iterdir())) > 3
    seen, cursor = [], None
    while blocks := list(islice(JournalReader(folder).blocks("reading", cursor), stop_after)):
        seen += times(blocks)
        assert all(block.skipped_segments == block.damaged == 0 for block in blocks)
        cursor = Cursor.parse(str(blocks[-1].next))
    assert seen == [*range(20)]
    large_readings(writer, 20, 21)
    assert times(JournalReader(folder).blocks("reading", cursor)) == [20, 21]


def test_the_end_is_where_only_what_comes_is_read(open_writer, folder):
    """A reader that begins at the end gets nothing that was there before, and everything that comes after."""
    reader = JournalReader(folder)
    assert reader.end("reading") is None
    writer = open_writer(segment_bytes=1 << 16)
    for start in range(0, 20, 5):
        large_readings(writer, *range(start, start + 5))
        end = reader.end("reading")
        assert end == list(reader.blocks("reading"))[-1].next
        assert list(reader.blocks("reading", end)) == []
        large_readings(writer, start + 100)
        assert times(reader.blocks("reading", end)) == [start + 100]


def test_cursor_survives_a_restart(open_writer, folder):
    """A cursor goes on across the end of a writer and of a boot."""
    writer = open_writer()
    write(writer, 1, 2)
    cursor = list(JournalReader(folder).blocks("sample"))[-1].next
    writer.close()
    for boot_id, expected in ((A, [3]), (B, [3, 4]), (C, [3, 4, 5])):
        writer = open_writer(boot_id)
        write(writer, expected[-1])
        writer.close()
        assert times(JournalReader(folder).blocks("sample", cursor)) == expected


def test_cursor_into_unlinked_segments(open_writer, folder):
    """A cursor whose segment retention has unlinked moves to the oldest and says how many were skipped, once."""
    writer = open_writer(segment_bytes=1 << 16, retention=Retention(reading=Keep(300_000)))
    large_readings(writer, 0, 1)
    cursor = next(JournalReader(folder).blocks("reading")).next
    large_readings(writer, *range(2, 60))
    oldest = min(int(path.stem) for path in folder.joinpath("reading").iterdir())
    assert oldest > 2
    blocks = list(JournalReader(folder).blocks("reading", cursor))
    assert [block.skipped_segments for block in blocks] == [oldest - 1] + [0] * (len(blocks) - 1)
    assert times(blocks) == [*range(times(blocks)[0], 60)]


def test_drained_journal_skips_nothing(open_writer, folder):
    """A reader that had everything before retention took it is not told of skipped segments."""
    writer = open_writer(segment_bytes=1 << 16, retention=Retention(reading=Keep(300_000)))
    seen, cursor = [], None
    for start in range(0, 60, 4):
        large_readings(writer, *range(start, start + 4))
        for block in JournalReader(folder).blocks("reading", cursor):
            assert block.skipped_segments == 0
            seen += times([block])
            cursor = block.next
    assert seen == [*range(60)]


def test_end_of_a_full_segment_is_the_start_of_the_next(open_writer, folder):
    """A reader that has read a full segment to its end misses nothing when that segment goes, and is told so."""
    writer = open_writer(segment_bytes=1 << 16)
    large_readings(writer, *range(9))
    cursor = next(block for block in JournalReader(folder).blocks("reading") if block.next.segment == 2).next
    assert cursor == Cursor("reading", 2, 0)
    segment_path(folder, "reading", 1).unlink()
    blocks = list(JournalReader(folder).blocks("reading", cursor))
    assert times(blocks) == [6, 7, 8]
    assert blocks[0].skipped_segments == 0


def test_cursor_of_a_replaced_journal(open_writer, folder):
    """A cursor beyond the newest segment belongs to a journal that is gone: everything here is new."""
    write(open_writer(), 1, 2)
    assert times(JournalReader(folder).blocks("sample", Cursor("sample", 99, 5))) == [1, 2]


def test_damaged_block_in_the_middle(open_writer, folder):
    """A damaged block costs its own records only, is counted, and is named by the check."""
    write(open_writer(), 1, 2, 3, 4)
    ends = [block.next.offset for block in JournalReader(folder).blocks("sample")]
    spoil(folder, "sample", ends[0] + 70)
    reader = JournalReader(folder)
    assert [(times([block]), block.damaged) for block in reader.blocks("sample")] == [([1], 0), ([3], 1), ([4], 0)]
    assert reader.damaged == 1
    assert reader.verify() == [f"sample/00000001.seg from byte {ends[0]} to {ends[1]}: damaged"]


def spoil(folder, family: str, offset: int, number: int = 1) -> None:
    path = segment_path(folder, family, number)
    raw = bytearray(path.read_bytes())
    raw[offset] ^= 0x10
    path.write_bytes(raw)


def test_damage_at_the_end_of_an_old_segment(open_writer, folder):
    """Where the last block of an older segment is damaged, reading goes on in the next and counts it."""
    writer = open_writer()
    write(writer, 1, 2)
    writer.close()
    write(open_writer(B), 3)
    path = segment_path(folder, "sample", 1)
    path.write_bytes(path.read_bytes()[:-80])
    blocks = list(JournalReader(folder).blocks("sample"))
    assert [(times([block]), block.damaged) for block in blocks] == [([1], 0), ([3], 1)]
    assert len(JournalReader(folder).verify()) == 1


def test_torn_tail_of_a_live_journal_is_waited_for(open_writer, folder):
    """Half a block at the end is no damage to a reader: it stops before, and reads the block once it is whole."""
    write(open_writer(ahead_bytes=0), 1, 2)
    path = segment_path(folder, "sample", 1)
    whole = path.read_bytes()
    first = next(JournalReader(folder).blocks("sample"))
    for cut in range(first.next.offset, len(whole)):
        path.write_bytes(whole[:cut])
        reader = JournalReader(folder)
        assert times(reader.blocks("sample")) == [1], f"cut at {cut}"
        assert reader.damaged == 0
    path.write_bytes(whole)
    assert times(JournalReader(folder).blocks("sample", first.next)) == [2]


def test_check_tells_a_torn_tail_from_a_write_going_on(open_writer, folder, monkeypatch):
    """Half a block that stays half is named by the check; one that is whole by the next look is not."""
    write(open_writer(ahead_bytes=0), 1, 2)
    path = segment_path(folder, "sample", 1)
    whole = path.read_bytes()
    start = next(JournalReader(folder).blocks("sample")).next.offset
    path.write_bytes(whole[:-1])
    assert JournalReader(folder).verify() == [
        f"sample/00000001.seg from byte {start} to {len(whole) - 1}: no whole block at the end"]
    walk = verify_module.walk

    def walk_and_be_written(fd, offset=0):
        if offset == start:
            path.write_bytes(whole)
        return walk(fd, offset)

    monkeypatch.setattr(verify_module, "walk", walk_and_be_written)
    assert JournalReader(folder).verify() == []


def test_block_of_another_family_is_not_believed(open_writer, folder):
    """A segment file of another family in the wrong folder is damage, not records."""
    writer = open_writer()
    writer.event(1, "note", "", {})
    write(writer, 1)
    segment_path(folder, "sample", 1).write_bytes(segment_path(folder, "event", 1).read_bytes())
    assert list(JournalReader(folder).blocks("sample")) == []
    assert "a block of family event" in JournalReader(folder).verify()[0]


def test_missing_segments_and_bad_boots_are_named(open_writer, folder):
    """The check names segments missing in between and lines of the boots file that cannot be read."""
    writer = open_writer(segment_bytes=1 << 16)
    large_readings(writer, *range(30))
    assert JournalReader(folder).verify() == []
    segment_path(folder, "reading", 2).unlink()
    folder.joinpath("boots").write_text("no such line\n")
    assert JournalReader(folder).verify() == ["boots: 1 damaged lines", "reading: segments 2 to 2 are missing"]


def test_reading_while_writing(open_writer, folder):
    """A reader that follows a writer over many segments gets every record once, in order, and never half a block."""
    writer = open_writer(segment_bytes=1 << 16)
    done = threading.Event()

    def produce():
        for number in range(300):
            writer.reading(number, "shunt", random.Random(number).randbytes(3000))
            if number % 7 == 0:
                writer.flush(5)
        writer.flush(5)
        done.set()

    producer = threading.Thread(target=produce)
    producer.start()
    seen: list[Reading] = []
    cursor, last_round = None, False
    while not last_round:
        last_round = done.is_set()
        reader = JournalReader(folder)
        for block in reader.blocks("reading", cursor):
            seen += block.records
            cursor = block.next
        assert reader.damaged == 0
    producer.join()
    assert seen == [Reading(number, "shunt", random.Random(number).randbytes(3000)) for number in range(300)]
    assert cursor is not None
    assert cursor.segment > 5


def test_clock_fixed_later(open_writer, folder):
    """Records written before wall time was known read as monotonic, and as wall time from when it is fixed."""
    writer = open_writer()
    write(writer, 5, 6)
    reader = JournalReader(folder)
    before = list(reader.blocks("sample"))
    assert [(block.wall_known, block.quality) for block in before] == [(False, None)] * 2
    assert times(before) == [5, 6]
    assert list(reader.records("sample")) == []
    assert reader.unplaced == 2
    writer.fix_wall(1_700_000_000_123_456_789, "network")
    write(writer, 7)
    after = list(reader.blocks("sample"))
    assert [(block.wall_known, block.quality) for block in after] == [(True, "network")] * 3
    assert times(after) == [1_700_000_000_123_456_789 + mono_ns for mono_ns in (5, 6, 7)]
    assert [record.time_ns for record in reader.records("sample")] == times(after)


def test_fixed_in_the_middle_of_a_pass(open_writer, folder):
    """A pass that began before wall time was fixed gives wall time for the blocks after."""
    writer = open_writer()
    write(writer, 5, 6)
    blocks = JournalReader(folder).blocks("sample")
    assert not next(blocks).wall_known
    writer.fix_wall(1000, "rtc")
    assert writer.flush(5)
    block = next(blocks)
    assert (block.wall_known, times([block])) == (True, [1006])


def test_two_boots_in_one_folder(open_writer, folder):
    """Each boot's records get that boot's wall time, and the gap between them has wall time at both ends."""
    writer = open_writer(A)
    writer.fix_wall(1000 * S, "network")
    write(writer, 90 * S)
    writer.close()
    writer = open_writer(B, now_ns=lambda: 3 * S)
    write(writer, 4 * S)
    reader = JournalReader(folder)
    assert [(block.boot_id, block.wall_known) for block in reader.blocks("sample")] == [(A, True), (B, False)]
    gap, = reader.gaps()
    assert (gap.time_ns, gap.data["from_ns"], gap.data["to_ns"]) == (3 * S, None, 3 * S)
    writer.fix_wall(2000 * S, "rtc")
    assert writer.flush(5)
    assert times(reader.blocks("sample")) == [1090 * S, 2004 * S]
    assert reader.gaps() == [Event(2003 * S, "gap", "", {
        "from_ns": 1090 * S, "from_boot": A, "to_ns": 2003 * S, "to_boot": B,
        "reason": "the gateway was stopped and the machine restarted"})]


@pytest.fixture(scope="module")
def three_minutes(tmp_path_factory):
    """A journal of two boots in some thirty segments: a reading a second, from 10,000 s of wall time on."""
    folder = tmp_path_factory.mktemp("three_minutes") / "journal"
    for boot_id, start_s in ((A, 10_000), (B, 10_090)):
        writer = JournalWriter(folder, boot_id, now_ns=lambda: 0, segment_bytes=1 << 16)
        writer.fix_wall(start_s * S, "network")
        large_readings(writer, *(second * S for second in range(90)))
        writer.close()
    return folder


@pytest.mark.parametrize("start, end, expected", [
    (None, None, range(180)), (10_003, 10_006, range(3, 6)), (None, 10_002, range(2)), (10_178, None, (178, 179)),
    (10_088, 10_093, range(88, 93)), (9000, 10_000, ()), (10_180, None, ()), (10_005, 10_005, ())])
def test_records_of_a_range(three_minutes, start, end, expected):
    """A range gives the records with start <= wall time < end, over segments and boots."""
    found = JournalReader(three_minutes).records("reading", start and start * S, end and end * S)
    assert [record.time_ns for record in found] == [(10_000 + second) * S for second in expected]


def test_small_range_reads_little(three_minutes, monkeypatch):
    """A small range unpacks only blocks of that range, and of the other segments reads no more than the summary."""
    walked, unpacked = [], []
    walk, unpack = reader_module.walk, reader_module.unpack_records

    def counting_walk(*arguments):
        walked.append(arguments)
        return walk(*arguments)

    def counting_unpack(header: Header, *arguments):
        unpacked.append(header)
        return unpack(header, *arguments)

    monkeypatch.setattr(reader_module, "walk", counting_walk)
    monkeypatch.setattr(reader_module, "unpack_records", counting_unpack)
    assert len(list(JournalReader(three_minutes).records("reading", 10_040 * S, 10_042 * S))) == 2
    assert len(list(three_minutes.joinpath("reading").iterdir())) > 25
    assert len(walked) <= 3
    assert len(unpacked) == 2


def test_part_of_a_block(open_writer, folder):
    """Where a block lies across the border of a range, its records inside are given and no others."""
    writer = open_writer()
    writer.fix_wall(0, "rtc")
    for number in range(10):
        writer.sample(CELL, number, 1.0)
    assert writer.flush(5)
    assert list(JournalReader(folder).records("sample", 3, 5)) == [Sample(3, CELL, 1.0), Sample(4, CELL, 1.0)]


def test_families_with_records(open_writer, folder):
    """The reader tells which families hold anything."""
    writer = open_writer()
    write(writer, 1)
    assert JournalReader(folder).families() == ["sample"]


@pytest.mark.parametrize("offset", [33, 90_000], ids=["inside a block", "beyond the file"])
@pytest.mark.parametrize("ahead_bytes", [0, 200_000], ids=["no room", "in the room"])
def test_a_cursor_that_lies_between_no_two_blocks(open_writer, folder, offset, ahead_bytes):
    """A cursor of a replaced journal, or of one whose end a power cut took, means: that segment from its beginning."""
    writer = open_writer(ahead_bytes=ahead_bytes)
    stale, reader = Cursor("sample", 1, offset), JournalReader(folder)
    write(writer, 1, 2)
    assert reader.placed(stale) == Cursor("sample", 1, 0)
    assert times(reader.blocks("sample", stale)) == [1, 2]
    write(writer, 3)
    assert times(reader.blocks("sample", stale)) == [1, 2, 3]
    assert reader.placed(Cursor("sample", 2, 5)) is None


def test_a_cursor_behind_a_block_whose_end_was_cut_off(open_writer, folder):
    """Where the file ends before the cursor, a good header that tells of more does not make it a place."""
    write(open_writer(ahead_bytes=0), 1, 2)
    path, end = segment_path(folder, "sample", 1), JournalReader(folder).end("sample")
    path.write_bytes(path.read_bytes()[:-5])
    assert JournalReader(folder).placed(end) == Cursor("sample", 1, 0)


@pytest.mark.parametrize("spoiled", [0, 1, 2])
def test_a_cursor_beside_damage_is_a_good_one(open_writer, folder, spoiled):
    """Damage before a cursor, or right behind it, does not send a reader back to the segment's beginning."""
    write(open_writer(), 1, 2, 3, 4)
    cursors = [block.next for block in JournalReader(folder).blocks("sample")]
    for at in (10, 70):  # its header, its payload
        spoil(folder, "sample", ([0] + [cursor.offset for cursor in cursors])[spoiled] + at)
        assert times(JournalReader(folder).blocks("sample", cursors[1])) == ([3, 4] if spoiled < 2 else [4])
        spoil(folder, "sample", ([0] + [cursor.offset for cursor in cursors])[spoiled] + at)


def test_the_end_is_not_behind_a_block_that_is_there_in_half(open_writer, folder):
    """While the last block's bytes are still coming the end lies before it; whoever begins there gets it whole."""
    write(open_writer(), 1, 2)
    path, whole = segment_path(folder, "sample", 1), segment_path(folder, "sample", 1).read_bytes()
    reader = JournalReader(folder)
    first, second = (block.next for block in reader.blocks("sample"))
    path.write_bytes(whole[:second.offset - 20] + bytes(len(whole) - second.offset + 20))
    assert reader.end("sample") == first
    path.write_bytes(whole)
    assert reader.end("sample") == second


class BadSector:
    """One sector of a segment that the disk does not read; `away`: the disk reads nothing."""

    def __init__(self, monkeypatch, path, at: int) -> None:
        self.away = False
        whole, bad = os.pread, os.stat(path).st_ino

        def pread(fd, size, offset):
            hit = os.fstat(fd).st_ino == bad and offset < at + 512 and offset + size > at
            if self.away or hit:
                raise OSError(errno.EIO, "Input/output error")
            return whole(fd, size, offset)

        monkeypatch.setattr(os, "pread", pread)


def fails(reader, cursor=None) -> bool:
    try:
        list(reader.blocks("reading", cursor))
    except OSError:
        return True
    return False


def test_an_unreadable_sector_is_passed_over_after_some_tries(open_writer, folder, monkeypatch):
    """What the disk does not give is an error at first and damage then: the blocks around it are read."""
    writer = open_writer()
    large_readings(writer, *range(4))
    ends = [block.next.offset for block in JournalReader(folder).blocks("reading")]
    BadSector(monkeypatch, segment_path(folder, "reading", 1), ends[1] + 1024 - ends[1] % 512)
    reader = JournalReader(folder)
    assert [fails(reader) for _ in range(reader_module._TRIES + 1)] == [True] * reader_module._TRIES + [False]
    assert [(times([block]), block.damaged) for block in reader.blocks("reading")] == [([0], 0), ([1], 0), ([3], 1)]
    assert reader.end("reading") == Cursor("reading", 1, ends[3])


def test_a_disk_that_reads_nothing_is_no_damage(open_writer, folder, monkeypatch):
    """A disk that is away stays an error however often it is asked; when it is back nothing is missing."""
    large_readings(open_writer(), *range(4))
    disk = BadSector(monkeypatch, folder, 0)
    disk.away, reader = True, JournalReader(folder)
    assert all(fails(reader) for _ in range(3 * reader_module._TRIES))
    disk.away = False
    assert times(reader.blocks("reading")) == [0, 1, 2, 3]
    assert reader.damaged == 0
