from __future__ import annotations

import errno
import os
import shutil
import threading

import pytest

from twolbms.journal import (
    Event,
    Frame,
    JournalBusyError,
    JournalReader,
    Keep,
    Pace,
    Reading,
    Retention,
    Room,
    Sample,
    Series,
    Wall,
)
from twolbms.journal.segment_writer import AHEAD_BYTES

A, B = "aa" * 16, "bb" * 16
CELL = Series("cell_voltage_v", "north", 3)
SLOW = Pace(write_s=3600, sync_s=3600, retry_s=3600, retry_most_s=3600)  # nothing happens unless flushed


def refuse(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def alarm_of(writer) -> str:
    """What the status says once the writing thread has met the disk's refusal."""
    for _ in range(200):
        assert not writer.flush(0.05)
        if error := writer.status().error:
            return error
    raise AssertionError("no alarm within ten seconds")


def test_all_families_written_acknowledged_and_read(open_writer, read_all):
    """Each record given is acknowledged once, as it can be read back afterwards."""
    acknowledged = []
    writer = open_writer(on_acknowledged=acknowledged.extend)
    writer.sample(CELL, 5, 3.312)
    writer.event(6, "trip", "north", {"cell": 3, "text": "°C", "nested": [1, None, {"a": True}]})
    writer.frame(7, "can0", 0x0CFF0001, True, b"\x00\xff")
    writer.reading(8, "shunt", b":51")
    assert writer.flush(5)
    expected = {
        "sample": [Sample(5, CELL, 3.312)],
        "event": [Event(6, "trip", "north", {"cell": 3, "text": "°C", "nested": [1, None, {"a": True}]})],
        "frame": [Frame(7, "can0", 0x0CFF0001, True, b"\x00\xff")], "reading": [Reading(8, "shunt", b":51")]}
    assert {family: read_all(family) for family in expected} == expected
    assert sorted(acknowledged, key=lambda record: record.time_ns) == [*expected["sample"], *expected["event"],
                                                                       *expected["frame"], *expected["reading"]]


def test_written_when_acknowledged(open_writer, read_all):
    """At the moment a record is acknowledged it can already be read from the file."""
    seen = []
    writer = open_writer(on_acknowledged=lambda records: seen.append((list(records), read_all("sample"))))
    for number in range(50):
        writer.sample(CELL, number, 1.0)
    assert writer.flush(5)
    assert sum(len(records) for records, _ in seen) == 50
    for records, readable in seen:
        assert readable[-len(records):] == records


def test_without_flush_the_thread_writes_and_syncs(open_writer):
    """Records are written and synced by the writer's own pace, without anybody asking."""
    written = threading.Event()
    writer = open_writer(on_acknowledged=lambda records: written.set())
    writer.sample(CELL, 1, 1.0)
    assert written.wait(5)
    writer.sample(CELL, 2, 1.0)
    assert any(writer.status().synced == 2 or threading.Event().wait(0.001) for _ in range(5000))
    assert writer.status().pending == 0


def test_large_batch_does_not_wait_for_the_period(open_writer):
    """A large batch is written at once, however long the period."""
    written = threading.Event()
    writer = open_writer(pace=SLOW._replace(large=10), on_acknowledged=lambda records: written.set())
    for number in range(11):
        writer.sample(CELL, number, 1.0)
    assert written.wait(5)


def test_acknowledged_and_synced_are_counted(open_writer):
    """The status counts what is acknowledged, synced, lost and waiting, and how much lies on disk."""
    writer = open_writer(pace=SLOW)
    for number in range(7):
        writer.sample(CELL, number, 1.0)
    assert writer.status()[:5] == (0, 0, 0, 7, 0)
    assert writer.flush(5)
    status = writer.status()
    assert (status.acknowledged, status.synced, status.lost, status.pending) == (7, 7, 0, 0)
    assert status.bytes_on_disk > 60
    assert status.error is None
    assert 0 <= status.last_sync_age_s < 3600


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), None, "3.3", 10**400])
def test_values_that_are_no_number_are_refused(open_writer, read_all, value):
    """Unknown is the absence of a sample: what is no finite number is counted as refused and never written."""
    writer = open_writer()
    writer.sample(CELL, 1, value)
    writer.sample(CELL, 2, 1.0)
    assert writer.flush(5)
    assert read_all("sample") == [Sample(2, CELL, 1.0)]
    assert (writer.status().refused, writer.status().lost) == (1, 0)


def test_records_the_format_cannot_hold_are_refused(open_writer, read_all):
    """Too long, out of range or no JSON: counted as refused, without an exception and without harm to others."""
    writer = open_writer()
    writer.frame(1, "can0", 5, False, bytes(65))
    writer.frame(2, "can0", 2**31, True, b"")
    writer.reading(3, "shunt", bytes(65_537))
    writer.event(4, "odd", "", {"a set": {1}})
    writer.event(5, "odd", "", {"nan": float("nan")})
    writer.event(6, "odd", "", {"long": "x" * 70_000})
    writer.sample(Series("x" * 70_000, "", None), 7, 1.0)
    writer.frame(8, "can0", 5, False, b"good")
    assert writer.flush(5)
    assert writer.status().refused == 7
    assert read_all("frame") == [Frame(8, "can0", 5, False, b"good")]


