"""Clocks that step, are missing or guess: where the records of each boot are placed, and what goes for its age."""

from __future__ import annotations

import pytest

from twolbms.clock import GUESS_AFTER_S, SystemClock
from twolbms.journal import JournalReader, Keep, Sample, Series, Wall
from twolbms.journal.block import pack_block
from twolbms.journal.segment_writer import SegmentWriter
from twolbms.journal.segments import segment_numbers, segment_path

A, B, C = "aa" * 16, "bb" * 16, "cc" * 16
CELL = Series("cell_voltage_v", "north", 3)
S = 10**9
HOUR = 3600 * S
TODAY_NS = 1_763_971_200 * S


class Machine:
    """What a machine says of its clock; `system` may be set to anything at any time, as a step does."""

    def __init__(self, system_ns: int) -> None:
        self.system = system_ns
        self.network = False

    def system_ns(self) -> int:
        return self.system

    def network_synchronised(self) -> bool:
        return self.network

    def rtc_ns(self) -> tuple[int, ...]:
        return ()


class Boot:
    """A gateway on a machine that has just started; its monotonic clock is set by hand."""

    def __init__(self, open_writer, machine: Machine, boot_id: str, mono_s: int = 0) -> None:
        self.mono_ns, self.machine = mono_s * S, machine
        self.clock = SystemClock(machine, boot_id)
        self.clock._started_ns = self.mono_ns
        self.writer = open_writer(boot_id, now_ns=lambda: self.mono_ns)
        if self.writer.wall is not None:
            self.clock.adopt(*self.writer.wall)

    def after(self, seconds: int, value: float) -> None:
        """Time passes, the machine's clock with it; a sample is written."""
        self.mono_ns += seconds * S
        self.machine.system += seconds * S
        if self.clock.poll(self.mono_ns):
            self.writer.fix_wall(self.clock.wall_offset_ns, self.clock.quality)
        self.writer.sample(CELL, self.mono_ns, value)
        assert self.writer.flush(5)


def placed(folder) -> list[tuple[float, float, str | None]]:
    """(seconds from TODAY, value, clock) of each sample in a time range that holds all."""
    reader = JournalReader(folder)
    quality = {record: block.quality for block in reader.blocks("sample") for record in block.records}
    return [((record.time_ns - TODAY_NS) / S, record.value, quality[record]) for record in reader.records("sample")]


@pytest.mark.parametrize("step_ns", [-5 * HOUR, 5 * HOUR])
def test_a_step_within_a_boot_moves_nothing(open_writer, folder, step_ns):
    """The system clock steps by hours, the gateway restarts in the same boot: all records stay on one line of time."""
    machine = Machine(TODAY_NS)
    machine.network = True
    boot = Boot(open_writer, machine, A)
    boot.after(10, 1)
    machine.system += step_ns
    boot.after(10, 2)
    boot.writer.close()
    again = Boot(open_writer, machine, A, mono_s=20)
    again.after(10, 3)
    assert placed(folder) == [(10, 1, "network"), (20, 2, "network"), (30, 3, "network")]


def test_no_clock_for_ten_minutes_is_a_guess_that_stays(open_writer, folder):
    """Without network and hardware clock nothing is placed for ten minutes, then by a guess that no later one moves."""
    machine = Machine(TODAY_NS - 7 * HOUR)
    boot = Boot(open_writer, machine, A)
    boot.after(GUESS_AFTER_S - 1, 1)
    assert placed(folder) == []
    boot.after(2, 2)
    assert [row[1:] for row in placed(folder)] == [(1, "guessed"), (2, "guessed")]
    machine.network, machine.system = True, TODAY_NS
    boot.after(1, 3)
    boot.writer.close()
    again = Boot(open_writer, machine, A, mono_s=700)
    again.after(1, 4)
    again.writer.close()
    assert [row[1:] for row in placed(folder)] == [(1, "guessed"), (2, "guessed"), (3, "guessed"), (4, "guessed")]
    Boot(open_writer, machine, B).after(5, 5)
    assert placed(folder)[-1] == (7, 5, "network")


def test_a_boot_without_wall_time_then_one_with(open_writer, folder):
    """A boot that never learned the time is left out of time ranges and counted; the boots around it are placed."""
    machine = Machine(TODAY_NS)
    for boot_id, network, value in ((A, True, 1), (B, False, 2), (C, True, 3)):
        machine.network = network
        boot = Boot(open_writer, machine, boot_id)
        boot.after(10, value)
        boot.writer.close()
    assert placed(folder) == [(10, 1, "network"), (30, 3, "network")]
    reader = JournalReader(folder)
    assert [record.value for record in reader.records("sample", TODAY_NS, TODAY_NS + 60 * S)] == [1, 3]
    assert reader.unplaced == 1
    assert [(block.wall_known, block.records[0].time_ns) for block in reader.blocks("sample")] == [
        (True, TODAY_NS + 10 * S), (False, 10 * S), (True, TODAY_NS + 30 * S)]
    first, second = reader.gaps()
    assert (first.data["from_ns"], second.data["from_ns"]) == (None, None)
    assert second.data["to_ns"] == TODAY_NS + 20 * S


