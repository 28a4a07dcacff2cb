from __future__ import annotations

import csv
import io
import json
import sys
import tracemalloc

import pytest
from click.testing import CliRunner

from twolbms.cli.export import export_command, format_time, parse_time
from twolbms.journal import JournalWriter, Series

A, B = "aa" * 16, "bb" * 16
S = 10**9
OFFSET_NS = 1_763_965_800 * S  # 2025-11-24T06:30:00Z, by `date -ud @1763965800`


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Samples of two packs, events, frames and a reading, from 2025-11-24T06:30:00Z on; and a boot of unknown time."""
    folder = tmp_path_factory.mktemp("export") / "journal"
    writer = JournalWriter(folder, A, now_ns=lambda: 0)
    writer.fix_wall(OFFSET_NS, "network")
    for second in range(10):
        for pack in ("north", "south"):
            writer.sample(Series("cell_voltage_v", pack, 0), second * S + 123_456_789, 3.312)
            writer.sample(Series("current_a", pack, None), second * S + 1, -8.25)
    writer.event(2 * S, "trip", "north", {"limit": "cell_over_voltage", "text": 'said "no", at 60 °C'})
    writer.event(3 * S, "note", "", {})
    writer.frame(4 * S, "can0", 0x0CFF0001, True, b"\x00\xff")
    writer.frame(5 * S, "can0", 0x55, False, b"")
    writer.reading(6 * S, "shunt", b":51")
    writer.close()
    writer = JournalWriter(folder, B, now_ns=lambda: 0)
    writer.sample(Series("current_a", "north", None), 1, 1.0)
    writer.close()
    return folder


@pytest.fixture
def export(journal):
    def run(*arguments: str, folder=journal):
        return CliRunner().invoke(export_command, [str(folder), *arguments])

    return run


def rows(result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return list(csv.reader(io.StringIO(result.stdout)))


def test_samples_as_csv(export):
    """A sample's row has its time with all nine digits, its names, its cell counted from 1 and its value unrounded."""
    table = rows(export())
    assert table[0] == ["time", "quantity", "pack", "cell", "value"]
    assert table[1] == ["2025-11-24T06:30:00.123456789Z", "cell_voltage_v", "north", "1", "3.312"]
    assert table[2] == ["2025-11-24T06:30:00.000000001Z", "current_a", "north", "", "-8.25"]
    assert len(table) == 41


def test_what_is_left_out_is_said(export):
    """The count, and records whose wall time was never known, are told on standard error."""
    assert export().stderr.splitlines() == [
        "40 records", "left out: 1 records of boots whose wall time was never known"]


@pytest.mark.parametrize("arguments, count", [
    (["--pack", "north"], 20), (["--pack", "north", "--pack", "south"], 40), (["--quantity", "current_a"], 20),
    (["--pack", "south", "--quantity", "cell_voltage_v"], 10), (["--pack", "attic"], 0),
    (["--from", "2025-11-24T06:30:08Z"], 8), (["--to", "2025-11-24T06:30:02Z"], 8),
    (["--from", "2025-11-24T06:30:02.123456789Z", "--to", "2025-11-24T06:30:02.123456790Z"], 2),
    (["--from", "2025-11-24T07:30:09.1+01:00"], 2), (["--to", "-2h"], 40), (["--from", "-2h"], 0)])
def test_selecting(export, arguments, count):
    """Packs, quantities and times select, times to the nanosecond; a time before now may be given."""
    assert len(rows(export(*arguments))) == 1 + count


def test_events_as_csv(export):
    """An event's data is JSON in one cell of the table, quotes and all."""
    table = rows(export("--family", "event", "--pack", "north"))
    assert table[1][:3] == ["2025-11-24T06:30:02.000000000Z", "trip", "north"]
    assert json.loads(table[1][3]) == {"limit": "cell_over_voltage", "text": 'said "no", at 60 °C'}
    assert len(table) == 2


