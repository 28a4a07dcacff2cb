"""Files removed under a running writer, and folders where files should be: said in words, counted, never a crash."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from twolbms.journal import FAMILIES, JournalReader, Keep, Pace, Sample, Series
from twolbms.journal.family_log import FamilyLog
from twolbms.journal.intake import Intake
from twolbms.journal.scribe import Scribe
from twolbms.journal.segment_writer import SegmentWriter

A, B = "aa" * 16, "bb" * 16
CELL = Series("cell_voltage_v", "north", 3)
SLOW = Pace(write_s=3600, sync_s=3600, retry_s=3600, retry_most_s=3600)


class ByHand:
    """A writer whose rounds are done one by one; a round writes, and syncs only when it is the last."""

    def __init__(self, folder: Path) -> None:
        self.logs = {family: FamilyLog(family, A, Intake(100, 100, lambda: None),
                                       SegmentWriter(folder, family, A, Keep(1 << 30))) for family in FAMILIES}
        self.scribe = Scribe(folder, A, self.logs, lambda: 777, None, SLOW)
        self.scribe.begin()

    def sample(self, *times_ns: int) -> None:
        for time_ns in times_ns:
            self.logs["sample"].intake.put(Sample(time_ns, CELL, 1.0))
        self.scribe.round()

    @property
    def lost(self) -> int:
        return sum(log.intake.lost for log in self.logs.values())


@pytest.fixture
def by_hand(folder):
    writer = ByHand(folder)
    yield writer
    writer.scribe.end(in_good_order=False)


def lost_events(read_all):
    return [event.data for event in read_all("event") if event.kind == "lost"]


@pytest.mark.parametrize("found_by", ["the next round", "the next record", "the sync"])
def test_a_removed_segment_is_an_alarm_and_its_records_are_lost(by_hand, read_all, folder, found_by):
    """A segment unlinked under the writer: the status says so, what was unsynced is a lost event, a new one begins."""
    by_hand.sample(1)
    assert by_hand.scribe.round(at_once=True)
    by_hand.sample(2, 3)
    folder.joinpath("sample", "00000001.seg").unlink()
    if found_by == "the next record":
        by_hand.sample(4)
    else:
        assert not by_hand.scribe.round(at_once=found_by == "the sync")
    assert by_hand.scribe.error == f"journal file was removed while it was written: {folder}/sample/00000001.seg"
    assert by_hand.lost == 2
    if found_by != "the next record":
        by_hand.sample(4)
    assert by_hand.scribe.round(at_once=True)
    assert by_hand.scribe.error is None
    assert [record.time_ns for record in read_all("sample")] == [4]
    lost, = lost_events(read_all)
    assert (lost["count"], lost["sample"], lost["from_ns"], lost["to_ns"]) == (2, 2, 2, 3)
    assert "was removed while it was written" in lost["reason"]
    assert by_hand.logs["sample"].synced == 2  # the first, before it was removed, and the last


def test_a_removed_folder_loses_what_was_not_synced(by_hand, read_all, folder):
    """The whole folder removed: the status says so, the unsynced records are a lost event in the folder made anew."""
    by_hand.sample(1, 2)
    shutil.rmtree(folder)
    by_hand.sample(3)
    assert by_hand.scribe.error == f"journal folder or its lock was removed or replaced: {folder}"
    assert by_hand.scribe.round(at_once=True)
    assert by_hand.scribe.error is None
    assert [record.time_ns for record in read_all("sample")] == [3]
    assert [(lost["count"], lost["reason"]) for lost in lost_events(read_all)] == [
        (2, f"journal folder or its lock was removed or replaced: {folder}")]
    assert by_hand.lost == 2


def test_a_removed_lock_is_an_alarm_and_costs_nothing(by_hand, read_all, folder):
    """Only the lock removed: the status says so, the writer takes it again, and every record is there and synced."""
    by_hand.sample(1, 2)
    folder.joinpath("lock").unlink()
    by_hand.sample(3)
    assert by_hand.scribe.error == f"journal folder or its lock was removed or replaced: {folder}"
    assert by_hand.scribe.round(at_once=True)
    assert folder.joinpath("lock").is_file()
    assert [record.time_ns for record in read_all("sample")] == [1, 2, 3]
    assert (by_hand.lost, by_hand.logs["sample"].synced) == (0, 3)


def test_a_lock_that_another_writer_took_meanwhile_is_an_alarm(by_hand, open_writer, folder):
    """Where the lock was removed and another writer began, the first stops writing and says who has the folder."""
    by_hand.sample(1)
    folder.joinpath("lock").unlink()
    open_writer(B)
    by_hand.sample(2)
    assert "is already being written by process" in by_hand.scribe.error
    assert by_hand.logs["sample"].waiting == 1


# (what is a folder, or a file where a folder should be; what `verify` says of it)
MISPLACED = [("boots", "boots is not a file"), ("lock", "lock is not a file"),
             ("sample/00000000.seg", "sample/00000000.seg is not a file"),
             ("sample/00000002.seg", "sample/00000002.seg is not a file"), ("frame", "frame is not a folder")]


def misplace(folder: Path, name: str) -> None:
    path = folder / name
    path.unlink(missing_ok=True)
    if name == "frame":
        path.write_text("a file")
    else:
        path.mkdir()


@pytest.mark.parametrize(("name", "problem"), MISPLACED)
def test_the_reader_passes_over_what_is_no_file(open_writer, folder, name, problem):
    """A folder in the place of a file of the journal is a problem in words; the records beside it are read."""
    writer = open_writer()
    writer.fix_wall(7, "network")
    writer.sample(CELL, 1, 1.0)
    assert writer.flush(5)
    writer.close()
    misplace(folder, name)
    reader = JournalReader(folder)
    assert sum(len(block.records) for block in reader.blocks("sample")) == 1
    assert reader.damaged == name.endswith(".seg")
    assert list(reader.blocks("frame")) == [] == reader.gaps()
    assert len(list(reader.records("sample"))) == (name != "boots")  # without it no record has a wall time
    assert reader.verify() == [problem]


@pytest.mark.parametrize("name", ["boots", "lock", "sample/00000002.seg"])
def test_the_writer_says_what_is_no_file(open_writer, read_all, folder, name):
    """A folder in the place of a file: the status names it, and once it is away all that waited is written."""
    writer = open_writer()
    writer.sample(CELL, 1, 1.0)
    assert writer.flush(5)
    writer.close()
    misplace(folder, name)
    second = open_writer(B)
    second.sample(CELL, 2, 1.0)
    assert not second.flush(0.05)
    assert second.status().error == f"Is a directory: {folder}/{name}"
    folder.joinpath(name).rmdir()
    assert second.flush(5)
    assert second.status().error is None
    assert [record.time_ns for record in read_all("sample")] == [1, 2]
