"""Minute values: what stands for a minute, and that restarts, outages and late records make no other points."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twolbms.clock import Clock
from twolbms.journal import Block, Cursor, JournalReader, Record, Sample, Series
from twolbms.outlets.influx_answers import Answer
from twolbms.outlets.influx_delivery import Delivery, Pace
from twolbms.outlets.influx_http import Unreachable
from twolbms.outlets.influx_lanes import Courier
from twolbms.outlets.influx_minutes import MinuteLane
from twolbms.outlets.ledger import Ledger
from twolbms.outlets.minutes import MINUTE_NS, Condenser, points_of
from twolbms.outlets.quarantine import Quarantine

S = 1_000_000_000
FIRST = 1_795_000_020 * S // MINUTE_NS  # a minute
START = FIRST * MINUTE_NS
CURRENT, VOLTAGE = Series("current_a", "shed", None), Series("pack_voltage_v", "shed", None)
STATE, FAULTS = Series("state_code", "shed", None), Series("faults_active", "shed", None)
TRIP = Series("limit_cell_over_voltage_trip_v", "shed", None)


def sample(second: float, value: float, series: Series = CURRENT) -> Sample:
    """A record so many seconds after the first minute's beginning."""
    return Sample(START + round(second * S), series, value)


def condensed(*records: Sample) -> dict[tuple[int, str], float]:
    """Minute (from 0) and quantity with their value, of one block in order and everything closed."""
    condenser = Condenser()
    condenser.take("a", records)
    found = {}
    for minute in condenser.due(START + 10**6 * S):
        for time_ns, series, value in condenser.points(minute):
            found[(time_ns - START) // MINUTE_NS, series.quantity] = value
            assert time_ns % MINUTE_NS == 0
    return found


def test_a_mean_is_weighted_by_time() -> None:
    """A burst of records while the current jumps counts for its duration, not for their number."""
    calm = [sample(second, 10.0) for second in range(30)]
    burst = [sample(30 + number / 10, 100.0) for number in range(50)]
    assert condensed(*calm, *burst, *[sample(second, 10.0) for second in range(35, 60)]) == {
        (0, "current_a"): (10 * 55 + 100 * 5) / 60}


def test_a_constant_is_its_own_mean() -> None:
    """No rounding error makes 3.3 V of 3.3 V."""
    assert condensed(*[sample(second / 7, 3.3, VOLTAGE) for second in range(400)]) == {(0, "pack_voltage_v"): 3.3}


def test_unknown_time_counts_for_nothing() -> None:
    """After a value that is not followed up only a little time counts: the mean is of what was known."""
    assert condensed(sample(0, 0.0), sample(57, 30.0)) == {(0, "current_a"): 15.0}


def test_the_worst_of_a_minute_includes_what_held_at_its_start() -> None:
    """A fault that ends in the first second of a minute was there in that minute."""
    assert condensed(sample(0, 1, FAULTS), sample(50, 3, FAULTS), sample(60.5, 0, FAULTS), sample(110, 0, FAULTS)) == {
        (0, "faults_active"): 3, (1, "faults_active"): 3}


def test_a_state_is_carried_into_minutes_without_a_record() -> None:
    """What is recorded once a minute or rarer stands in every minute in which anything was recorded, while it holds."""
    beat = [sample(second, 5.0) for second in range(0, 600, 5)]
    found = condensed(*beat[:2], sample(8, 3, STATE), sample(9, 3.65, TRIP), *beat[2:])
    assert [minute for minute, name in found if name == "state_code"] == [0, 1, 2, 3], "for 3 minutes"
    assert [minute for minute, name in found if name == TRIP.quantity] == [*range(10)]


def test_nothing_is_said_of_a_dead_gateway() -> None:
    """Minutes without any record have no points, and a value ends with its boot."""
    assert {minute for minute, _ in condensed(sample(0, 1, TRIP), sample(1, 1.0), sample(600, 1.0))} == {0, 10}
    condenser = Condenser()
    condenser.take("a", [sample(0, 1, STATE), sample(10, 1.0)])
    condenser.take("b", [sample(61, 1.0)])
    assert [point.series for point in condenser.points(FIRST + 1)] == [CURRENT]
    assert {point.series for point in condenser.points(FIRST)} == {STATE, CURRENT}


def test_a_minute_of_which_retention_took_a_part_is_not_written() -> None:
    """A value made of what is left of a minute never replaces one that was made of all of it."""
    condenser = Condenser()
    condenser.take("a", [sample(30, 1.0), sample(61, 1.0)], after_a_hole=True)
    assert condenser.points(FIRST) == [] and condenser.points(FIRST + 1)


def test_both_ends_of_a_hole_are_cut_minutes() -> None:
    """A minute that retention cut short is as little written as the one behind it, and nothing is carried over."""
    condenser = Condenser()
    condenser.take("a", [sample(second, 1.0) for second in range(5)] + [sample(4, 3.65, TRIP)])
    condenser.take("a", [sample(second, 9.0) for second in range(630, 730)], after_a_hole=True)
    assert [condenser.points(FIRST + minute) for minute in (0, 10)] == [[], []]
    assert {point.series for point in condenser.points(FIRST + 11)} == {CURRENT}


# --- any interleaving gives the same points ---


class Killed(Exception):
    """The process is gone."""


class Now(Clock):
    """Wall time as it is set."""

    boot_id = "now"
    wall_offset_ns = 0
    now_ns = 0

    def mono_ns(self) -> int:
        return self.now_ns


@dataclass
class Journal:
    """Blocks of which the first so many are there by now."""

    all: list[Block]
    there: int = 0
    asked: int = 0

    def blocks(self, family: str, cursor: Cursor | None) -> Iterator[Block]:
        yield from self.all[cursor.offset if cursor else 0:self.there]

    def records(self, family: str, start_ns: int, end_ns: int) -> Iterator[Record]:
        self.asked += 1
        for block in self.all[:self.there]:
            yield from (record for record in block.records if start_ns <= record.time_ns < end_ns)


@dataclass
class Bucket:
    """What is stored: series and time with its fields, the last write holds."""

    up: bool = True
    points: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    opened: int = 1
    opened_s: float = 0.0
    breaks: int = 1
    unbroken_s: float = 0.0
    restarted: bool = False

    def post(self, lines: Sequence[bytes]) -> Answer:
        if not self.up:
            raise Unreachable("down")
        self.opened += self.restarted
        self.breaks += self.restarted
        self.restarted = False
        for line in b"\n".join(lines).decode().splitlines():
            key, fields, time_ns = line.split(" ")
            point = self.points.setdefault((key, time_ns), {})
            for name, value in (one.split("=") for one in fields.split(",")):
                if point.get(name, value) != value:
                    self.changed.append(f"{line}, before {point[name]}")
                point[name] = value
        return Answer(204)

    def close(self) -> None:
        """Nothing."""


def die(seconds: float) -> None:
    """Waiting is where a process is killed."""
    if seconds:
        raise Killed


class Gateway:
    """A minute lane that may be killed and started again."""

    def __init__(self, folder: Path, blocks: list[Block], rewind_s: float = 0.0) -> None:
        self.rewind_s = rewind_s
        self.folder, self.journal, self.bucket, self.clock = folder, Journal(blocks), Bucket(), Now()
        self.now_s = 0.0
        self.start()

    def start(self) -> None:
        quarantine = Quarantine(self.folder / "quarantine.log")
        connection = cast(Any, self.bucket)
        self.ledger = Ledger({}, self.rewind_s)
        courier = Courier(connection, Delivery(connection, quarantine, Pace(), die), self.ledger, quarantine,
                          self.rewind_s > 0, now_s=lambda: self.now_s)
        self.lane = MinuteLane(cast(JournalReader, self.journal), self.clock, courier, self.folder / "minutes", "s1",
                               self.rewind_s)

    def step(self) -> bool:
        try:
            return self.lane.step()
        except Killed:
            return True

    def finish(self) -> dict[tuple[str, str], dict[str, str]]:
        """Everything there, everything over."""
        self.bucket.up = True
        self.journal.there = len(self.journal.all)
        self.clock.now_ns = START + 10**9 * S
        for _ in range(1000):
            if not self.step():
                return self.bucket.points
        raise AssertionError("it does not end")


VALUES = {CURRENT: [0.0, 1.5, -3.25], STATE: [1.0, 3.0], FAULTS: [0.0, 1.0, 2.0], TRIP: [3.65]}


@st.composite
def journals(draw: st.DrawFn) -> list[Block]:
    """Boots whose clocks may jump, gaps, and records that come late."""
    blocks: list[Block] = []
    at_s, boot = 0.0, "boot0"
    for number in range(draw(st.integers(1, 25))):
        happens = draw(st.sampled_from(["on"] * 12 + ["boot", "gap", "back"]))
        if happens == "boot":
            boot = f"boot{number}"
            at_s += draw(st.sampled_from([15.0, 40.0, 300.0, -150.0, -20.0, 50_000.0, -50_000.0]))
        elif happens == "gap":
            at_s += draw(st.sampled_from([65.0, 200.0]))
        late_s = draw(st.sampled_from([30.0, 95.0])) if happens == "back" else 0.0
        records: list[Record] = []
        for _ in range(draw(st.integers(1, 6))):
            at_s += draw(st.sampled_from([0.25, 2.0, 11.0, 35.0]))
            series = draw(st.sampled_from([CURRENT, CURRENT, STATE, FAULTS, TRIP]))
            records.append(sample(at_s - late_s, draw(st.sampled_from(VALUES[series])), series))
        blocks.append(Block("sample", boot, records, True, Cursor("sample", 0, number + 1)))
    return blocks


ACTIONS = st.lists(st.tuples(st.sampled_from(["more", "step", "step", "save", "kill", "down", "up", "later", "all"]),
                             st.integers(1, 90)), max_size=40)


@given(journals(), ACTIONS)
@settings(max_examples=150, deadline=None)
def test_any_interleaving_gives_the_same_points(blocks: list[Block], actions: list[tuple[str, int]]) -> None:
    """Kills, outages, idle hours and a journal that grows meanwhile: the points are those of one run over all of it."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        expected = Gateway(Path(one), blocks).finish()
        gateway = Gateway(Path(other), blocks)
        for action, amount in actions:
            match action:
                case "more":
                    gateway.journal.there = min(gateway.journal.there + 1 + amount % 3, len(blocks))
                case "all":
                    gateway.journal.there = len(blocks)
                case "step":
                    gateway.step()
                case "save":
                    gateway.lane.save()
                case "kill":
                    gateway.start()
                case "down":
                    gateway.bucket.up = False
                case "up":
                    gateway.bucket.up = True
                case "later":
                    gateway.now_s += amount
                    seen = [record.time_ns for block in blocks[:gateway.journal.there] for record in block.records]
                    gateway.clock.now_ns = max([*seen, START]) + amount * S
        assert gateway.finish() == expected


def test_a_damaged_file_gives_the_same_points(tmp_path: Path) -> None:
    """Without its file it goes through the journal from the oldest and writes the same points again."""
    blocks = [Block("sample", "boot", [sample(second, second / 7), sample(second, 1, STATE)], True,
                    Cursor("sample", 0, second + 1)) for second in range(400)]
    gateway = Gateway(tmp_path, blocks)
    before: dict[Any, Any] = json.loads(json.dumps({str(key): value for key, value in gateway.finish().items()}))
    gateway.lane.save()
    (tmp_path / "minutes").write_text((tmp_path / "minutes").read_text().replace("boot", "boat", 1))
    gateway.bucket.points.clear()
    gateway.start()
    assert {str(key): value for key, value in gateway.finish().items()} == before and len(before) == 7


def test_late_records_write_their_minute_again(tmp_path: Path) -> None:
    """A record that comes minutes late changes the point of its own minute, made of all its records."""
    rows = [[sample(0, 10.0), sample(3, 10.0)], [sample(200, 1.0)], [sample(1, 40.0)], [sample(400, 1.0)]]
    blocks = [Block("sample", "boot", [*records], True, Cursor("sample", 0, number + 1))
              for number, records in enumerate(rows)]
    gateway = Gateway(tmp_path, blocks)
    gateway.journal.there = 2
    gateway.step()
    key = ("pack,pack=shed,site=s1", str(START))
    assert gateway.bucket.points[key] == {"current_a": "10.0"}
    assert gateway.finish()[key] == {"current_a": "20.0"}, "10 A for 1 s, 40 A for 2 s, 10 A for the 3 s it counts"
    assert str(START + 3 * MINUTE_NS) in {time for _, time in gateway.bucket.points}


@pytest.mark.parametrize("title", ["", "2lbms minutes 9 00000000\n{}"])
def test_a_file_of_another_kind(tmp_path: Path, title: str) -> None:
    """What it does not know it takes for nothing."""
    (tmp_path / "minutes").write_text(title)
    blocks = [Block("sample", "boot", [sample(5, 2.0)], True, Cursor("sample", 0, 1))]
    assert len(Gateway(tmp_path, blocks).finish()) == 1


def blocks_of(*rows: tuple[str, list[Sample]]) -> list[Block]:
    """A block each, of a boot."""
    return [Block("sample", boot, [*records], True, Cursor("sample", 0, number + 1))
            for number, (boot, records) in enumerate(rows)]


# --- a server that may lose what it has answered ---


def minutes_stored(gateway: Gateway) -> set[int]:
    """Minutes from 0 that have points."""
    return {(int(time_ns) - START) // MINUTE_NS for _, time_ns in gateway.bucket.points}


def test_time_alone_does_not_show_that_a_server_has_lived(tmp_path: Path) -> None:
    """Points that a server lost in a downtime longer than `rewind_s` are sent again, though nothing went out since."""
    gateway = Gateway(tmp_path, blocks_of(*(("boot", [sample(second, 1.5)]) for second in range(0, 131, 5))), 10.0)
    gateway.journal.there = len(gateway.journal.all)
    gateway.now_s = 130.0
    while gateway.step():
        pass
    assert minutes_stored(gateway) == {0, 1}
    gateway.bucket.points.clear()  # it dies, and with it what it had not written yet
    for second in range(131, 160):
        gateway.now_s = second
        gateway.step()
    gateway.ledger.distrust()  # another lane meets the new process
    while gateway.step():
        pass
    assert minutes_stored(gateway) == {0, 1}


def test_an_answer_over_the_same_connection_makes_a_state_safe(tmp_path: Path) -> None:
    """What a later answer of the same process vouches for is not sent again, nor after a restart of the gateway; an
    answer over another connection vouches for nothing."""
    gateway = Gateway(tmp_path, blocks_of(*(("boot", [sample(second, 1.5)]) for second in range(0, 401, 5))), 10.0)

    def live(*seconds: int) -> None:
        for second in seconds:
            gateway.now_s, gateway.journal.there = second, second // 5 + 1
            while gateway.step():
                pass

    live(71, 80, 131, 140, 191)
    gateway.ledger.distrust()
    gateway.bucket.points.clear()
    live(192)
    assert minutes_stored(gateway) == {2}, "those before were followed by an answer 60 s later"
    gateway.bucket.points.clear()
    gateway.start()
    live(193, 204)
    assert minutes_stored(gateway) == {2}
    gateway.bucket.points.clear()
    gateway.bucket.restarted = True
    live(251)
    assert minutes_stored(gateway) == {2, 3}


# --- boots that change within a minute ---


@st.composite
def broken_minutes(draw: st.DrawFn) -> list[Block]:
    """Boots of some seconds to minutes, one after the other, and nothing late."""
    rows: list[tuple[str, list[Sample]]] = []
    at_s, boot = 0.0, "boot0"
    for number in range(draw(st.integers(1, 20))):
        if draw(st.integers(0, 2)) == 0:
            boot = f"boot{number}"
            at_s += draw(st.sampled_from([0.5, 7.0, 20.0, 70.0]))
        records = []
        for _ in range(draw(st.integers(1, 5))):
            at_s += draw(st.sampled_from([0.25, 2.0, 11.0]))
            series = draw(st.sampled_from([CURRENT, STATE, FAULTS, TRIP]))
            records.append(sample(at_s, draw(st.sampled_from(VALUES[series])), series))
        rows.append((boot, records))
    return blocks_of(*rows)


@given(broken_minutes())
@settings(max_examples=300, deadline=None)
def test_made_anew_is_as_made_in_order(blocks: list[Block]) -> None:
    """A minute made anew from all its records is the one that was made block by block, however its boots change."""
    condenser = Condenser()
    for block in blocks:
        condenser.take(block.boot_id, cast(list[Sample], block.records))
    records = [cast(Sample, record) for block in blocks for record in block.records]
    for minute in {record.time_ns // MINUTE_NS for record in records}:
        start_ns, since_ns = minute * MINUTE_NS, condenser.held_since_ns(minute)
        within = [record for record in records if record.time_ns // MINUTE_NS == minute]
        wanted = {record.series for record in within}
        before = [record for record in records if since_ns <= record.time_ns < start_ns]
        in_order = [point for point in condenser.points(minute) if point.series in wanted]
        assert sorted(points_of(minute, before, within, wanted)) == sorted(in_order)


@given(broken_minutes(), ACTIONS)
@settings(max_examples=150, deadline=None)
def test_no_value_is_ever_sent_with_another_number(blocks: list[Block], actions: list[tuple[str, int]]) -> None:
    """Where nothing comes late and no minute is told before a newer record closes it, each value is sent as it stays,
    whatever is killed."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(Path(folder), blocks)
        for action, amount in actions:
            match action:
                case "more":
                    gateway.journal.there = min(gateway.journal.there + 1 + amount % 3, len(blocks))
                case "all":
                    gateway.journal.there = len(blocks)
                case "step":
                    gateway.step()
                case "save":
                    gateway.lane.save()
                case "kill":
                    gateway.start()
                case "later":
                    gateway.now_s += amount
        gateway.finish()
        assert gateway.bucket.changed == []


def test_a_state_that_knows_no_boots_is_taken_up() -> None:
    """A file of the version before goes on: what is carried stays carried."""
    condenser = Condenser()
    condenser.take("a", [sample(0, 3.65, TRIP)])
    state = {name: value for name, value in condenser.state().items() if name != "boots"}
    condenser = Condenser.restore(json.loads(json.dumps(state)))
    condenser.take("a", [sample(70, 1.0)])
    assert {point.series for point in condenser.points(FIRST + 1)} == {CURRENT, TRIP}


def test_a_late_record_finds_no_value_of_an_earlier_boot(tmp_path: Path) -> None:
    """A fault of the boot before does not stand in a minute that is made anew in the boot behind it."""
    gateway = Gateway(tmp_path, blocks_of(
        ("a", [sample(-10, 1, FAULTS)]), ("b", [sample(30, 0, FAULTS), sample(31, 1.0)]), ("b", [sample(200, 1.0)]),
        ("b", [sample(40, 0, FAULTS)]), ("b", [sample(400, 1.0)])))
    found = gateway.finish()
    assert found["pack,pack=shed,site=s1", str(START)]["faults_active"] == "0.0" and gateway.journal.asked > 0


# --- what late records cost ---


def test_late_records_are_read_without_keeping_the_others(tmp_path: Path) -> None:
    """Hours of all samples are gone through for a late minute, and not held in memory."""
    gateway = Gateway(tmp_path, blocks_of(("a", [sample(0, 3.65, TRIP)]), ("a", [sample(200, 1.0)]),
                                          ("a", [sample(1, 3.65, TRIP)]), ("a", [sample(400, 1.0)])))

    class Long(Journal):
        def records(self, family: str, start_ns: int, end_ns: int) -> Iterator[Record]:
            for number in range(20_000):
                yield Sample(start_ns + number, VOLTAGE, number / 7)
            yield from super().records(family, start_ns, end_ns)

    gateway.journal = Long(gateway.journal.all)
    gateway.start()
    tracemalloc.start()
    try:
        found = gateway.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert gateway.journal.asked > 0 and ("pack,pack=shed,site=s1", str(START)) in found
    assert peak < 500_000, "20,000 samples are some megabytes"


def test_a_clock_that_was_a_year_ahead_makes_nothing_late(tmp_path: Path) -> None:
    """After a boot with a clock far ahead the minutes of the next one are made in order, not each anew; the last minute
    of the wrong clock is written too, and a minute that both passed is made of the records of both."""
    year_s = 365 * 86_400.0
    ahead = [("a", [sample(year_s + second, 7.0)]) for second in range(0, 200, 5)]
    right = [("b", [sample(second, 1.0)]) for second in range(0, 600, 5)]
    again = [("c", [sample(year_s + second, 9.0)]) for second in range(2, 400, 5)]
    gateway = Gateway(tmp_path, blocks_of(*ahead, *right))
    found = gateway.finish()
    assert gateway.journal.asked == 0
    assert len(found) == 4 + 10 and {point["current_a"] for point in found.values()} == {"7.0", "1.0"}
    gateway = Gateway(tmp_path / "both", blocks_of(*ahead, *right, *again))
    found = gateway.finish()
    late = [float(found["pack,pack=shed,site=s1", str(START + round(year_s * S) + minute * MINUTE_NS)]["current_a"])
            for minute in range(5)]
    assert all(7 < value < 9 for value in late[:3]) and late[4] == 9