def test_frames_and_readings_as_csv(export):
    """Frames and readings come as hexadecimal text, an extended id with eight digits and a standard one with three."""
    assert [row[1:] for row in rows(export("--family", "frame"))] == [
        ["bus", "id", "extended", "data"], ["can0", "0CFF0001", "1", "00ff"], ["can0", "055", "0", ""]]
    assert [row[1:] for row in rows(export("--family", "reading"))] == [["source", "data"], ["shunt", "3a3531"]]


@pytest.mark.parametrize("family", ["sample", "event", "frame", "reading"])
def test_parquet(export, tmp_path, family):
    """Parquet has the same rows, with UTC times of nanoseconds and real types."""
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out.parquet"
    assert export("--family", family, "--format", "parquet", "--out", str(out)).exit_code == 0
    table = parquet.read_table(out)
    text = rows(export("--family", family))
    assert table.column_names == text[0]
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert [format_time(value) for value in table.column("time").cast("int64").to_pylist()] == [
        row[0] for row in text[1:]]
    if family == "sample":
        first = table.drop_columns("time").slice(0, 2).to_pylist()
        assert [tuple(row.values()) for row in first] == [
            ("cell_voltage_v", "north", 1, 3.312), ("current_a", "north", None, -8.25)]
    if family == "frame":
        assert table.column("data").to_pylist() == [b"\x00\xff", b""]


def test_parquet_without_pyarrow(export, monkeypatch, tmp_path):
    """Without pyarrow the message says what to install, and no file is left."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = export("--format", "parquet", "--out", str(tmp_path / "out"))
    assert (result.exit_code, "pip install '2lbms[parquet]'" in result.output) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_to_a_file(export, tmp_path):
    """A file appears complete, and has what standard output would have had."""
    assert export("--out", str(tmp_path / "out.csv")).exit_code == 0
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == export().stdout
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_missing_and_empty_journals_are_refused(export, tmp_path):
    """Where there is nothing to export the command says so in a sentence and ends with status 2."""
    for folder, sentence in ((tmp_path / "no", "there is no such journal folder"),
                             (tmp_path, "this journal is empty, or it is the wrong folder")):
        result = export("--out", str(tmp_path / "out.csv"), folder=folder)
        assert result.exit_code == 2
        assert sentence in result.output
        assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("arguments, sentence", [
    (["--from", "yesterday"], "expected a time such as 2026-11-24T06:30:00Z"),
    (["--from", "2025-11-24"], "expected a time such as"), (["--to", "2025-13-24T06:30:00Z"], "month must be in 1..12"),
    (["--family", "frame", "--pack", "north"], "belongs to a bus or a device"),
    (["--family", "event", "--quantity", "soc"], "selects samples"),
    (["--out", "/no/such/folder/out.csv"], "/no/such/folder/out.csv")])
def test_mistakes_are_named(export, arguments, sentence):
    """A mistake in the options is named with what was expected, and ends with status 2."""
    result = export(*arguments)
    assert result.exit_code == 2
    assert sentence in result.output


@pytest.mark.parametrize("text, time_ns", [
    ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.000000001Z", 1), ("1970-01-01t01:00:00.5+01:00", 500_000_000),
    ("2026-11-24T06:30:00.123456789Z", 1_795_501_800_123_456_789), ("-90s", 910 * S), ("-2m", 880 * S)])
def test_times(text, time_ns):
    """Times are read to the nanosecond, with a zone, or as a span before now."""
    assert parse_time(text, 1000 * S) == time_ns


def test_memory_stays_flat(tmp_path):
    """An export holds blocks, not the journal: five times the records take no more memory."""
    small, large = tmp_path / "small", tmp_path / "large"
    for folder, count in ((small, 8192), (large, 40_960)):
        writer = JournalWriter(folder, A, now_ns=lambda: 0)
        writer.fix_wall(OFFSET_NS, "network")
        for number in range(count):
            writer.sample(Series("current_a", "north", None), number, number / 1000)
        writer.close()
    assert peak_bytes(large) < 1.5 * peak_bytes(small)


def peak_bytes(folder) -> int:
    tracemalloc.start()
    try:
        assert CliRunner().invoke(export_command, [str(folder), "--out", f"{folder}.csv"]).exit_code == 0
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
