"""The outlet on a real journal against a scripted server: nothing lost, nothing doubled, nobody held up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.fake_influx import FakeInflux, answer, hang, raw, store, store_then_cut
from servers.processes import free_port
from twolbms.clock import Clock
from twolbms.journal import Cursor, JournalReader, JournalWriter, Series
from twolbms.journal.segment_writer import SEGMENT_BYTES
from twolbms.journal.segments import segment_numbers, segment_path
from twolbms.outlets.cursor_file import CursorFile
from twolbms.outlets.influx import InfluxOutlet
from twolbms.outlets.influx_delivery import Pace
from twolbms.outlets.influx_encoders import record_encoders
from twolbms.outlets.influx_gather import Gatherer
from twolbms.outlets.influx_target import InfluxTarget
from twolbms.outlets.ledger import Standing
from twolbms.outlets.ranges import Ranges, Stretch

S = 1_000_000_000
BOOT, OLD_BOOT = "b" * 32, "a" * 32
OFFSET = 1_795_000_000 * S
PACE = Pace(batch_lines=50, poll_s=0.02, first_retry_s=0.02, most_retry_s=0.05, refused_retry_s=0.02)
CURRENT = Series("current_a", "shed", None)


class SetClock(Clock):
    """Stands where it is set."""

    def __init__(self, mono_s: float = 0, boot_id: str = BOOT) -> None:
        self.boot_id = boot_id
        self.now_ns = int(mono_s * S)

    def mono_ns(self) -> int:
        return self.now_ns


class Site:
    """A journal folder with a run folder beside it, and outlets that are stopped at the end."""

    def __init__(self, folder: Path) -> None:
        self.run = folder
        self.journal = folder / "journal"
        self.clock = SetClock(1000)
        self.outlets: list[InfluxOutlet] = []
        (folder / "token").write_text("secret")

    def write(
        self,
        seconds: range,
        boot_id: str = BOOT,
        offset_ns: int | None = OFFSET,
        value: float = 1.5,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """One sample a second and an event every tenth."""
        writer = JournalWriter(self.journal, boot_id, now_ns=lambda: seconds.stop * S, segment_bytes=segment_bytes)
        if offset_ns is not None:
            writer.fix_wall(offset_ns, "network")
        for second in seconds:
            writer.sample(CURRENT, second * S, value)
            if second % 10 == 0:
                writer.event(second * S, "note", "shed", {"text": f"at {second}"})
        assert writer.flush(30)
        writer.close()

    def outlet(self, url: str, pace: Pace = PACE, timeout_s: float = 5.0) -> InfluxOutlet:
        """A new outlet, as after a restart of the gateway."""
        target = InfluxTarget("s1", url, "o", "b", self.run / "token", timeout_s=timeout_s)
        outlet = InfluxOutlet(JournalReader(self.journal), target, self.run / "influx.cursor", self.clock, pace)
        self.outlets.append(outlet)
        return outlet

    def drain(self, url: str) -> InfluxOutlet:
        """Starts an outlet, waits until it has sent everything, stops it."""
        outlet = self.outlet(url)
        outlet.start()
        assert outlet.wait_drained(30), outlet.status()
        assert outlet.stop(10)
        return outlet


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site of its own."""
    made = Site(tmp_path)
    yield made
    for outlet in made.outlets:
        outlet.stop(10)


def samples(seconds: range, value: float = 1.5) -> list[bytes]:
    """The sample lines that belong in the database."""
    return [f"pack,pack=shed,site=s1 current_a={value} {OFFSET + second * S}".encode() for second in seconds]


def notes(seconds: range) -> list[bytes]:
    """The lines of the events that the site writes."""
    return [
        f'event,kind=note,pack=shed,site=s1 text="at {second}" {OFFSET + second * S}'.encode()
        for second in seconds
        if second % 10 == 0
    ]


def of_site(lines: list[bytes]) -> list[bytes]:
    """Without the journal's own events (gaps)."""
    return [line for line in lines if b"kind=gap" not in line]


def eventually(outlet: InfluxOutlet, true: Callable[[dict[str, object]], bool]) -> dict[str, object]:
    """The first status that satisfies `true`; fails after 30 s."""
    ready = threading.Event()
    for _ in range(3000):
        if true(status := outlet.status()):
            return status
        ready.wait(0.01)
    raise AssertionError(outlet.status())


