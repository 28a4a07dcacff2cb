"""Every fault of `make faults` in its smallest size, and that the harness would notice what it looks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from faults import bulk, clocks, damage, databases, disks, kills, neighbours, noise
from faults.books import BadLine, Database, Journal, compare_acknowledged, compare_database, read_line
from faults.bus_user import HEARTBEAT_ID, REQUEST_ID, Heard, beats
from faults.feeder import NUMBERED_ID, number_of, numbered
from faults.table import Row, text_of
from twolbms.journal import Event, Frame, JournalReader, JournalWriter, Series

S = 10**9
WALL_NS = 1_700_000_000 * S


def held(rows: list[Row]) -> list[Row]:
    """The rows, which must all hold; one that could not be made skips the test by the name of what it lacks."""
    lacking = [row.counted for row in rows if row.holds is None]
    if lacking:
        pytest.skip(lacking[0])
    assert all(row.holds for row in rows), text_of(rows)
    return rows


def test_a_killed_gateway_loses_nothing(tmp_path: Path) -> None:
    """kill -9 in normal run, outage and drain: what was acknowledged is in journal and, once, in the database."""
    held([kills.kill_gateway(tmp_path, 3, phase_kills=1)])


@pytest.mark.need("influxd")
def test_a_killed_database_loses_nothing(tmp_path: Path) -> None:
    """kill -9 of a real InfluxDB in mid-write: afterwards it holds exactly what the journal holds."""
    held([kills.kill_database(tmp_path, 1)])


def test_a_full_disk_does_not_stop_control(tmp_path: Path) -> None:
    """While the disk is full heartbeats, requests and a person's open go on; the gap is told to the frame."""
    held([disks.full_disk(tmp_path, disks.QUEUE_FRAMES + 5000)])


def test_a_read_only_card_does_not_stop_control(tmp_path: Path) -> None:
    """A card that the kernel makes read-only stops only the journal, which goes on when the card is back."""
    held([disks.read_only_card(tmp_path, 500)])


def test_a_bad_database_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    """A database that hangs or answers nonsense is told as waiting; afterwards everything arrives, once."""
    garbage = next(fault for fault in databases.FAULTS if fault.name.endswith("garbage"))
    held([databases.one(tmp_path, garbage, 1.0)])


def test_a_stepping_clock_moves_no_record(tmp_path: Path) -> None:
    """The wall clock steps by hours and over a restart: one offset a boot, every record at its true time."""
    held([clocks.steps(tmp_path, 0.5)])


@pytest.mark.parametrize("throw", [*(lambda count, kind=kind: noise.frames(kind, count) for kind in noise.KINDS),
                                   noise.serial], ids=[*noise.KINDS, "VE.Direct"])
def test_noise_raises_nothing(throw: Callable[[int], Row]) -> None:
    """Random and mutated frames of this kind of bus raise nothing, and few random ones are used."""
    held([throw(6000)])


def test_no_damaged_frame_is_accepted() -> None:
    """Every error of one or two bits and burst of up to eight in id, length and data of each protected message."""
    (row,) = held([damage.damage(1)])
    assert int(row.figures["damaged"] or 0) > 100_000


def test_nothing_unprotected_raises_an_allowance() -> None:
    """Bulk messages and foreign frames with any content allow no more than the truth does."""
    held([bulk.nothing_unprotected_raises(10)])


def test_two_nodes_with_one_number_are_told(tmp_path: Path) -> None:
    """Two nodes with one number are told, and nothing is allowed while both speak."""
    held([neighbours.twins(tmp_path, 1)])


# --- the harness itself ---


def a_journal(folder: Path) -> Journal:
    """Two samples, an event and three numbered frames."""
    writer = JournalWriter(folder, "a" * 32, now_ns=lambda: 0)
    writer.fix_wall(WALL_NS, "network")
    writer.sample(Series("soc", "north", None), S, 0.5)
    writer.sample(Series("cell_voltage_v", "north", 2), S, 3.3)
    writer.event(S, "note", "north", {"text": "a, b"})
    writer.frames([Frame(S + n, "can0", NUMBERED_ID + n, True, numbered(n)) for n in range(3)])
    assert writer.flush(10)
    writer.close()
    return Journal.read(JournalReader(folder))