def test_a_range_over_boots_whose_times_overlap(open_writer, folder):
    """A boot whose clock stood hours back overlaps the one before: a range finds the records of both."""
    machine = Machine(TODAY_NS)
    machine.network = True
    for boot_id, value in ((A, 1), (B, 11)):
        boot = Boot(open_writer, machine, boot_id)
        for second in range(5):
            boot.after(60, value + second)
        boot.writer.close()
        machine.system = TODAY_NS + 30 * S
    reader = JournalReader(folder)
    found = [record.value for record in reader.records("sample", TODAY_NS + 100 * S, TODAY_NS + 200 * S)]
    assert found == [2, 3, 12]
    gap, = reader.gaps()
    assert gap.data["from_ns"] > gap.data["to_ns"], "the clock went back, and the gap says so"


def test_two_boots_in_one_file(open_writer, folder):
    """A file with blocks of two boots: each is placed by its own clock, and the next writer begins another file."""
    (folder / "sample").mkdir(parents=True)
    blocks = [pack_block("sample", boot_id, [Sample(time_ns, CELL, value)])[1]
              for boot_id, time_ns, value in ((A, 100 * S, 1), (B, 5 * S, 2), (B, 6 * S, 3))]
    segment_path(folder, "sample", 1).write_bytes(b"".join(blocks))
    machine = Machine(TODAY_NS)
    machine.network = True
    boot = Boot(open_writer, machine, B, mono_s=7)
    boot.after(1, 4)
    boot.writer.close()
    assert segment_numbers(folder, "sample") == [1, 2]
    assert placed(folder) == [(-2, 2, "network"), (-1, 3, "network"), (1, 4, "network")]
    reader = JournalReader(folder)
    assert [record.value for record in reader.records("sample", TODAY_NS - 1 * S, TODAY_NS)] == [3]
    assert [block.boot_id for block in reader.blocks("sample")] == [A, B, B, B]
    gap, = reader.gaps()
    assert "from_boot" not in gap.data, "the last records are of this boot"
    assert reader.verify() == []


@pytest.fixture
def aged(tmp_path):
    """A family of one segment for each boot given, and what is left of them after retention by an age of 100 s."""
    def left(now_s: int, walls: dict[str, Wall], *boots: str) -> list[int]:
        for boot_id in boots:
            writer = SegmentWriter(tmp_path, "sample", boot_id, Keep(1 << 30, 100))
            writer.adopt()
            writer.append(*pack_block("sample", boot_id, [Sample(10 * S, CELL, 1.0)]))
            writer.close()
        writer = SegmentWriter(tmp_path, "sample", boots[-1], Keep(1 << 30, 100))
        writer.adopt()
        writer.retain(now_s * S, walls)
        writer.close()
        return segment_numbers(tmp_path, "sample")

    return left


def test_a_guess_of_long_ago_costs_no_records(aged):
    """A boot that guessed 1970 between two with the right time makes nothing before it old."""
    walls = {A: Wall(1000 * S, "network"), B: Wall(0, "guessed"), C: Wall(1020 * S, "network")}
    assert aged(1040, walls, A, B, C) == [1, 2, 3]


def test_a_guess_of_the_future_keeps_nothing_for_ever(aged):
    """A boot that guessed a year to come does not stop the age rule: what is old goes, it and what was before it."""
    walls = {A: Wall(1000 * S, "network"), B: Wall(10**18, "guessed"), C: Wall(1020 * S, "network")}
    assert aged(1200, walls, A, B, C) == [3]


def test_a_clock_of_the_future_keeps_nothing_for_ever(aged):
    """Even where a hardware clock stood wrong in the future, the boot after it shows that the records are old."""
    walls = {A: Wall(10**18, "rtc"), B: Wall(1020 * S, "network")}
    assert aged(1040, walls, A, B) == [1, 2]
    assert aged(1200, walls, B) == [2]


def test_where_all_is_guessed_the_guesses_count(aged):
    """A site that never has the time keeps to its ages by what its own clock says."""
    walls = {A: Wall(1000 * S, "guessed"), B: Wall(1150 * S, "guessed")}
    assert aged(1050, walls, A, B) == [1, 2]
    assert aged(1200, walls, B) == [2]