def test_event_data_is_copied(open_writer, read_all):
    """What the caller does with its dictionary afterwards does not change the event."""
    writer = open_writer(pace=SLOW)
    data = {"cells": [1]}
    writer.event(1, "trip", "", data)
    data["cells"].append(2)
    assert writer.flush(5)
    assert read_all("event") == [Event(1, "trip", "", {"cells": [1]})]


def test_full_queue_is_counted_and_told(open_writer, read_all):
    """Records that find no room are counted, and a lost event says how many, of when and why, as soon as one can."""
    writer = open_writer(pace=SLOW, room=Room(sample=10, frame=5), now_ns=lambda: 777)
    for number in range(13):
        writer.sample(CELL, 100 + number, 1.0)
    for number in range(9):
        writer.frame(200 + number, "can0", 1, False, b"")
    assert writer.status().lost == 7
    assert writer.flush(5)
    assert len(read_all("sample")) == 10
    assert read_all("event") == [Event(777, "lost", "", {
        "count": 7, "sample": 3, "frame": 4, "from_ns": 110, "to_ns": 208,
        "reason": "records came faster than the storage took them"})]


def test_losses_are_told_together(open_writer, read_all):
    """Losses that follow each other are told in one event a second, so that telling them does not fill the disk."""
    writer = open_writer(room=Room(sample=5))
    for _ in range(20):
        for number in range(5000):
            writer.sample(CELL, number, 1.0)
        assert any(writer.status().pending == 0 or threading.Event().wait(0.001) for _ in range(5000))
    lost = writer.status().lost
    assert lost > 0
    assert writer.flush(5)
    events = read_all("event")
    assert sum(event.data["count"] for event in events) == lost
    assert len(events) < 15


def test_full_disk_is_an_alarm_and_then_over(open_writer, read_all, monkeypatch, folder):
    """On a full disk callers go on and the status says so; with room again come what waited and a lost event."""
    writer = open_writer(room=Room(sample=10), now_ns=lambda: 777)
    writer.sample(CELL, 1, 1.0)
    assert writer.flush(5)
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", refuse)
        for number in range(2, 40):
            writer.sample(CELL, number, 1.0)
        assert alarm_of(writer) == "No space left on device"
        status = writer.status()
        assert status.acknowledged == 1
        assert status.lost + status.pending == 38
        lost = status.lost
    assert writer.flush(5)
    assert writer.status().error is None
    assert [record.time_ns for record in read_all("sample")] == [*range(1, 40 - lost)]
    event, = read_all("event")
    assert (event.kind, event.data["count"], event.data["reason"]) == ("lost", lost, "No space left on device")
    assert (event.data["from_ns"], event.data["to_ns"]) == (40 - lost, 39)
    assert JournalReader(folder).verify() == []


def test_one_family_that_fails_holds_up_no_other(open_writer, read_all, folder):
    """When the segment of one family cannot be written, the others still are."""
    writer = open_writer()
    folder.joinpath("frame").write_text("a file where the folder should be")
    writer.frame(1, "can0", 5, False, b"")
    writer.sample(CELL, 2, 1.0)
    assert "File exists" in alarm_of(writer)
    assert read_all("sample") == [Sample(2, CELL, 1.0)]
    assert writer.status().synced == 1
    folder.joinpath("frame").unlink()
    assert writer.flush(5)
    assert read_all("frame") == [Frame(1, "can0", 5, False, b"")]


def test_failed_sync_is_an_alarm_and_never_counted(open_writer, monkeypatch):
    """Records whose sync failed count as acknowledged and never as synced; later ones are synced again."""
    writer = open_writer(pace=SLOW)
    writer.sample(CELL, 1, 1.0)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", refuse)
        assert alarm_of(writer) == "synchronising failed: No space left on device"
    writer.sample(CELL, 2, 1.0)
    assert writer.flush(5)
    assert (writer.status().acknowledged, writer.status().synced) == (2, 1)


def test_removed_folder_is_made_again(open_writer, read_all, folder):
    """A folder removed under the writer is made again, and every record acknowledged from then on is in it."""
    writer = open_writer()
    writer.sample(CELL, 1, 1.0)
    assert writer.flush(5)
    shutil.rmtree(folder)
    writer.sample(CELL, 2, 1.0)
    assert writer.flush(5)
    assert read_all("sample") == [Sample(2, CELL, 1.0)]
    with pytest.raises(JournalBusyError):
        open_writer()


def test_folder_that_cannot_be_opened_is_an_alarm(open_writer, read_all, folder):
    """A gateway starts with its journal's disk missing: an alarm, and the records wait until it is there."""
    folder.write_text("not a folder")
    writer = open_writer()
    writer.sample(CELL, 1, 1.0)
    assert "File exists" in alarm_of(writer)
    folder.unlink()
    assert writer.flush(5)
    assert read_all("sample") == [Sample(1, CELL, 1.0)]