LINES = (f"pack,pack=north,site=home soc=0.5 {WALL_NS + S}",
         f"cell,cell=3,pack=north,site=home cell_voltage_v=3.3 {WALL_NS + S}",
         f'event,kind=note,pack=north,site=home text="a, b" {WALL_NS + S}')


def database(*lines: str) -> Database:
    """What holds these lines."""
    found = Database()
    found.take(line.encode() for line in lines)
    return found


def test_what_is_whole_is_found_whole(tmp_path: Path) -> None:
    """A journal and a database that agree differ in nothing, and a line that came twice is counted as such."""
    found = database(*LINES, LINES[0])
    difference = compare_database(a_journal(tmp_path), found, WALL_NS + 9 * S)
    assert difference == (3, [], 0, [], []) and (found.repeated, found.changed) == (1, [])


@pytest.mark.parametrize(("lines", "missing", "wrong", "extra"), [
    (LINES[1:], 1, 0, 0), (LINES[:2], 1, 0, 0), ((LINES[0].replace("0.5", "0.6"), *LINES[1:]), 0, 1, 0),
    ((*LINES, LINES[0].replace("soc", "current_a")), 0, 0, 1), ((*LINES, LINES[2].replace("note", "other")), 0, 0, 1)])
def test_each_difference_is_found(tmp_path: Path, lines: tuple[str, ...], missing: int, wrong: int, extra: int) -> None:
    """A point that is missing, wrong or too many is counted."""
    difference = compare_database(a_journal(tmp_path), database(*lines), WALL_NS + 9 * S)
    assert (len(difference.missing), len(difference.wrong), len(difference.extra)) == (missing, wrong, extra)


def test_a_lost_acknowledgement_is_found(tmp_path: Path) -> None:
    """An acknowledged record that the journal lacks, or holds less often than it was told, is missing."""
    told = (WALL_NS, ["sample", S, "soc", "north", None, 0.5])
    book = a_journal(tmp_path)
    assert compare_acknowledged([told], book).missing == []
    assert len(compare_acknowledged([told, told], book).missing) == 1
    assert len(compare_acknowledged([(WALL_NS, ["event", S, "note", "north", {"text": "c"}])], book).missing) == 1
    assert book.kinds()["note"] == 1 and isinstance(book.events[0], Event)


def test_a_wrong_frame_is_found() -> None:
    """A numbered frame that was changed by a bit, or came under another id, is none."""
    data = numbered(70_000)
    assert number_of(NUMBERED_ID, data) == 70_000
    assert number_of(NUMBERED_ID + 1, data) is None
    assert number_of(NUMBERED_ID, bytes([data[0] ^ 1]) + data[1:]) is None


def test_a_missing_heartbeat_is_found() -> None:
    """The longest wait counts from the beginning and to the end, and above a second the beat was not kept."""
    heard = [Heard(at, HEARTBEAT_ID, b"") for at in (S, 5 * S // 4)] + [Heard(S, REQUEST_ID, b"")]
    assert beats(heard, S // 2, 2 * S) == (2, 1, 0.75) and beats(heard, S // 2, 2 * S).kept
    assert not beats(heard, S // 2, 3 * S).kept and not beats([], 0, 1).kept


def test_lines_are_read_as_their_syntax_says() -> None:
    """Escapes, quotes and commas in texts; what is no line is refused."""
    point = read_line(rb'ev\,ent,site=a\ b,x=y text="a, \"b\" = c",n=1i,f=-2.5e3 17')
    assert point.key == ("ev,ent", frozenset({("site", "a b"), ("x", "y")}), 17)
    assert point.fields == {"text": 'a, "b" = c', "n": "1i", "f": "-2.5e3"}
    for bad in (b"", b"a 17", b"a b 17", b"a b=1", b"a,c b=1 17", b'a b="x 17'):
        with pytest.raises(BadLine):
            read_line(bad)
