"""The numpy way and the frame-by-frame way give the same account and the same records, whatever the lines look like."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twolbms.importing.frames import DATA, ERROR, REMOTE, Damage, LogFrame
from twolbms.importing.pack import find_pack, load_pack
from twolbms.importing.readers import log_file
from twolbms.importing.readers.candump import parse_line, read_lines
from twolbms.importing.readers.candump_bulk import read_tables
from twolbms.importing.run import Request, import_log
from twolbms.journal import JournalReader

SHAPES = (
    "({t}) can{b} {id3}#{data}",
    "({t}) can{b} {id3}#{data} R",
    "({t}) vcan{b} {id8}#{data}",
    "({t}) can{b} {id8}#{data} T\r",
    "({t}) can{b} {id3}##1{fd}",
    "({t}) can{b} {id3}#R",
    "({t}) can{b} {id3}#R8",
    "({t}) can{b} 20000088#0000000000000000",
    "({t}) can{b} {id3}#{data}_E",
    "({t})  can{b}\t{id3}#{data}",
    "({t}) c\x80n{b} {id3}#{data}",
    "{t} can{b} {id3}#{data}",
    "({t}) can{b} {id3}{data}",
    "({t}) can{b} {id3}#{data}0",
    "({t}) can{b} F{id3}#{data}",
    "({t}) {id3}#{data}",
    "",
    "# a comment",
    "({t}) can{b} FFF#{data}",
    "({t}) can{b} 1_B#{data}",
    "(1_0.5) can{b} {id3}#{data}",
    "(+1.5) can{b} {id3}#{data}",
    "(1.5x) can{b} {id3}#{data}",
)


def random_line(source: random.Random) -> str:
    shape = source.choice(SHAPES[:4] * 8 + SHAPES)
    whole = source.choice(["{:010d}", "{:d}"]).format(
        source.choice([0, 7, 99, 1_700_000_000, 4_611_686_018, 9_223_372_036, 14_365_090_520, 99_999_999_999]))
    return shape.format(
        t=f"{whole}.{source.randrange(10**6):06d}{source.choice(['', '', '', '123', '1'])}",
        b=source.randrange(2),
        id3=f"{source.choice([0x1DB, 0x55B, 0x7FF, 0]):03X}",
        id8=f"{source.choice([0x1DB, 0x1FFFFFFF, 0x18FF1000]):08x}",
        data=source.randbytes(source.choice([8, 8, 8, 0, 1, 7, 9])).hex(),
        fd=source.randbytes(source.choice([8, 12, 64, 9])).hex(),
    )


def from_tables(text: bytes, damage: Damage) -> list[LogFrame]:
    frames = []
    for table in read_tables(iter([text]), damage):
        for row in range(len(table.time_ns)):
            time_ns, can_id, kind = (int(column[row]) for column in (table.time_ns, table.can_id, table.kind))
            data = table.data[row, : table.length[row]].tobytes()
            frames.append(LogFrame(time_ns, table.buses[table.bus[row]], can_id, bool(table.extended[row]), data, kind))
    return frames


@given(st.randoms(use_true_random=False), st.integers(1, 120), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_both_readers_see_the_same_log(source: random.Random, count: int, ends_whole: bool) -> None:
    """Any mixture of candump lines, good and bad, gives the same frames and the same damage."""
    repeated = [random_line(source)] * source.choice([0, 20])
    lines = [random_line(source) for _ in range(count)] + repeated
    text = ("\n".join(lines) + ("\n" if ends_whole else "")).encode("latin-1")
    plain, bulk = Damage(), Damage()
    wanted = [frame for batch in read_lines(iter([text]), plain) for frame in batch]
    assert from_tables(text, bulk) == wanted
    assert bulk == plain


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        ("(0000000000.134000) can0 1DB#7FE0FFC600", (134_000_000, "can0", 0x1DB, False, "7FE0FFC600", DATA)),
        ("(1700000000.123456789) vcan1 18FF1000#", (1_700_000_000_123_456_789, "vcan1", 0x18FF1000, True, "", DATA)),
        ("(1.5) can0 7ff##0" + "AB" * 12 + " T", (1_500_000_000, "can0", 0x7FF, False, "AB" * 12, DATA)),
        ("(1.5) can0 7FF#R8", (1_500_000_000, "can0", 0x7FF, False, "", REMOTE)),
        ("(1.5) can0 20000088#0000000000000000", (1_500_000_000, "can0", 0x88, True, "", ERROR)),
        ("(1.5) can0 123#1122334455667788_9", (1_500_000_000, "can0", 0x123, False, "1122334455667788", DATA)),
    ],
)
def test_a_line_is_read_as_candump_wrote_it(line: str, frame: tuple) -> None:
    """Every kind of line of candump -L gives time to the nanosecond, bus, id, kind of id and data."""
    time_ns, bus, can_id, extended, data, kind = frame
    assert parse_line(line.encode()) == LogFrame(time_ns, bus, can_id, extended, bytes.fromhex(data), kind)


@pytest.mark.parametrize(
    "line",
    [
        "(1.5) can0 800#00",
        "(1.5) can0 40000000#00",
        "(1.5) can0 1DB#000",
        "(1.5) can0 1DB#" + "00" * 9,
        "(1.5) can0 1DB",
        "1.5 can0 1DB#00",
        "(1,5) can0 1DB#00",
        "(1.5) can0 1DB##",
        "(1.5) can0 1DB##1" + "00" * 9,
        "(1.5) can0 1DB#0G",
        "(-1.5) can0 1DB#00",
        "(1.5) can0 1DB#00 X",
        "(1.5) c\x00n0 1DB#00",
        "(4611686019.000000) can0 1DB#00",  # beyond 2^62 ns, which the journal cannot hold
        "(14365090520.000001000) can0 55B#00",
        "(99999999999999999999.000000) can0 55B#00",
    ],
)
def test_what_is_no_frame_is_none(line: str) -> None:
    """Impossible ids, odd digits, too many bytes, wrong stamps: no frame is guessed from them."""
    assert parse_line(line.encode()) is None


@pytest.mark.parametrize("bus", [None, 0, 1])
def test_both_ways_import_the_same(tmp_path: Path, leaf_lines, monkeypatch, bus: int | None) -> None:
    """Account and journal are equal record by record, over several chunks, with two buses and damaged frames."""
    monkeypatch.setattr(log_file, "BLOCK_BYTES", 30_000)
    source = random.Random(3)
    lines = []
    for repeat in range(40):
        for line in leaf_lines:
            text = line._replace(time_us=line.time_us + repeat * 400_000, bus=source.choice(["can0", "can1"])).text()
            if source.random() < 0.02:
                text = source.choice([text[:-1] + source.choice("0123456789"), text[:-2], text[:-8]])
            if source.random() < 0.02:
                cut = source.randrange(len(text))
                text = text[:cut] + source.choice(["", "#", "0", "F", "(", "z"]) + text[cut + source.randrange(4) :]
            lines.append(text)
    log = tmp_path / "long.log"
    log.write_text("\n".join(lines) + "\n")
    assert log.stat().st_size > 6 * log_file.BLOCK_BYTES
    pack = load_pack(find_pack("leaf_aze0"))
    found = {bulk: import_log(Request(log, pack, tmp_path / f"j{bulk}", bus), bulk=bulk) for bulk in (True, False)}
    assert found[True].as_json() == found[False].as_json()
    assert found[True].bad_check and found[True].short and found[True].counter_steps and found[True].malformed_lines
    records = {bulk: list(JournalReader(tmp_path / f"j{bulk}").records("sample")) for bulk in (True, False)}
    assert records[True] == records[False] and len(records[True]) == found[True].samples > 1000
