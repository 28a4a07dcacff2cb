from __future__ import annotations

import errno
import os
import random

import pytest

from twolbms.journal import Keep, Reading, Wall
from twolbms.journal.block import SUMMARY, pack_block
from twolbms.journal.scan import walk
from twolbms.journal.segment_writer import SegmentWriter, SyncFailedError
from twolbms.journal.segments import segment_numbers

A, B = "aa" * 16, "bb" * 16
MIB = 1 << 20
PLENTY = Keep(MIB)


def block(time_ns: int, boot_id: str = A, size: int = 100):
    return pack_block("reading", boot_id, [Reading(time_ns, "shunt", random.Random(time_ns).randbytes(size))])


@pytest.fixture
def opened(tmp_path):
    """Opens the family "reading" of the test's folder, having adopted what is there."""
    writers = []

    def make(boot_id: str = A, keep: Keep = PLENTY, segment_bytes: int = 1000,
             ahead_bytes: int = 0) -> SegmentWriter:
        writers.append(SegmentWriter(tmp_path, "reading", boot_id, keep, segment_bytes, ahead_bytes))
        writers[-1].newest = writers[-1].adopt()
        return writers[-1]

    yield make
    for writer in writers:
        writer.close()


@pytest.fixture
def found(tmp_path):
    """Times of the blocks of each segment, with "summary" for a summary and "bad" for anything that is none."""
    def look() -> dict:
        segments = {}
        for number in segment_numbers(tmp_path, "reading"):
            with (tmp_path / "reading" / f"{number:08d}.seg").open("rb") as file:
                segments[number] = [
                    "bad" if piece.header is None else "summary" if piece.header.kind == SUMMARY
                    else piece.header.first_ns for piece in walk(file.fileno())]
        return segments

    return look


def append(writer: SegmentWriter, *times_ns: int, **options) -> None:
    for time_ns in times_ns:
        writer.append(*block(time_ns, **options))


def test_rolls_when_full_and_seals(opened, found):
    """A segment never grows beyond its bound, and a full one ends with a summary."""
    append(opened(), *range(6), size=300)
    assert found() == {1: [0, 1, "summary"], 2: [2, 3, "summary"], 3: [4, 5]}


def test_goes_on_in_the_same_boot(opened, found):
    """A writer of the same boot goes on in the newest segment and knows what it holds."""
    append(opened(), 1, 2)
    writer = opened()
    assert writer.newest.span == (A, 2, 1, 2)
    append(writer, 3)
    assert found() == {1: [1, 2, 3]}


def test_new_boot_new_segment(opened, found):
    """A writer of another boot seals the old segment and begins its own: one segment, one boot."""
    append(opened(), 1, 2)
    append(opened(B), 7, boot_id=B)
    assert found() == {1: [1, 2, "summary"], 2: [7]}


def test_torn_at_every_byte_is_cut_away(opened, found, tmp_path):
    """Wherever the last block was cut, the next writer removes the piece and goes on where the good blocks end."""
    append(opened(), 1, 2, 3)
    path = tmp_path / "reading" / "00000001.seg"
    whole = path.read_bytes()
    last = len(block(3)[1])
    for cut in range(len(whole) - last, len(whole)):
        path.write_bytes(whole[:cut])
        writer = opened()
        assert path.stat().st_size == len(whole) - last, f"cut at {cut}"
        append(writer, 4)
        assert found() == {1: [1, 2, 4]}, f"cut at {cut}"


def test_damage_before_good_blocks_is_left(opened, found, tmp_path):
    """Only a tail is cut away: a damaged block with good ones behind it costs nothing but itself."""
    append(opened(), 1, 2, 3)
    path = tmp_path / "reading" / "00000001.seg"
    spoiled = bytearray(path.read_bytes())
    spoiled[len(block(1)[1]) + 70] ^= 1
    path.write_bytes(spoiled)
    append(opened(), 4)
    assert found() == {1: [1, "bad", 3, 4]}


