"""The two lanes under random kills: whatever happens between any two steps, the server ends up with the journal.

One thread plays both lanes in any order; the server is down, loses answers, or dies with what it had not flushed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twolbms.clock import Clock
from twolbms.journal import Cursor, JournalReader, JournalWriter, Series, boots
from twolbms.journal.segments import segment_numbers, segment_path
from twolbms.outlets.cursor_file import CursorFile
from twolbms.outlets.influx_answers import Answer
from twolbms.outlets.influx_delivery import Delivery, Pace
from twolbms.outlets.influx_encoders import record_encoders
from twolbms.outlets.influx_gather import Gatherer
from twolbms.outlets.influx_http import Unreachable, WriteConnection
from twolbms.outlets.influx_lanes import BacklogLane, Courier, LiveLane
from twolbms.outlets.ledger import Ledger, Standing
from twolbms.outlets.quarantine import Quarantine
from twolbms.outlets.ranges import Ranges, Stretch, place

S = 1_000_000_000
BOOT = "b" * 32
OFFSET = 1_795_000_000 * S
PACE = Pace(batch_lines=7)
SETTLE_S, FLUSH_S = 10.0, 8.0
CURRENT = Series("current_a", "shed", None)


class Killed(Exception):
    """The process is gone, or its step at least."""


class WallClock(Clock):
    """Wall time is known."""

    boot_id = BOOT
    wall_offset_ns = OFFSET

    def mono_ns(self) -> int:
        return 0


class Server:
    """What a database holds: `safe` survives its death, `fresh` only once it is old enough."""

    def __init__(self, flushes: bool) -> None:
        self.flushes = flushes
        self.now_s = 100.0
        self.life = 0
        self.up = True
        self.answers_lost = 0
        self.safe: set[bytes] = set()
        self.fresh: list[tuple[float, Sequence[bytes]]] = []

    def store(self, lines: Sequence[bytes]) -> None:
        self.fresh.append((self.now_s, [*lines]))
        self.flush(self.now_s - FLUSH_S if self.flushes else self.now_s)

    def flush(self, until_s: float) -> None:
        for _, lines in [one for one in self.fresh if one[0] <= until_s]:
            self.safe.update(lines)
        self.fresh = [one for one in self.fresh if one[0] > until_s]

    def die(self) -> None:
        self.flush(self.now_s - FLUSH_S)
        self.fresh = []
        self.life += 1


class Connection:
    """One kept-alive connection to it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._life: int | None = None
        self.opened = 0
        self.opened_s = 0.0
        self._sent_s = 0.0

    @property
    def lived_s(self) -> float:
        return max(self._sent_s, self.opened_s)

    def post(self, lines: Sequence[bytes]) -> Answer:
        server = self._server
        self._sent_s = server.now_s
        if not server.up or (self._life is not None and self._life != server.life):
            self._life = None
            raise Unreachable("cut")
        if self._life is None:
            self._life, self.opened, self.opened_s = server.life, self.opened + 1, server.now_s
        server.store(lines)
        if server.answers_lost:
            server.answers_lost -= 1
            self._life = None
            raise Unreachable("no answer")
        return Answer(204)

    def close(self) -> None:
        self._life = None


def die(seconds: float) -> None:
    """Waiting for a server is where a process is killed."""
    if seconds:
        raise Killed


