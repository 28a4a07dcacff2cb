"""The journal's health, on journals that are really damaged, and of the future."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.doctor.conftest import SITE, Sketched
from twolbms.doctor.journal_health import check_journal, newest_wall_ns, span
from twolbms.journal import JournalWriter, Series

BOOT = "ab" * 16
WALL_NS = 1_790_000_000 * 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of 300 samples and an event, whose newest record is 299 ns after WALL_NS."""
    path = tmp_path / "run" / "journal"
    path.mkdir(parents=True)
    writer = JournalWriter(path, BOOT, now_ns=lambda: 0)
    writer.fix_wall(WALL_NS, "network")
    for number in range(300):
        writer.sample(Series("current_a", "bank", None), number, float(number))
    writer.event(7, "opened", "bank", {"text": "opened"})
    assert writer.flush(10)
    writer.close()
    return path


def test_a_whole_journal(folder: Path, sketched: Sketched) -> None:
    """Size and segments; looking changes nothing."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    (finding,) = check_journal(sketched(SITE), WALL_NS + 10**9)
    assert finding.id == "journal.good" and "in 2 segments" in finding.sentence
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_no_journal_yet(sketched: Sketched) -> None:
    """A site that never ran has none, which is fine."""
    assert [finding.id for finding in check_journal(sketched(SITE))] == ["journal.none"]


def test_a_damaged_journal(folder: Path, sketched: Sketched) -> None:
    """A flipped byte is told with file and place, and how to look at the whole."""
    path = folder / "sample" / "00000001.seg"
    raw = bytearray(path.read_bytes())
    raw[80] ^= 0xFF
    path.write_bytes(raw)
    (finding,) = check_journal(sketched(SITE), WALL_NS + 10**9)
    assert finding.id == "journal.damaged" and finding.sentence.startswith("sample/00000001.seg from byte 0")
    assert f"2lbms journal check {folder}" in finding.do


def test_a_missing_segment(folder: Path, sketched: Sketched) -> None:
    """A number that is missing between two is told."""
    (folder / "sample" / "00000003.seg").write_bytes((folder / "sample" / "00000001.seg").read_bytes())
    assert "segments 2 to 2 are missing" in next(iter(check_journal(sketched(SITE), WALL_NS))).sentence


def test_a_clock_that_was_set_back(folder: Path, sketched: Sketched) -> None:
    """Records of the future mean that the clock has been set back since."""
    assert newest_wall_ns(folder) == WALL_NS + 299
    (finding,) = check_journal(sketched(SITE), WALL_NS - 3 * 3600 * 10**9)
    assert finding.id == "journal.ahead" and "3 hours in the future" in finding.sentence


def test_no_folder_but_a_file(sketched: Sketched, tmp_path: Path) -> None:
    """What stands under a family's name and is no folder is told."""
    folder = tmp_path / "run" / "journal"
    folder.mkdir(parents=True)
    (folder / "event").write_text("")
    assert [finding.sentence for finding in check_journal(sketched(SITE))] == ["event is not a folder"]


def test_spans_in_words() -> None:
    """Roughly, as people say it."""
    assert [span(seconds) for seconds in (0.4, 30, 180, 7200, 10 * 86400)] == [
        "0.4 s", "30 s", "3 minutes", "2 hours", "10 days"]