def test_a_journal_is_drained_once(site: Site) -> None:
    """Every sample and event arrives exactly once, in batches, and a restart sends nothing again."""
    site.write(range(200))
    with FakeInflux() as server:
        outlet = site.drain(server.url)
        assert sorted(server.stored) == sorted(samples(range(200)) + notes(range(200)))
        assert max(count for _, _, count in server.requests) <= 50
        assert outlet.status() == {"state": "stopped", "lag_s": 0.0, "lines": 220, "refused": 0, "error": None,
                                   "live_lag_s": 0.0}
        site.drain(server.url)
        assert len(server.stored) == 220


def test_it_follows_a_growing_journal(site: Site) -> None:
    """What is written while the outlet runs arrives without a restart."""
    site.write(range(20))
    with FakeInflux() as server:
        outlet = site.outlet(server.url)
        outlet.start()
        assert outlet.wait_drained(30)
        site.write(range(20, 40))
        assert outlet.wait_drained(30)
        assert sorted(of_site(server.stored)) == sorted(samples(range(40)) + notes(range(40)))


def test_the_cursor_moves_only_after_the_answer(site: Site) -> None:
    """Killed before the answer, the next start sends the same lines again: none is missing."""
    site.write(range(100))
    with FakeInflux(hang) as server:
        outlet = site.outlet(server.url)
        outlet.start()
        server.wait_for_requests(1)
        assert outlet.stop(10)
        for standing in CursorFile(site.run / "influx.cursor").load().values():
            assert standing.owed.first is not None and standing.owed.first.start is None
    with FakeInflux() as server:
        site.drain(server.url)
        assert sorted(server.stored) == sorted(samples(range(100)) + notes(range(100)))


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(answer(503, Retry_After="0"), id="503"),
        pytest.param(raw(b""), id="cut"),
        pytest.param(raw(b"HTTP/1.1 4"), id="half"),
        pytest.param(answer(401), id="401"),
        pytest.param(answer(500), id="500"),
        pytest.param(answer(413), id="413"),
    ],
)
def test_trouble_in_the_middle_loses_nothing(site: Site, trouble: Callable[..., None]) -> None:
    """Each kind of trouble, three times in a row and again later: afterwards everything is there once."""
    site.write(range(200))
    with FakeInflux(store, *[trouble] * 3, store, trouble) as server:
        outlet = site.drain(server.url)
        assert sorted(server.stored) == sorted(samples(range(200)) + notes(range(200)))
        assert outlet.status()["refused"] == 0


def test_stored_but_not_answered_is_sent_again_the_same(site: Site) -> None:
    """When the connection is cut after storing, the very same lines come again: the database sees the same points."""
    site.write(range(100))
    with FakeInflux(*[store_then_cut] * 4) as server:
        site.drain(server.url)
        assert len(server.stored) > 110
        assert sorted(set(server.stored)) == sorted(samples(range(100)) + notes(range(100)))


def test_a_poisonous_line_is_quarantined_and_the_rest_arrives(site: Site) -> None:
    """One line that the server does not take lies in quarantine with its reason; all others arrive."""
    site.write(range(100))
    poison = samples(range(42, 43))[0]
    with FakeInflux() as server:
        server.poison = poison
        outlet = site.drain(server.url)
        assert sorted(server.stored) == sorted(set(samples(range(100)) + notes(range(100))) - {poison})
    note = json.loads((site.run / "quarantine-influx.log").read_text())
    assert note["line"] == poison.decode() and note["reason"] == "400 unable to parse" and note["count"] == 1
    assert outlet.status()["refused"] == 1


def test_lag_grows_while_the_server_is_away_and_falls_back(site: Site) -> None:
    """The lag is the age of the oldest record that is not stored; the state says what is waited for."""
    site.write(range(900, 1000))
    port = free_port()
    outlet = site.outlet(f"http://127.0.0.1:{port}")
    site.clock.wall_offset_ns = OFFSET
    outlet.start()
    status = eventually(outlet, lambda status: status["state"] == "waiting" and bool(status["lag_s"]))
    assert status["lag_s"] == 100.0 and "refused" in str(status["error"])
    site.clock.now_ns += 60 * S
    assert outlet.status()["lag_s"] == 160.0
    with FakeInflux(port=port) as server:
        assert outlet.wait_drained(30)
        assert outlet.status() == {"state": "ok", "lag_s": 0.0, "lines": 110, "refused": 0, "error": None,
                                   "live_lag_s": 0.0}
        assert len(server.stored) == 110


