"""Frames of buses with DBC files on their way from the journal to lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from twolbms.clock import Clock
from twolbms.decode import compile_database
from twolbms.decode.lines import LineWriter
from twolbms.journal import FrameBlock, JournalReader, JournalWriter
from twolbms.outlets.influx_frames import FrameEncoder
from twolbms.outlets.influx_gather import Gatherer
from twolbms.outlets.line_text import LineText

S = 1_000_000_000
BOOT = "b" * 32
OFFSET = 1_795_000_000 * S

CAR = """VERSION ""
BU_: X
BO_ 100 Speed: 2 X
 SG_ Kmh : 0|16@1+ (0.1,0) [0|0] "km/h" X
BO_ 200 Doors: 1 X
 SG_ Open : 0|4@1+ (1,0) [0|0] "" X
"""
HEAT = """VERSION ""
BU_: X
BO_ 300 Heater: 2 X
 SG_ Power : 0|16@1- (2,-5) [0|0] "W" X
"""
NODE = """VERSION ""
BU_: X
BO_ 2566848512 Pack: 2 X
 SG_ Volts : 7|16@0+ (0.01,0) [0|0] "V" X
"""


class Now(Clock):
    """Wall time is known."""

    boot_id = BOOT
    wall_offset_ns = OFFSET

    def mono_ns(self) -> int:
        return 0


def databases() -> dict[str, tuple[object, ...]]:
    """A car's bus with two files, a bus of nodes; a third bus has none."""
    return {"car": (compile_database(CAR), compile_database(HEAT)),
            "nodes": (compile_database(NODE, id_mask=0x1FFFFF00),)}


ROWS = [
    (1, "car", 100, False, b"\x0a\x00"), (2, "car", 200, False, b"\x03"), (3, "car", 300, False, b"\xff\xff"),
    (4, "car", 999, False, b"\x01"), (5, "car", 100, False, b"\x01"), (6, "other", 100, False, b"\x0a\x00"),
    (7, "nodes", 0x18FF0007, True, b"\x0a\x8c"), (8, "nodes", 100, False, b"\x0a\x00"), (9, "car", 100, True, b"\0\0"),
]
LINES = {
    b"Speed,bus=car,site=s1 Kmh=1 %d" % (OFFSET + 1), b"Doors,bus=car,site=s1 Open=3i %d" % (OFFSET + 2),
    b"Heater,bus=car,site=s1 Power=-7i %d" % (OFFSET + 3),
    b"Pack,bus=nodes,node=7,site=s1 Volts=27 %d" % (OFFSET + 7),
}


def write(folder: Path, rows: list[tuple[int, str, int, bool, bytes]]) -> None:
    """A journal of these frames."""
    writer = JournalWriter(folder, BOOT, now_ns=lambda: 0)
    writer.fix_wall(OFFSET, "network")
    for row in rows:
        writer.frame(*row)
    assert writer.flush(30)
    writer.close()


@pytest.mark.parametrize("columns_from", [1 << 30, 1], ids=["one by one", "in columns"])
def test_every_bus_by_its_own_files(tmp_path: Path, columns_from: int) -> None:
    """Frames become lines by the files of their bus; unknown ids and short frames are counted, other buses passed."""
    write(tmp_path, ROWS)
    counts: Counter[str] = Counter()
    encoder = FrameEncoder(databases(), "s1", counts, columns_from)  # type: ignore[arg-type]
    batch = Gatherer(JournalReader(tmp_path), Now(), {"frame": encoder}, 5000).gather("frame", None)
    reference = LineWriter(compile_database(CAR), "s1").line("car", 100, False, b"\x0a\x00", OFFSET + 1)
    assert str(reference).encode() in batch.text.lines()
    found = {line.split(b" ")[0] + b" " + line.split(b" ")[2] for line in batch.text.lines()}
    assert found == {line.split(b" ")[0] + b" " + line.split(b" ")[2] for line in LINES}
    assert batch.text.count == 4 and batch.at_end
    assert counts == {"unknown_id": 3, "short": 1}
    assert not batch.missing.total(), "frames without a line are no points that were lost"


def test_both_ways_give_the_same_lines(tmp_path: Path) -> None:
    """In columns and one by one the lines are the same, byte for byte."""
    rows = [(number, *ROWS[number % len(ROWS)][1:4], bytes([number * 7 % 256, number % 256])) for number in range(3000)]
    write(tmp_path, rows)
    texts = []
    for columns_from in (1 << 30, 1):
        encoder = FrameEncoder(databases(), "s1", None, columns_from)  # type: ignore[arg-type]
        gatherer = Gatherer(JournalReader(tmp_path), Now(), {"frame": encoder}, 5000)
        texts.append(sorted(gatherer.gather("frame", None).text.lines()))
    assert texts[0] == texts[1] and len(texts[0]) > 1000


def test_blocks_of_other_buses_are_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bus without DBC files costs a look at the block's list of buses, no frame of it is unpacked."""
    from twolbms.journal.frames import FrameColumns

    write(tmp_path, [(number, "other", 100, False, b"\x01") for number in range(500)])
    monkeypatch.setattr(FrameColumns, "frames", lambda self: pytest.fail("unpacked"))
    monkeypatch.setattr(FrameColumns, "arrays", lambda self: pytest.fail("unpacked"))
    encoder = FrameEncoder(databases(), "s1")  # type: ignore[arg-type]
    batch = Gatherer(JournalReader(tmp_path), Now(), {"frame": encoder}, 5000).gather("frame", None)
    assert batch.text.count == 0 and batch.next is not None


def test_blocks_without_lines_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of frames that nobody decodes is passed over block by block, and none stays in memory."""
    from twolbms.journal.columns import Steps

    for start in range(0, 500, 100):
        write(tmp_path, [(start + number, "other", 100, False, b"\x01") for number in range(100)])
    write(tmp_path, [(1000 + number, "car", 100, False, b"\x0a\x00") for number in range(100)])
    kept: list[int] = []
    whole = FrameEncoder.encode

    def encode(self: FrameEncoder, blocks: Sequence[FrameBlock], missing: Counter[str]) -> LineText:
        kept.append(len(blocks))
        monkeypatch.undo()
        return whole(self, blocks, missing)

    monkeypatch.setattr(Steps, "values", lambda self: pytest.fail("all times added up for the first of them"))
    monkeypatch.setattr(FrameEncoder, "encode", encode)
    encoder = FrameEncoder(databases(), "s1")  # type: ignore[arg-type]
    batch = Gatherer(JournalReader(tmp_path), Now(), {"frame": encoder}, 5000).gather("frame", None)
    assert kept == [1] and batch.text.count == 100 and batch.oldest_ns == OFFSET + 1000