def test_blocks_of_a_later_format_are_left(opened, found, tmp_path):
    """An older program that meets a newer format cuts nothing away and writes to a segment of its own."""
    append(opened(), 1)
    path = tmp_path / "reading" / "00000001.seg"
    newer = path.read_bytes() + b"\xb22LJ\x02" + bytes(range(200))
    path.write_bytes(newer)
    append(opened(), 2)
    assert path.read_bytes() == newer
    assert found() == {1: [1, "bad"], 2: [2]}


def test_segment_that_is_all_torn_is_emptied(opened, found, tmp_path):
    """A newest segment without one good block is emptied, and the newest records are those of the segment before."""
    append(opened(), *range(3), size=300)
    (tmp_path / "reading" / "00000002.seg").write_bytes(b"\xb22LJ" + bytes(500))
    writer = opened()
    assert writer.newest.span == (A, 2, 0, 1)
    append(writer, 9)
    assert found() == {1: [0, 1, "summary"], 2: [], 3: [9]}


def test_room_ahead_is_given_back(opened, found, tmp_path):
    """Room is taken ahead, never beyond the segment's bound; a full, an adopted and a closed file have none left."""
    writer = opened(segment_bytes=5000, ahead_bytes=2000)
    path = tmp_path / "reading" / "00000001.seg"
    append(writer, 1)
    assert path.stat().st_size == writer.bytes_on_disk == len(block(1)[1]) + 2000
    assert found() == {1: [1, "bad"]}
    append(writer, 2)
    assert path.stat().st_size == len(block(1)[1]) + 2000, "within the room the size does not change"
    append(writer, *range(3, 60))
    assert all(file.stat().st_size <= 5000 + 60 for file in path.parent.iterdir())
    assert found()[1][-1] == "summary"
    writer = opened(segment_bytes=5000, ahead_bytes=2000)
    assert "bad" not in [piece for pieces in found().values() for piece in pieces]
    append(writer, 60)
    writer.give_back()
    assert "bad" not in found()[max(found())]


@pytest.mark.parametrize("size", [100, 20_000])
def test_a_disk_that_reserves_nothing_is_no_failure(opened, found, monkeypatch, size):
    """Where no room can be taken ahead, neither zeros nor reserved, the blocks are written all the same."""
    write = os.pwrite
    monkeypatch.setattr(os, "posix_fallocate", refuse_all)
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: write(fd, data, at) if any(data) else refuse_all())
    writer = opened(segment_bytes=MIB, ahead_bytes=2000)
    for number in range(4):
        append(writer, number, size=size)
        writer.sync()
    assert found() == {1: [0, 1, 2, 3]}


@pytest.mark.parametrize("size", [100, 20_000])
def test_zeros_for_little_and_reserved_room_for_much(opened, found, monkeypatch, size):
    """Room ahead is filled with zeros while syncs are small, and only reserved once they are large."""
    reserve, reserved = os.posix_fallocate, []
    monkeypatch.setattr(os, "posix_fallocate", lambda *place: (reserved.append(place), reserve(*place)))
    writer = opened(keep=Keep(1 << 30), segment_bytes=4 * MIB, ahead_bytes=10_000)
    for number in range(40):
        append(writer, number, size=size)
        writer.sync()
    assert bool(reserved) == (size > 9000)
    writer.give_back()
    assert found() == {1: [*range(40)]}


@pytest.mark.parametrize("part", [0, 1, 59, 60, 90])
def test_refused_write_leaves_no_part(opened, found, monkeypatch, tmp_path, part):
    """When the disk takes only part of a block and then no more, the part is removed, and the same block fits later."""
    writer = opened()
    append(writer, 1)
    size = (tmp_path / "reading" / "00000001.seg").stat().st_size
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", full_disk(part))
        with pytest.raises(OSError, match="No space left"):
            append(writer, 2)
    assert (tmp_path / "reading" / "00000001.seg").stat().st_size == size
    append(writer, 2, 3)
    assert found() == {1: [1, 2, 3]}