def test_lag_is_unknown_without_wall_time(site: Site) -> None:
    """Where the clock has no wall time and the records have, nobody can tell the lag: None, not 0."""
    site.write(range(10))
    outlet = site.outlet(f"http://127.0.0.1:{free_port()}")
    outlet.start()
    assert eventually(outlet, lambda status: status["state"] == "waiting")["lag_s"] is None


def test_it_waits_for_the_wall_time(site: Site) -> None:
    """Records of a boot whose wall time is not fixed are not sent; once it is, they go with it."""
    site.write(range(900, 950), offset_ns=None)
    with FakeInflux() as server:
        outlet = site.outlet(server.url)
        outlet.start()
        status = eventually(outlet, lambda status: status["state"] == "waiting")
        assert status == {
            "state": "waiting",
            "lag_s": 100.0,
            "live_lag_s": 0.0,
            "lines": 0,
            "refused": 0,
            "error": "the wall time is not known yet",
        }
        assert server.requests == []
        site.write(range(950, 960))
        assert outlet.wait_drained(30)
        assert sorted(of_site(server.stored)) == sorted(samples(range(900, 960)) + notes(range(900, 960)))
        assert outlet.status()["state"] == "ok"


def test_a_boot_that_never_learned_the_time_does_not_block_the_next(site: Site) -> None:
    """Records that nobody can place in time are counted and noted; those of the present boot go out."""
    site.write(range(100), boot_id=OLD_BOOT, offset_ns=None)
    site.write(range(10))
    with FakeInflux() as server:
        outlet = site.drain(server.url)
        assert sorted(of_site(server.stored)) == sorted(samples(range(10)) + notes(range(10)))
    assert outlet.status()["refused"] == 110
    noted = [json.loads(line) for line in (site.run / "quarantine-influx.log").read_text().splitlines()]
    assert {note["count"] for note in noted} == {100, 10} and all("wall time" in note["reason"] for note in noted)


def test_a_damaged_cursor_file_sends_again(site: Site) -> None:
    """An unreadable cursor costs re-sending and nothing else."""
    site.write(range(30))
    with FakeInflux() as server:
        site.drain(server.url)
        (site.run / "influx.cursor").write_bytes(b"\x00" * 40)
        site.drain(server.url)
        assert sorted(set(server.stored)) == sorted(samples(range(30)) + notes(range(30)))
        assert len(server.stored) == 66


def test_a_cursor_that_cannot_be_saved_stops_nothing(site: Site) -> None:
    """A full or read-only run folder is logged; the records go out all the same."""
    site.write(range(30))
    (site.run / "influx.cursor.new").mkdir()
    with FakeInflux() as server:
        outlet = site.drain(server.url)
        assert len(server.stored) == 33 and outlet.status()["refused"] == 0


def test_token_that_comes_later(site: Site) -> None:
    """Without a token file it says so and waits; once the file is there, everything goes."""
    site.write(range(10))
    (site.run / "token").unlink()
    with FakeInflux() as server:
        outlet = site.outlet(server.url)
        outlet.start()
        status = eventually(outlet, lambda status: status["state"] == "refused")
        assert "token file" in str(status["error"]) and server.requests == []
        (site.run / "token").write_text("here")
        assert outlet.wait_drained(30)
        assert server.requests[0][1]["authorization"] == "Token here"


def test_stop_does_not_wait_for_a_hanging_server(site: Site) -> None:
    """A server that answers nothing cannot hold up the end of the gateway."""
    site.write(range(10))
    with FakeInflux(otherwise=hang) as server:
        outlet = site.outlet(server.url, timeout_s=60)
        outlet.start()
        server.wait_for_requests(1)
        assert outlet.stop(10)
        assert outlet.status()["state"] == "stopped"


