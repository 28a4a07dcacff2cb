"""`why` without a gateway: the newest events of the journal, and how old they are."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from twolbms.journal.records import Event
from twolbms.outlets.why_journal import last_words

NOON_NS = 1_795_521_600 * 10**9  # 2026-11-24 12:00:00 UTC


def event(at_s: int, kind: str, text: str = "", pack: str = "garage", **data: Any) -> Event:
    """An event so many seconds after noon."""
    return Event(NOON_NS + at_s * 10**9, kind, pack, {"text": text or kind, **data})


def words(*events: Event, pack: str | None = None) -> list[str]:
    """What is said a minute and a half after noon."""
    return [sentence.text for sentence in last_words(events, pack, NOON_NS + 90 * 10**9, UTC)]


def test_what_was_last_with_its_age() -> None:
    """The newest events are told with their times, and first that how it stands now is unknown."""
    assert words(event(0, "closed", "closed: asked by anna"), event(30, "latched", "it is latched")) == [
        "Garage: how it stands now is unknown; the last that was recorded is 60 s old: 2026-11-24 12:00:00 closed: "
        "asked by anna; 2026-11-24 12:00:30 it is latched."]


def test_what_is_over_is_not_told() -> None:
    """A latch that was cleared, a fault that went, a silence that ended and an older closing are left out."""
    text, = words(event(0, "closed", "old closing", path="both"), event(1, "opened", "newest opening", path="both"),
                  event(2, "latched", limit="interlock"), event(3, "latch_cleared", limit="interlock"),
                  event(4, "fault", limit="interlock"), event(5, "fault_gone", limit="interlock"),
                  event(6, "node_silent"), event(7, "node_heard"))
    assert text.endswith(": 2026-11-24 12:00:01 newest opening.")


def test_another_limit_does_not_undo_it() -> None:
    """The clearing of one limit leaves the latch of another standing."""
    text, = words(event(2, "latched", "still latched", limit="interlock"),
                  event(3, "latch_cleared", limit="path_feedback"))
    assert "still latched" in text


def test_each_pack_or_one() -> None:
    """Every pack gets its sentence, or only the one that was asked for."""
    events = (event(0, "closed"), event(1, "closed", pack="house"), event(2, "gap", pack=""))
    assert [text.split(":")[0] for text in words(*events)] == ["Garage", "House"]
    assert [text.split(":")[0] for text in words(*events, pack="house")] == ["House"]


def test_nothing_recorded() -> None:
    """An empty journal is said to be empty."""
    assert words() == ["The journal holds no event of a pack."]
    assert words(event(0, "closed"), pack="shed") == ["The journal holds no event of shed."]
