"""The file that remembers how far an outlet has come."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twolbms.journal.records import Cursor
from twolbms.outlets.cursor_file import CursorFile
from twolbms.outlets.ledger import Standing
from twolbms.outlets.ranges import Ranges, Stretch

SAMPLE = Standing(Cursor("sample", 3, 4096), Ranges([
    Stretch(None, Cursor("sample", 1, 96)), Stretch(Cursor("sample", 2, 0), Cursor("sample", 2, 77))]))
STANDINGS = {"sample": SAMPLE, "event": Standing(Cursor("event", 0, 0), Ranges()),
             "frame": Standing(None, Ranges([Stretch(None, Cursor("frame", 9, 9))]))}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """Live places and what is owed survive, in a folder made on the way, and nothing else is left beside the file."""
    path = tmp_path / "run" / "influx.cursor"
    CursorFile(path).save({"sample": Standing(Cursor("sample", 1, 1), Ranges())})
    CursorFile(path).save(STANDINGS)
    assert CursorFile(path).load() == STANDINGS
    assert [file.name for file in path.parent.iterdir()] == ["influx.cursor"]
    title, *lines = path.read_text().splitlines()
    assert title.startswith("2lbms cursors 2 ")
    assert lines == ["live sample:3:4096", "owed sample:- 1:96", "owed sample:2:0 2:77", "live event:0:0",
                     "owed frame:- 9:9"]


def test_no_file_means_from_the_beginning(tmp_path: Path) -> None:
    """A new outlet has no cursor."""
    assert CursorFile(tmp_path / "none").load() == {}


def test_the_file_of_version_1_is_read(tmp_path: Path) -> None:
    """What version 0.1 of the gateway left behind goes on where it was."""
    path = tmp_path / "cursor"
    path.write_text("sample:3:4096\nevent:0:0\n")
    assert CursorFile(path).load() == {"sample": Standing(Cursor("sample", 3, 4096)),
                                       "event": Standing(Cursor("event", 0, 0))}


@pytest.mark.parametrize(
    "line", ["", "sample", "sample:x:1", "sample:1", "sample:1:2:3", "nobody:1:2", "\x00\x00", "sample:-1:2"]
)
def test_a_damaged_line_of_version_1_costs_only_its_family(tmp_path: Path, line: str) -> None:
    """A line that is no cursor means that family from its beginning; the other keeps its place."""
    path = tmp_path / "cursor"
    path.write_text(f"{line}\nevent:0:0\n")
    assert CursorFile(path).load() == {"event": Standing(Cursor("event", 0, 0))}


@given(st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_damage_never_claims_more(tmp_path: Path, data: st.DataObject) -> None:
    """A file with any bytes changed, cut off or added is read whole or not at all: nothing is skipped by damage."""
    path = tmp_path / "cursor"
    CursorFile(path).save(STANDINGS)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        how = data.draw(st.sampled_from(["change", "cut", "insert"]))
        if how == "change":
            raw[at] ^= data.draw(st.integers(1, 255))
        elif how == "cut":
            del raw[at:at + data.draw(st.integers(1, 60))]
        else:
            raw[at:at] = data.draw(st.binary(min_size=1, max_size=5))
        raw = raw or bytearray(b"x")
    path.write_bytes(raw)
    assert CursorFile(path).load() in ({}, STANDINGS)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A file overwritten with anything at all is read as no cursor."""
    path = tmp_path / "cursor"
    path.write_bytes(bytes(range(256)))
    assert CursorFile(path).load() == {}


def test_a_full_disk_is_the_callers_to_tell(tmp_path: Path) -> None:
    """Saving where nothing can be written raises OSError and leaves the old file whole."""
    path = tmp_path / "cursor"
    CursorFile(path).save(STANDINGS)
    (tmp_path / "cursor.new").mkdir()
    with pytest.raises(OSError):
        CursorFile(path).save({})
    assert CursorFile(path).load() == STANDINGS
