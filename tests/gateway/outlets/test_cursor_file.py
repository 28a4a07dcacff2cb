"""The file that remembers how far an outlet has come."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.journal.records import Cursor
from twolbms.outlets.cursor_file import CursorFile

CURSORS = {"sample": Cursor("sample", 3, 4096), "event": Cursor("event", 0, 0)}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """Cursors survive, in a folder made on the way, and nothing else is left beside the file."""
    path = tmp_path / "run" / "influx.cursor"
    CursorFile(path).save({"sample": Cursor("sample", 1, 1)})
    CursorFile(path).save(CURSORS)
    assert CursorFile(path).load() == CURSORS
    assert [file.name for file in path.parent.iterdir()] == ["influx.cursor"]
    assert path.read_text() == "sample:3:4096\nevent:0:0\n"


def test_no_file_means_from_the_beginning(tmp_path: Path) -> None:
    """A new outlet has no cursor."""
    assert CursorFile(tmp_path / "none").load() == {}


@pytest.mark.parametrize(
    "line", ["", "sample", "sample:x:1", "sample:1", "sample:1:2:3", "nobody:1:2", "\x00\x00", "sample:-1:2"]
)
def test_a_damaged_line_costs_only_its_family(tmp_path: Path, line: str) -> None:
    """A line that is no cursor means that family from its beginning; the other keeps its place."""
    path = tmp_path / "cursor"
    path.write_text(f"{line}\nevent:0:0\n")
    assert CursorFile(path).load() == {"event": Cursor("event", 0, 0)}


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A file overwritten with anything at all is read as no cursor."""
    path = tmp_path / "cursor"
    path.write_bytes(bytes(range(256)))
    assert CursorFile(path).load() == {}


def test_a_full_disk_is_the_callers_to_tell(tmp_path: Path) -> None:
    """Saving where nothing can be written raises OSError and leaves the old file whole."""
    path = tmp_path / "cursor"
    CursorFile(path).save(CURSORS)
    (tmp_path / "cursor.new").mkdir()
    with pytest.raises(OSError):
        CursorFile(path).save({})
    assert CursorFile(path).load() == CURSORS