class Process:
    """A gateway's outlet from its start to its death."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.file = CursorFile(folder / "cursor")
        self.ledger = Ledger(self.file.load(), SETTLE_S if server.flushes else 0.0)
        self.live = LiveLane(*self._ends(folder, server))
        self.backlog = BacklogLane(*self._ends(folder, server))

    def _ends(self, folder: Path, server: Server) -> tuple[Gatherer, Courier]:
        gatherer = Gatherer(JournalReader(folder / "journal"), WallClock(), record_encoders("s1"), PACE.batch_lines)
        connection = cast(WriteConnection, Connection(server))
        delivery = Delivery(connection, Quarantine(folder / "quarantine.log"), PACE, die)
        return gatherer, Courier(connection, delivery, self.ledger, delivery.quarantine, server.flushes,
                                 lambda: server.now_s)


class World:
    """A journal that grows, a server with its troubles, and a process that is killed and started again."""

    def __init__(self, folder: Path, flushes: bool) -> None:
        self.folder = folder
        self.server = Server(flushes)
        self.writer = JournalWriter(folder / "journal", BOOT, now_ns=lambda: 0, segment_bytes=600)
        self.writer.fix_wall(OFFSET, "network")
        self.written = 0
        self.process = Process(folder, self.server)

    def write(self, count: int) -> None:
        for _ in range(count):
            self.written += 1
            self.writer.sample(CURRENT, self.written * S, float(self.written))
            if self.written % 5 == 0:
                self.writer.event(self.written * S, "note", "shed", {"text": f"at {self.written}"})
        assert self.writer.flush(30)

    def expected(self) -> set[bytes]:
        numbers = range(1, self.written + 1)
        return ({f"pack,pack=shed,site=s1 current_a={float(number)} {OFFSET + number * S}".encode()
                 for number in numbers}
                | {f'event,kind=note,pack=shed,site=s1 text="at {number}" {OFFSET + number * S}'.encode()
                   for number in numbers if number % 5 == 0})

    def do(self, action: str, amount: int) -> None:
        server, process = self.server, self.process
        match action:
            case "write":
                self.write(amount)
            case "live" | "backlog":
                for _ in range(1 + amount % 3):
                    try:
                        getattr(process, action).step()
                    except Killed:
                        return
            case "save":
                process.file.save(process.ledger.standings())
            case "kill":
                self.process = Process(self.folder, server)
            case "down":
                server.up = False
            case "up":
                server.up = True
            case "lose answers":
                server.answers_lost = amount % 3
            case "wait":
                server.now_s += amount
            case "server dies":
                server.die()

    def drain(self) -> None:
        """Until nothing is owed and nothing is new; the server's death in between is noticed by a last record."""
        self.server.up, self.server.answers_lost = True, 0
        self.write(1)
        for _ in range(2000):
            moved = []
            for lane in (self.process.live, self.process.backlog):
                try:
                    moved.append(lane.step())
                except Killed:
                    moved.append(True)
            if not any(moved) and not self.process.backlog.owes:
                break
        else:
            raise AssertionError("it does not end")
        self.server.flush(self.server.now_s)


@contextmanager
def world(flushes: bool) -> Iterator[World]:
    """One that leaves nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        made = World(Path(folder), flushes)
        try:
            yield made
        finally:
            made.writer.close()


ACTIONS = ["write", "live", "backlog", "save", "kill", "down", "up", "lose answers", "wait"]
STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(1, 30)), max_size=25)
DEADLY = st.lists(st.tuples(st.sampled_from([*ACTIONS, "server dies", "server dies", "live", "backlog"]),
                            st.integers(1, 30)), max_size=30)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_whatever_is_killed_when(steps: list[tuple[str, int]]) -> None:
    """The union of what the server stored equals the journal, after any order of kills, outages and lost answers."""
    with world(flushes=False) as made:
        for step in steps:
            made.do(*step)
        made.drain()
        assert made.server.safe - {line for line in made.server.safe if b"kind=gap" in line} == made.expected()


@given(DEADLY)
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_by_a_server_that_loses_its_last_seconds(steps: list[tuple[str, int]]) -> None:
    """A server that answers before it has flushed may die at any time: what it lost is sent again within the rewind."""
    with world(flushes=True) as made:
        for step in steps:
            made.do(*step)
        made.drain()
        assert made.expected() <= made.server.safe


def test_new_records_first(tmp_path: Path) -> None:
    """A start with a backlog sends what is new at once: the live lane's first lines are the newest."""
    made = World(tmp_path, flushes=False)
    made.write(500)
    made.process = Process(tmp_path, made.server)
    made.process.live.step()
    made.write(3)
    assert made.process.live.step()
    assert {line for line in made.server.safe if b"current_a" in line} == {
        f"pack,pack=shed,site=s1 current_a={float(number)} {OFFSET + number * S}".encode()
        for number in (501, 502, 503)}
    made.drain()
    assert made.server.safe == made.expected()
    made.writer.close()