def test_a_reader_that_fails_is_told_and_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any error inside is a word in the status, and the outlet goes on once it has passed."""
    site.write(range(10))
    whole = JournalReader.blocks
    failures = [OSError("disk"), OSError("disk")]

    def blocks(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(JournalReader, "blocks", blocks)
    with FakeInflux() as server:
        outlet = site.drain(server.url)
        assert len(server.stored) == 11 and outlet.status()["error"] is None


def test_what_retention_dropped_before_it_was_sent_is_told(site: Site) -> None:
    """Segments that are gone before the database had them are noted and counted, and the rest arrives."""
    site.write(range(10), segment_bytes=1)
    with FakeInflux() as server:
        site.drain(server.url)
        cursor = CursorFile(site.run / "influx.cursor").load()["sample"].live
        assert cursor is not None
        for begin in (10, 20, 30):
            site.write(range(begin, begin + 10), segment_bytes=1)
        numbers = segment_numbers(site.journal, "sample")
        for number in numbers[:-1]:
            segment_path(site.journal, "sample", number).unlink()
        outlet = site.drain(server.url)
        missing = numbers[-1] - cursor.segment
        assert missing >= 2 and outlet.status()["refused"] == missing
        assert set(samples(range(30, 40))) <= set(server.stored)
    note = json.loads((site.run / "quarantine-influx.log").read_text())
    assert note["count"] == missing and "retention dropped" in note["reason"]


def test_a_damaged_stretch_is_told_and_passed(site: Site) -> None:
    """A block that cannot be read is noted once, and what follows it arrives."""
    site.write(range(10))
    segment = segment_path(site.journal, "sample", segment_numbers(site.journal, "sample")[0])
    site.write(range(10, 20))
    whole = segment.read_bytes()
    segment.write_bytes(whole[:70] + bytes([whole[70] ^ 0xFF]) + whole[71:])
    with FakeInflux() as server:
        outlet = site.drain(server.url)
        assert set(samples(range(10, 20))) <= set(server.stored)
        assert not set(samples(range(10))) & set(server.stored)
    assert outlet.status()["refused"] == 1
    assert "cannot be read" in (site.run / "quarantine-influx.log").read_text()


def test_what_nobody_sends_any_more_holds_up_nothing(site: Site) -> None:
    """Frames that are owed after their DBC file was taken away make no lag, and they stay owed for when it is back."""
    site.write(range(20))
    frames = Ranges([Stretch(Cursor("frame", 1, 0), Cursor("frame", 3, 90))])
    file = CursorFile(site.run / "influx.cursor")
    file.save({"frame": Standing(Cursor("frame", 3, 90), frames)})
    with FakeInflux() as server:
        outlet = site.drain(server.url)
        assert outlet.status()["lag_s"] == 0.0
    assert file.load()["frame"].owed == frames


def test_a_server_that_ends_each_connection_is_not_doubted(site: Site) -> None:
    """One that announces the end of the connection with each answer gets each line once, also where it is doubtful."""
    site.write(range(100))
    with FakeInflux(otherwise=answer_and_end) as server:
        target = InfluxTarget("s1", server.url, "o", "b", site.run / "token", rewind_s=10.0)
        outlet = InfluxOutlet(JournalReader(site.journal), target, site.run / "influx.cursor", site.clock, PACE)
        site.outlets.append(outlet)
        outlet.start()
        assert outlet.wait_drained(30)
        assert sorted(server.stored) == sorted(samples(range(100)) + notes(range(100)))


def answer_and_end(handler: Any) -> None:
    """Stores, and says that the connection ends with the answer."""
    handler.server.take(handler.lines)
    handler.send_response(204)
    handler.send_header("Connection", "close")
    handler.end_headers()


def test_damage_at_the_end_of_what_is_owed_is_told(site: Site) -> None:
    """A last block that went bad before it was sent is counted and noted, though no block follows it."""
    site.write(range(100))
    gatherer = Gatherer(JournalReader(site.journal), site.clock, record_encoders("s1"), 5000)
    end = JournalReader(site.journal).end("sample")
    assert end is not None
    segment = segment_path(site.journal, "sample", 1)
    raw = bytearray(segment.read_bytes())
    raw[end.offset - 5] ^= 0xFF
    segment.write_bytes(raw)
    batch = gatherer.gather("sample", None, end)
    assert batch.next == end and batch.missing["stretches of the journal that cannot be read"] == 1


@pytest.mark.parametrize("served", ["event", "sample"])
def test_a_family_that_cannot_be_read_stops_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch, served: str,
) -> None:
    """While the disk does not give one family, the others are sent and the error is told."""
    site.write(range(100))
    whole = JournalReader.blocks

    def blocks(reader: JournalReader, family: str, cursor: Cursor | None = None) -> object:
        if family != served:
            raise OSError("unreadable")
        return whole(reader, family, cursor)

    monkeypatch.setattr(JournalReader, "blocks", blocks)
    with FakeInflux() as server:
        outlet = site.outlet(server.url)
        outlet.start()
        expected = notes(range(100)) if served == "event" else samples(range(100))
        status = eventually(outlet, lambda status: status["lines"] == len(expected) and bool(status["error"]))
        assert "unreadable" in str(status["error"]) and status["lag_s"] is None
        assert sorted(server.stored) == sorted(expected)
