"""Repair: what can be read stays, what cannot is out of the way, and a kill at any step costs nothing."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from pathlib import Path

import pytest

import twolbms.journal.repair as repair_module
from twolbms.journal import FAMILIES, JournalBusyError, JournalReader, Sample, Series
from twolbms.journal.repair import kept_bad, remove_bad, repair
from twolbms.journal.survey import survey

A, B, C = "aa" * 16, "bb" * 16, "cc" * 16
CELL = Series("cell_voltage_v", "north", 3)


@pytest.fixture
def written(open_writer, folder):
    """A closed journal of two boots: six blocks of samples and events in each."""
    for boot_id in (A, B):
        writer = open_writer(boot_id)
        writer.fix_wall(1000, "rtc")
        for number in range(6):
            writer.sample(CELL, number, random.Random(number).random())
            writer.event(number, "note", "", {"number": number})
            assert writer.flush(5)
        writer.close()
    return folder


def everything(folder: Path) -> dict:
    return {family: [record for block in JournalReader(folder).blocks(family) for record in block.records]
            for family in FAMILIES}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def spoil(path: Path, *offsets: int) -> None:
    raw = bytearray(path.read_bytes())
    for offset in offsets:
        raw[offset] ^= 0x55
    path.write_bytes(raw)


def damage(folder: Path) -> None:
    """A payload, a header, a torn end of an older segment, a torn end of the newest, and a line of boots."""
    samples = folder / "sample" / "00000001.seg"
    ends = [block.next.offset for block in JournalReader(folder).blocks("sample") if block.boot_id == A]
    spoil(samples, ends[0] + 70, ends[2] + 3)
    events = folder / "event" / "00000001.seg"
    events.write_bytes(events.read_bytes()[:-90])
    newest = folder / "event" / "00000002.seg"
    newest.write_bytes(newest.read_bytes() + b"\xb22LJ" + bytes(70) + b"x")
    with (folder / "boots").open("ab") as file:
        file.write(b"no such line\n")


def test_a_journal_that_is_right_is_left_alone(written):
    """Nothing damaged, nothing done: every file keeps its bytes."""
    before = files(written)
    assert repair(written) == []
    assert files(written) == before


def test_what_can_be_read_stays_and_the_check_is_content(written):
    """After a repair every record that could be read is there and the check finds nothing; again, it does nothing."""
    damage(written)
    readable, spoiled = everything(written), files(written)
    assert len(JournalReader(written).verify()) == 5
    done = repair(written)
    assert [(mended.file, mended.bad) for mended in done] == [
        ("boots", "boots.bad"), ("event/00000001.seg", "event/00000001.seg.bad"),
        ("event/00000002.seg", "event/00000002.seg.bad"), ("sample/00000001.seg", "sample/00000001.seg.bad")]
    assert everything(written) == readable
    assert JournalReader(written).verify() == []
    assert survey(written).damage == []
    after = files(written)
    assert all(after[mended.bad] == spoiled[mended.file] for mended in done)
    assert repair(written) == []
    assert files(written) == after


def test_cursors_stay_good(written):
    """A cursor taken before the repair goes on with the same records after it, behind the damage too."""
    damage(written)
    reader = JournalReader(written)
    before = {block.next: [later.records for later in reader.blocks("sample", block.next)]
              for block in reader.blocks("sample")}
    repair(written)
    for cursor, later in before.items():
        blocks = list(JournalReader(written).blocks("sample", cursor))
        assert [block.records for block in blocks] == later
        assert all(block.damaged == 0 for block in blocks)


def test_a_writer_goes_on_after_it(written, open_writer, read_all):
    """A repaired journal is written on, by the same boot and by another."""
    damage(written)
    spoil(written / "sample" / "00000002.seg", 70)
    readable = everything(written)["sample"]
    repair(written)
    for boot_id, time_ns in ((B, 100), (C, 200)):
        writer = open_writer(boot_id)
        writer.sample(CELL, time_ns, 1.0)
        assert writer.flush(5)
        writer.close()
    assert read_all("sample") == [*readable, Sample(1100, CELL, 1.0), Sample(200, CELL, 1.0)]
    assert JournalReader(written).verify() == []


class Killed(BaseException):
    """As SIGKILL: nothing of ours runs behind it."""


STEPS = [(os, "fsync"), (os, "link"), (Path, "replace"), (Path, "unlink"), (repair_module, "sync_folder")]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_killed_at_any_step(written, monkeypatch, tmp_path, links):
    """Killed before or after each step that changes the disk and done again: the same records, and the originals."""
    damage(written)
    readable, spoiled = everything(written), files(written)
    steps = 0
    while True:
        copy = tmp_path / f"copy{steps}"
        shutil.copytree(written, copy)
        with monkeypatch.context() as patched:
            killed = interrupt(patched, steps, links)
            with contextlib.suppress(Killed):
                repair(copy)
        assert everything(copy) == readable, f"killed at step {steps}"
        if not links:
            monkeypatch.setattr(os, "link", refuse)
        repair(copy)
        assert everything(copy) == readable
        assert JournalReader(copy).verify() == []
        for name in ("sample/00000001.seg", "event/00000001.seg", "event/00000002.seg", "boots"):
            assert any(raw == spoiled[name] for kept, raw in files(copy).items() if kept.startswith(f"{name}.bad"))
        assert not list(copy.rglob("*.new*"))
        if not killed():
            break
        steps += 1
    assert steps > 20


def refuse(*_, **__):
    raise PermissionError("no second names here")


def interrupt(patched, at: int, links: bool):
    """Kills at the step number `at`: even numbers before the step, odd ones behind it."""
    count = [0]

    def killing(real):
        def step(*arguments, **options):
            if count[0] == at:
                count[0] += 2
                raise Killed
            count[0] += 1
            result = real(*arguments, **options)
            if count[0] == at:
                count[0] += 2
                raise Killed
            count[0] += 1
            return result
        return step

    for owner, name in STEPS:
        real = refuse if name == "link" and not links else getattr(owner, name)
        patched.setattr(owner, name, killing(real))
    return lambda: count[0] > at


def test_not_while_it_is_written(open_writer, folder):
    """While a writer has the folder a repair is refused and changes nothing."""
    writer = open_writer()
    writer.sample(CELL, 1, 1.0)
    assert writer.flush(5)
    before = files(folder)
    for action in (repair, remove_bad):
        with pytest.raises(JournalBusyError, match="already being written"):
            action(folder)
    assert files(folder) == before


def test_kept_files_go_only_when_asked(written):
    """What a repair kept stays until it is removed by name of the command, and nothing else goes with it."""
    damage(written)
    repair(written)
    records = everything(written)
    assert len(kept_bad(written)) == 4
    assert len(remove_bad(written)) == 4
    assert kept_bad(written) == []
    assert everything(written) == records
    assert JournalReader(written).verify() == []


@pytest.mark.parametrize("seed", range(30))
def test_any_damage(written, seed):
    """Whatever bytes are changed, cut out or put in, a repair loses no record that could be read and ends content."""
    rng = random.Random(seed)
    path = written / "sample" / f"0000000{rng.choice((1, 2))}.seg"
    raw = bytearray(path.read_bytes())
    for _ in range(rng.randrange(1, 4)):
        at, size = rng.randrange(len(raw)), rng.randrange(1, 300)
        raw[at:at + size] = rng.choice((b"", bytes(size), rng.randbytes(size)))
    path.write_bytes(raw)
    readable = everything(written)
    repair(written)
    assert everything(written) == readable
    small = [found for found in survey(written).damage if found.end - found.offset < 60]
    assert survey(written).damage == small
    assert repair(written) == []