def test_after_an_outage_the_backlog_is_a_stretch_behind_the_live_place(tmp_path: Path) -> None:
    """What the outage left is owed, in the file too; a restart then goes on with both."""
    made = World(tmp_path, flushes=False)
    made.process.live.step()
    made.server.up = False
    for _ in range(20):
        made.write(10)
        made.server.now_s += 5
        made.do("live", 1)
    made.server.up = True
    made.do("live", 3)
    assert made.process.backlog.owes
    made.do("save", 1)
    made.do("kill", 1)
    assert made.process.backlog.owes
    made.drain()
    assert made.server.safe == made.expected()
    made.writer.close()


def test_a_disk_that_is_away_is_not_an_empty_journal(tmp_path: Path) -> None:
    """While the journal's folder cannot be seen, what is owed stays owed; when it is back it is sent."""
    made = World(tmp_path, flushes=False)
    made.write(50)
    made.writer.close()
    made.process = Process(tmp_path, made.server)
    made.server.up = False
    made.do("live", 1)
    away = (tmp_path / "journal").rename(tmp_path / "elsewhere")
    made.server.up = True
    for action in ("live", "backlog", "live", "backlog", "save", "kill", "live", "backlog"):
        made.do(action, 3)
    away.rename(tmp_path / "journal")
    made.writer = JournalWriter(tmp_path / "journal", BOOT, now_ns=lambda: 0, segment_bytes=600)
    made.drain()
    assert made.expected() <= made.server.safe
    made.writer.close()


def test_retention_that_overtakes_the_backlog_is_told(tmp_path: Path) -> None:
    """Segments unlinked before the backlog reached them are counted as missing, and the backlog ends."""
    made = World(tmp_path, flushes=False)
    for _ in range(30):
        made.write(10)
    made.process = Process(tmp_path, made.server)
    made.do("live", 1)
    made.do("backlog", 1)
    numbers = segment_numbers(tmp_path / "journal", "sample")
    assert len(numbers) > 5
    for number in numbers[:-2]:
        segment_path(tmp_path / "journal", "sample", number).unlink()
    made.drain()
    assert not made.process.backlog.owes
    assert "retention dropped" in (tmp_path / "quarantine.log").read_text()
    made.writer.close()


def test_a_replaced_journal_is_new(tmp_path: Path) -> None:
    """A journal that begins anew behind the old cursors is sent whole; what was owed of the old one is forgotten."""
    made = World(tmp_path, flushes=False)
    for _ in range(30):
        made.write(10)
    made.drain()
    made.do("save", 1)
    made.writer.close()
    (tmp_path / "journal").rename(tmp_path / "old")
    again: Any = World(tmp_path, flushes=False)
    again.write(20)
    again.drain()
    assert again.expected() <= again.server.safe and not again.process.backlog.owes
    again.writer.close()


@pytest.mark.parametrize("flushes", [False, True])
def test_at_rest_nothing_is_sent_twice(tmp_path: Path, flushes: bool) -> None:
    """A healthy server gets each line once, also one that is not trusted."""
    made = World(tmp_path, flushes)
    posts: list[bytes] = []
    whole = made.server.store

    def store(lines: Sequence[bytes]) -> None:
        posts.extend(lines)
        whole(lines)

    made.server.store = store  # type: ignore[method-assign]
    made.process.live.step()
    for _ in range(40):
        made.write(5)
        made.server.now_s += 1
        made.do("live", 1)
        made.do("backlog", 1)
    made.drain()
    assert sorted(line for line in posts if b"kind=gap" not in line) == sorted(made.expected())
    made.writer.close()


def test_lanes_that_ask_for_a_boot_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one lane still reads which boots there are, another must not take their records for ones without a time."""
    made = World(tmp_path, flushes=False)
    made.write(1)
    made.writer.close()
    reader, whole = JournalReader(tmp_path / "journal"), boots.read_boots
    asked: list[bool] = []

    def slowly(folder: Path) -> boots.Boots:
        monkeypatch.setattr(boots, "read_boots", whole)
        asked.extend(block.wall_known for block in reader.blocks("sample"))  # the other lane, in the middle of this one
        return whole(folder)

    monkeypatch.setattr(boots, "read_boots", slowly)
    assert [block.wall_known for block in reader.blocks("sample")] == asked == [True]


def test_boots_that_could_not_be_read_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk while the boots are read is no reason to forget them."""
    made = World(tmp_path, flushes=False)
    made.write(1)
    made.writer.close()
    reader, whole = JournalReader(tmp_path / "journal"), boots.read_boots

    def failing(folder: Path) -> boots.Boots:
        monkeypatch.setattr(boots, "read_boots", whole)
        raise OSError("disk")

    monkeypatch.setattr(boots, "read_boots", failing)
    with pytest.raises(OSError):
        list(reader.blocks("sample"))
    assert [block.wall_known for block in reader.blocks("sample")] == [True]


