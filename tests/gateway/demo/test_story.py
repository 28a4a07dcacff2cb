"""Which events make which lines of the story true."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from twolbms.demo.story import LINES, Story, event_text
from twolbms.journal.records import Event

T = 1_795_521_600 * 10**9  # 2026-11-24 12:00:00 UTC


def event(kind: str, pack: str = "garage", at_s: int = 0, **data: Any) -> Event:
    """An event with a sentence of its own."""
    return Event(T + at_s * 10**9, kind, pack, {"text": f"text of {kind}", **data})


HIGH = {"limit": "cell_over_voltage", "cell": 9}
COLD = {"limit": "charge_under_temperature", "tier": "trip"}
STORY = [
    event("node_heard", "house", silent_s=None, state="boot"), event("node_heard", silent_s=None, state="boot"),
    event("closed", "house", path="both", by="node"), event("fault", "house", **COLD, value=-1.2),
    event("heater", "house", on=True), event("closed", path="both", by="demo"),
    event("fault", **HIGH, tier="limit"), event("fault", **HIGH, tier="trip"),
    event("allowance", direction="charge", current_a=0.0, limited_by="cell_over_voltage"),
    event("opened", path="both", reason="cell_over_voltage", cell=9),
    event("answer", what="clear", accepted=False, answer="hold_running"), event("latch_cleared", **HIGH),
    event("closed", path="both", by="demo"), event("fault_gone", "house", **COLD),
    event("closed", "house", path="charge", by="node"), event("gap", "", from_ns=T, to_ns=T + 10**10, reason="killed"),
    event("node_heard", "house", silent_s=None, state="closed"), event("node_heard", silent_s=None, state="closed"),
]


def told(events: list[Event]) -> list[str]:
    """The lines that these events make true."""
    story = Story()
    return [line.line.key for each in events if (line := story.hear(each)) is not None]


def test_the_whole_story_is_told() -> None:
    """When everything happens in its order every line is told, each once."""
    story = Story()
    for each in STORY + STORY:
        story.hear(each)
    assert story.complete and len(story.told) == len(LINES)


@pytest.mark.parametrize("left_out", range(len(STORY)), ids=lambda at: STORY[at].kind + str(at))
def test_what_does_not_happen_is_not_told(left_out: int) -> None:
    """Each event that is missing leaves at least one line untold."""
    assert len(told(STORY[:left_out] + STORY[left_out + 1:])) < len(LINES)


def test_order_counts() -> None:
    """The first closing of the garage is not taken for the one after its recovery."""
    assert "garage_again" not in told(STORY[:12])
    assert told([STORY[5]]) == ["garage_closed"]


@pytest.mark.parametrize(("kind", "data"), [
    ("opened", {"path": "both", "reason": "charge_while_blocked"}),
    ("opened", {"path": "both", "reason": "cell_over_voltage", "cell": 3}),
    ("answer", {"what": "clear", "accepted": True, "answer": "accepted"}),
])
def test_something_else_is_not_taken_for_it(kind: str, data: dict[str, Any]) -> None:
    """An event of the right kind with another cause, cell or answer tells nothing."""
    assert told([*STORY[:9], event(kind, **data)]) == told(STORY[:9])


def test_the_table_is_in_order() -> None:
    """A line waits only for lines that stand before it, so that all of them can be told."""
    keys = [line.key for line in LINES]
    assert len(set(keys)) == len(keys)
    assert all(keys.index(before) < keys.index(line.key) for line in LINES for before in line.after)


def test_a_line_quotes_its_event() -> None:
    """What is printed has the event's wall time, the story's words, the pack and the event's own text."""
    line = Story().hear(STORY[5])
    assert line is not None and line.as_text(UTC) == (
        "12:00:00  A person asks the garage to close, and it begins to charge.\n          garage: text of closed")
    assert line.as_dict() == {"line": "garage_closed", "time_ns": T, "pack": "garage", "kind": "closed",
                              "lead": line.line.lead, "text": "text of closed"}


def test_a_gap_is_put_into_words() -> None:
    """A gap has no text of its own: its length and reason are told, and what is not known is left out."""
    assert event_text(Event(T, "gap", "", {"from_ns": T, "to_ns": T + 39_300_000_000, "reason": "why"})) == \
        "nothing recorded for 39.3 s: why"
    assert event_text(Event(T, "gap", "", {"from_ns": None, "to_ns": T, "reason": "why"})) == "gap: why"
