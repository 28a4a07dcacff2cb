"""The journal on disks that really are full: a limited file size, and a small file system of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from twolbms.journal import Frame, JournalReader, JournalWriter, Pace, Reading

A = "aa" * 16
QUICK = Pace(write_s=0.002, sync_s=0.005, retry_s=0.002, retry_most_s=0.01)

LIMITED = """
import os, random, resource, signal, sys, time
from pathlib import Path
from twolbms.journal import JournalWriter, Pace

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
writer = JournalWriter(Path(sys.argv[1]), "aa" * 16, now_ns=lambda: 5, pace=Pace(0.002, 0.005, 0.002, 0.01))
for number in range(30):
    writer.reading(number, "shunt", random.Random(number).randbytes(400))
    writer.flush(0.03)
status = writer.status()
assert status.error == "File too large", status
assert 0 < status.acknowledged < 30, status
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert writer.flush(5), writer.status()
assert writer.status().error is None
print(status.acknowledged)
writer.close()
"""


@pytest.mark.parametrize("limit", [3000, 3001, 3050, 3400])
def test_file_size_limit(folder, limit):
    """Where the kernel takes only part of a block, that part is gone and the block whole once there is room."""
    child = subprocess.run([sys.executable, "-c", LIMITED, folder, str(limit)], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    reader = JournalReader(folder)
    readings = [record for block in reader.blocks("reading") for record in block.records]
    assert [record.time_ns for record in readings] == [*range(30)]
    assert reader.verify() == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    where = tmp_path / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", where]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root and the right to mount")
    yield where
    subprocess.run(["umount", where], check=True)


def test_the_oldest_frames_make_room(small_disk):
    """On a full disk values and events go on being written, for the oldest frames are dropped, told and counted."""
    folder = small_disk / "journal"
    writer = JournalWriter(folder, A, now_ns=lambda: 5, pace=QUICK, segment_bytes=1 << 16)
    for number in range(400):
        writer.frames([Frame(number, "can0", number, False, os.urandom(8)) for _ in range(250)])
        writer.event(number, "note", "", {})
        assert writer.flush(5), writer.status()
    status = writer.status()
    assert (status.error, status.lost, status.refused) == (None, 0, 0)
    writer.close()
    reader = JournalReader(folder)
    frames = sum(table.columns.count for table in reader.frame_tables())
    events = [event for block in reader.blocks("event") for event in block.records]
    dropped = [event.data for event in events if event.kind == "dropped"]
    assert sum(event.kind == "note" for event in events) == 400
    assert {(data["family"], data["reason"]) for data in dropped} == {("frame", "No space left on device")}
    assert sum(data["count"] for data in dropped) == status.dropped == 400 * 250 - frames
    assert status.dropped > 0
    assert reader.verify() == []


def test_disk_without_space(small_disk):
    """On a disk without space left the journal loses only what its queue cannot hold, and says so once there is."""
    filler = small_disk / "filler"
    filler.write_bytes(bytes(150_000))
    folder = small_disk / "journal"
    writer = JournalWriter(folder, A, now_ns=lambda: 5, pace=QUICK)
    payloads = [os.urandom(20_000) for _ in range(8)]
    for number, payload in enumerate(payloads):
        writer.reading(number, "shunt", payload)
        writer.flush(0.05)
    status = writer.status()
    assert status.error == "No space left on device"
    assert 0 < status.acknowledged < 8
    assert status.acknowledged + status.pending == 8
    before = [record for block in JournalReader(folder).blocks("reading") for record in block.records]
    assert before == [Reading(number, "shunt", payloads[number]) for number in range(status.acknowledged)]
    filler.unlink()
    assert writer.flush(5)
    assert writer.status().error is None
    after = [record for block in JournalReader(folder).blocks("reading") for record in block.records]
    assert after == [Reading(number, "shunt", payload) for number, payload in enumerate(payloads)]
    writer.close()
    assert JournalReader(Path(folder)).verify() == []