def test_listener_that_raises_stops_nothing(open_writer, read_all):
    """A listener to acknowledgements that raises is an alarm; records are written all the same."""
    def listen(records):
        raise KeyError("oh")

    writer = open_writer(on_acknowledged=listen)
    writer.sample(CELL, 1, 1.0)
    assert writer.flush(5)
    assert read_all("sample") == [Sample(1, CELL, 1.0)]
    assert writer.status().error == "listener to acknowledgements: KeyError: 'oh'"


def test_mistake_in_the_thread_does_not_end_it(open_writer, read_all, monkeypatch):
    """Even an unexpected exception on the writing thread is an alarm and a retry, not the end of the journal."""
    writer = open_writer()
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", lambda *_: 1 / 0)
        writer.sample(CELL, 1, 1.0)
        assert "unexpected ZeroDivisionError" in alarm_of(writer)
    assert writer.flush(5)
    assert read_all("sample") == [Sample(1, CELL, 1.0)]


def test_second_writer_is_refused(open_writer):
    """Two writers on one folder: the second is told so, and the first goes on."""
    writer = open_writer()
    with pytest.raises(JournalBusyError, match="already being written"):
        open_writer()
    writer.sample(CELL, 1, 1.0)
    assert writer.flush(5)


def test_closing_writes_what_waits(open_writer, read_all):
    """Closing writes everything given before; what comes after counts as lost."""
    writer = open_writer(pace=SLOW)
    writer.sample(CELL, 1, 1.0)
    writer.close()
    writer.sample(CELL, 2, 1.0)
    assert read_all("sample") == [Sample(1, CELL, 1.0)]
    assert writer.status().lost == 1


def test_gap_after_a_clean_end(open_writer, read_all):
    """The next writer of the boot tells the time between the last record and its own start."""
    writer = open_writer()
    writer.sample(CELL, 500, 1.0)
    writer.close()
    open_writer(now_ns=lambda: 9000).close()
    assert read_all("event") == [Event(9000, "gap", "", {
        "from_ns": 500, "to_ns": 9000, "reason": "the gateway was stopped"})]


def test_a_new_journal_has_no_gap(open_writer, read_all):
    """A folder without records begins without a gap event."""
    open_writer().close()
    open_writer(B).close()
    assert read_all("event") == []


def test_wall_time_is_fixed_once(open_writer):
    """The first wall time of a boot holds, for this writer and for the next one of the boot."""
    writer = open_writer()
    assert writer.wall is None
    writer.fix_wall(1000, "rtc")
    writer.fix_wall(2000, "network")
    assert writer.wall == Wall(1000, "rtc")
    assert writer.flush(5)
    writer.close()
    writer = open_writer()
    writer.fix_wall(3000, "network")
    assert writer.wall == Wall(1000, "rtc")
    writer.close()
    assert open_writer(B).wall is None


def test_wall_time_that_cannot_be_written_holds_up_no_record(open_writer, read_all, folder):
    """Where the boots file cannot be written, that is an alarm; the records are written all the same."""
    writer = open_writer()
    folder.joinpath("boots").mkdir()
    writer.fix_wall(1000, "rtc")
    writer.sample(CELL, 1, 1.0)
    assert "Is a directory" in alarm_of(writer)
    assert read_all("sample") == [Sample(1, CELL, 1.0)]
    folder.joinpath("boots").rmdir()
    assert writer.flush(5)
    assert read_all("sample") == [Sample(1001, CELL, 1.0)]


def test_wall_time_survives_a_removed_folder(open_writer, folder):
    """A folder made again under the writer gets the boot's wall time again, also one of a writer before."""
    writer = open_writer()
    writer.fix_wall(1000, "rtc")
    writer.close()
    writer = open_writer()
    shutil.rmtree(folder)
    assert writer.flush(5)
    writer.close()
    assert open_writer().wall == Wall(1000, "rtc")


def test_wall_time_waits_for_a_full_disk(open_writer, monkeypatch, folder):
    """Wall time that the disk refuses is written as soon as the disk takes it."""
    writer = open_writer()
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", refuse)
        writer.fix_wall(1000, "rtc")
        assert alarm_of(writer) == "No space left on device"
    assert writer.flush(5)
    writer.close()
    assert open_writer().wall == Wall(1000, "rtc")


def test_refuses_what_is_no_boot_id(open_writer):
    """A boot id that is not 32 hex digits is a mistake of the program and refused at once."""
    with pytest.raises(ValueError, match="expected 32 hex digits"):
        open_writer("3fa85f64-5717-4562-b3fc-2c963f66afa6")


def test_retention_while_writing(open_writer, read_all):
    """The journal stays within its bytes while it is written, keeps the newest records and no other family's rule."""
    writer = open_writer(retention=Retention(reading=Keep(300_000)))
    for number in range(60):
        writer.reading(number, "shunt", os.urandom(10_000))
        writer.event(number, "note", "", {})
        assert writer.flush(5)
    assert writer.status().bytes_on_disk < 300_000 + AHEAD_BYTES
    times = [record.time_ns for record in read_all("reading")]
    assert times == [*range(times[0], 60)]
    assert 15 < len(times) < 60
    assert len(read_all("event")) == 60