def refuse_all(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_disk(room: int):
    write, left = os.pwrite, [room]

    def refuse(fd, data, at):
        if not left[0]:
            refuse_all()
        written = write(fd, data[:left[0]], at)
        left[0] -= written
        return written

    return refuse


def test_refused_truncation_is_written_over(opened, found, monkeypatch):
    """Even when a part cannot be removed, the next block takes its place."""
    writer = opened()
    append(writer, 1)
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", full_disk(50))
        broken.setattr(os, "ftruncate", refuse_all)
        with pytest.raises(OSError, match="No space left"):
            append(writer, 2)
    append(writer, 3)
    assert found() == {1: [1, 3]}


def test_failed_sync_begins_a_new_segment(opened, found, monkeypatch):
    """After a failed sync the file is not trusted to sync again: the next block goes to a new one."""
    writer = opened()
    append(writer, 1)

    def fail(fd):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(SyncFailedError, match="synchronising failed: Input/output error"):
            writer.sync()
    append(writer, 2)
    assert found() == {1: [1], 2: [2]}


def test_removed_folder_is_noticed(opened, found, tmp_path):
    """A block written to a folder that has been moved away is not taken as written; the next one makes a new folder."""
    writer = opened()
    append(writer, 1)
    (tmp_path / "reading").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="removed or replaced"):
        append(writer, 2)
    append(writer, 2)
    assert found() == {2: [2]}


def test_retention_by_bytes(opened, found, tmp_path):
    """The family never exceeds its bytes, loses the oldest segments first and never the newest."""
    keep = Keep(bytes=600_000)
    writer = opened(keep=keep, segment_bytes=8 * MIB)
    for number in range(120):
        append(writer, number, size=10_000)
        writer.retain(None, {})
        on_disk = sum(path.stat().st_size for path in (tmp_path / "reading").iterdir())
        assert on_disk == writer.bytes_on_disk <= keep.bytes
    times = [time for segment in found().values() for time in segment if time != "summary"]
    assert times == [*range(times[0], 120)]
    assert on_disk > keep.bytes * 0.7
    writer.retain(None, {})
    assert len(found()) > 1


def test_one_segment_is_never_unlinked(opened, found):
    """The segment being written stays even when it alone is more than may be kept."""
    writer = opened(keep=Keep(bytes=10))
    append(writer, 1)
    writer.retain(10**18, {A: Wall(0, "rtc")})
    assert found() == {1: [1]}


def test_retention_by_age(opened, found):
    """A segment goes when all of it is older than the age, by wall time, and stays while wall time is not known."""
    writer = opened(keep=Keep(bytes=MIB, age_s=100))
    append(writer, *(second * 10**9 for second in range(0, 300, 10)), size=10)
    spans = found()
    writer.retain(None, {})
    assert found() == spans
    writer.retain(305 * 10**9, {})
    assert found() == spans, "this boot's wall time is not known"
    walls = {A: Wall(5 * 10**9, "rtc")}
    writer.retain(305 * 10**9, walls)
    kept = [time for segment in found().values() for time in segment if time != "summary"]
    assert kept[-1] == 290 * 10**9
    assert kept[0] <= 200 * 10**9, "nothing younger than 100 s is gone"
    assert kept[0] >= 180 * 10**9, "at most an eighth of the age more is kept"


def test_age_passes_over_a_boot_without_wall_time(opened, found):
    """A boot whose wall time never became known goes when the boot after it is too old."""
    append(opened(), 1)
    writer = opened(B, keep=Keep(bytes=MIB, age_s=100))
    append(writer, 10**9, boot_id=B)
    writer.retain(50 * 10**9, {B: Wall(0, "rtc")})
    assert sorted(found()) == [1, 2]
    writer.retain(102 * 10**9, {B: Wall(0, "rtc")})
    assert sorted(found()) == [2]