@pytest.mark.parametrize("segment", [1, 4])
@pytest.mark.parametrize("owed", [False, True])
def test_a_journal_that_is_replaced_before_its_first_block(tmp_path: Path, segment: int, owed: bool) -> None:
    """The cursors of the old one point behind the new one, which begins late and grows past them: it is sent whole."""
    live = Cursor("sample", segment, 400)
    stretches = [Stretch(Cursor("sample", 1, 170), live)] if owed else []
    old = Standing(live, Ranges(stretches))
    CursorFile(tmp_path / "cursor").save({"sample": old})
    made = World(tmp_path, flushes=False)
    for _ in range(20):
        made.do("live", 1)
        if not made.written:
            assert not made.process.live.step()
        made.write(3)
        made.do("backlog", 1)
    made.drain()
    assert made.server.safe == made.expected()
    made.writer.close()


def test_a_block_that_is_there_in_half_is_not_passed_over(tmp_path: Path) -> None:
    """A lane that starts while the last block is being written sends that block once it is whole."""
    made = World(tmp_path, flushes=False)
    made.write(2)
    made.write(2)
    made.writer.close()
    path = segment_path(tmp_path / "journal", "sample", segment_numbers(tmp_path / "journal", "sample")[-1])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + bytes(20))
    made.process = Process(tmp_path, made.server)
    for action in ("live", "backlog", "live", "backlog"):
        made.do(action, 3)
    path.write_bytes(whole)
    made.do("live", 3)
    made.do("backlog", 3)
    assert made.server.safe == made.expected()


def test_a_server_that_breaks_every_connection_ends_no_step(tmp_path: Path) -> None:
    """Where each write meets a new connection a batch goes out a bounded number of times, and what is doubtful stays
    owed."""
    made = World(tmp_path, flushes=True)
    made.process.live.step()
    made.write(1)
    connection = cast(Any, made.process.live.connection)
    whole, posts = connection.post, []

    def post(lines: Sequence[bytes]) -> Answer:
        posts.append(1)
        connection.close()
        assert len(posts) < 100, "it does not end"
        return cast(Answer, whole(lines))

    connection.post = post
    for _ in range(4):
        made.write(1)
        made.process.live.step()
    doubtful = place(made.process.ledger.live("sample"))
    connection.post = whole
    made.server.now_s += 2 * SETTLE_S
    for _ in range(3):
        made.write(1)
        made.process.live.step()
    owed = made.process.ledger.standings()["sample"].owed
    assert any(one.begin < doubtful <= place(one.end) for one in owed)
    made.writer.close()


def test_a_replaced_journal_that_has_grown_past_the_cursor(tmp_path: Path) -> None:
    """A cursor in the middle of nothing, in a segment that the new journal has too, costs that segment once more."""
    CursorFile(tmp_path / "cursor").save({"sample": Standing(Cursor("sample", 1, 5000), Ranges())})
    made = World(tmp_path, flushes=False)
    for _ in range(20):
        made.write(3)
    made.process = Process(tmp_path, made.server)
    assert segment_numbers(tmp_path / "journal", "sample")[-1] > 2
    made.drain()
    assert made.server.safe == made.expected()
    made.writer.close()


def test_the_first_leap_is_made_when_there_is_an_end(tmp_path: Path) -> None:
    """A lane that starts on a disk that is not there yet leaps as soon as it is: what is new goes first."""
    made = World(tmp_path, flushes=False)
    made.write(3)
    made.drain()
    made.do("save", 1)
    away = (tmp_path / "journal").rename(tmp_path / "elsewhere")
    made.process = Process(tmp_path, made.server)
    made.do("live", 1)
    away.rename(tmp_path / "journal")
    made.write(30)
    made.server.up = False
    made.do("live", 1)
    assert made.process.ledger.live("sample") == JournalReader(tmp_path / "journal").end("sample")
    made.server.up = True
    made.drain()
    assert made.server.safe == made.expected()
    made.writer.close()
