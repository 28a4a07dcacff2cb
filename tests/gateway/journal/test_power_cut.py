"""Power cuts for real: the blocks that an ext4 disk had been given at that moment, mounted again and read."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from twolbms.journal import Frame, JournalReader, JournalWriter, Pace, Sample, Series

A, B = "aa" * 16, "bb" * 16
BY_FLUSH = Pace(write_s=3600, sync_s=3600, large=1 << 30)
WRITE_ONLY = Pace(write_s=0.001, sync_s=3600)
CELL = Series("cell_voltage_v", "north", 3)


def do(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def mounted(image: Path, where: Path):
    """The file system of the image; its journal is replayed as after a power cut."""
    where.mkdir()
    device = do("losetup", "--find", "--show", image)
    try:
        do("mount", "-o", "noatime", device, where)
        try:
            yield where
        finally:
            do("umount", "--lazy", where)  # whatever a failed test still has open
    finally:
        do("losetup", "--detach", device)


@pytest.fixture
def disk(tmp_path):
    """An ext4 file system of its own, and a function that gives what would be left of it after a power cut now."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(24 << 20)
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4") or not shutil.which("losetup"):
        pytest.skip("a disk of its own needs root, mkfs.ext4 and losetup")
    do("mkfs.ext4", "-q", "-F", "-b", "4096", image)
    with contextlib.ExitStack() as stack:
        try:
            where = stack.enter_context(mounted(image, tmp_path / "disk"))
        except subprocess.CalledProcessError:
            pytest.skip("loop devices may not be mounted here")
        cuts = []

        @contextlib.contextmanager
        def after_a_cut():
            copy = tmp_path / f"cut{len(cuts)}"
            cuts.append(copy)
            shutil.copyfile(image, copy)
            with mounted(copy, tmp_path / f"after{len(cuts)}") as left:
                yield left / "journal"
            copy.unlink()

        yield where / "journal", after_a_cut


@pytest.mark.parametrize("size", [1, 40, 1500])
def test_what_is_synced_survives(disk, size):
    """After a power cut every synced record is read, nothing read is wrong, and the next writer goes on.

    Small syncs have room of zeros ahead, the largest reserved room, and a folder and a file are new at the first cut.
    """
    folder, after_a_cut = disk
    writer = JournalWriter(folder, A, now_ns=lambda: 0, pace=BY_FLUSH, segment_bytes=1 << 18)
    writer.fix_wall(5, "rtc")
    rng = random.Random(size)
    given: list = []
    for _ in range(6):
        for _ in range(rng.randrange(1, 12)):
            frames = [Frame(len(given) + number, "can0", rng.randrange(2000), False, rng.randbytes(8))
                      for number in range(size)]
            given += frames
            writer.frames(frames)
            writer.sample(CELL, len(given), 1.0)
            assert writer.flush(10)
        assert writer.status().synced == writer.status().acknowledged
        with after_a_cut() as left:
            reader = JournalReader(left)
            assert reader.verify() == []
            assert [*read(reader, "frame")] == [frame._replace(time_ns=frame.time_ns + 5) for frame in given]
            again = JournalWriter(left, B, now_ns=lambda: 0)
            again.sample(CELL, 7, 2.0)
            assert again.flush(10)
            again.close()
            assert [*read(reader, "sample")][-1] == Sample(7, CELL, 2.0)
            assert reader.verify() == []
    writer.close()


def read(reader: JournalReader, family: str):
    return (record for block in reader.blocks(family) for record in block.records)


def test_what_is_not_synced_is_whole_or_absent(disk):
    """Records that were written and not yet synced are there or not after a cut, and never wrong."""
    folder, after_a_cut = disk
    writer = JournalWriter(folder, A, now_ns=lambda: 0, pace=WRITE_ONLY)
    rng = random.Random(3)
    synced: list = []
    for _ in range(5):
        frames = [Frame(number, "can0", 5, False, rng.randbytes(8)) for number in range(300)]
        writer.frames(frames)
        assert writer.flush(10)
        synced += frames
        later = [Frame(number, "can0", 6, False, rng.randbytes(8)) for number in range(700)]
        writer.frames(later)
        while writer.status().pending:
            os.sched_yield()
        with after_a_cut() as left:
            found = Counter(read(JournalReader(left), "frame"))
            assert Counter(synced) - found == Counter()
            assert found - Counter(synced) - Counter(later) == Counter()
        synced += later
    writer.close()
