"""Events are read back from the journal on disk, each once."""

from __future__ import annotations

from pathlib import Path

from twolbms.demo.journal_tail import JournalTail
from twolbms.journal import JournalWriter

BOOT = "0" * 32


def test_each_event_once(tmp_path: Path) -> None:
    """Each look gives what was written since the last, with wall times; before there is a journal, nothing."""
    tail = JournalTail(tmp_path / "journal")
    assert list(tail.fresh()) == []
    writer = JournalWriter(tmp_path / "journal", BOOT, now_ns=lambda: 7)
    writer.fix_wall(1000, "demo")
    for number in range(3):
        writer.event(number, f"kind {number}", "house", {})
        assert writer.flush(10.0)
        assert [(event.time_ns, event.kind) for event in tail.fresh()] == [(1000 + number, f"kind {number}")]
    assert list(tail.fresh()) == []
    writer.close()


def test_times_that_are_not_known_yet_wait(tmp_path: Path) -> None:
    """Events of a boot without wall time are given when it is fixed, none of them lost."""
    tail = JournalTail(tmp_path)
    writer = JournalWriter(tmp_path, BOOT, now_ns=lambda: 7)
    writer.event(1, "early", "house", {})
    assert writer.flush(10.0)
    assert list(tail.fresh()) == []
    writer.fix_wall(1000, "demo")
    assert writer.flush(10.0)
    assert [(event.time_ns, event.kind) for event in tail.fresh()] == [(1001, "early")]
    writer.close()
