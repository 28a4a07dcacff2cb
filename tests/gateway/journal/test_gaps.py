from __future__ import annotations

import pytest

from twolbms.journal import Event, Wall
from twolbms.journal.gaps import gap_event, lost_event, on_wall_clock
from twolbms.journal.intake import Loss
from twolbms.journal.lock import Ending
from twolbms.journal.segment_writer import Newest
from twolbms.journal.segments import Span

A, B, C = "aa" * 16, "bb" * 16, "cc" * 16


def newest(boot_id: str, last_ns: int, changed_ns: int = 0) -> Newest:
    return Newest(changed_ns, Span(boot_id, 1, 0, last_ns))


def test_no_records_no_gap():
    """A new journal begins without a gap."""
    assert gap_event([], A, Ending(False, None), 100) is None


@pytest.mark.parametrize("closed, reason", [
    (True, "the gateway was stopped"), (False, "the gateway ended without closing its journal")])
def test_gap_within_a_boot(closed, reason):
    """In the same boot the gap runs from the last record of any family to now, on one clock."""
    event = gap_event([newest(A, 50), newest(A, 70)], A, Ending(closed, A), 100)
    assert event == Event(100, "gap", "", {"from_ns": 70, "to_ns": 100, "reason": reason})


@pytest.mark.parametrize("closed, reason", [
    (True, "the gateway was stopped and the machine restarted"), (False, "the machine restarted or lost power")])
def test_gap_over_a_boot_change(closed, reason):
    """Over a boot change the gap names both boots, because each end is on its own clock."""
    event = gap_event([newest(A, 9000)], B, Ending(closed, A), 100)
    assert event == Event(100, "gap", "", {
        "from_ns": 9000, "from_boot": A, "to_ns": 100, "to_boot": B, "reason": reason})


def test_last_boot_is_that_of_the_last_writer():
    """A family that has been quiet for a boot does not make the gap begin in that older boot."""
    for changed_ns, ending in ((2, Ending(False, None)), (2, Ending(False, C)), (2, Ending(False, B)),
                               (0, Ending(False, B))):
        event = gap_event([newest(A, 9000, changed_ns=1), newest(B, 50, changed_ns)], C, ending, 100)
        assert event is not None
        assert (event.data["from_boot"], event.data["from_ns"]) == (B, 50)


def test_lost_event_counts_by_family():
    """A lost event says how many records of which family, from when to when, and why."""
    event = lost_event({"sample": Loss(3, 10, 30), "frame": Loss(5, 20, 40)}, "No space left on device", 50)
    assert event == Event(50, "lost", "", {"count": 8, "sample": 3, "frame": 5, "from_ns": 10, "to_ns": 40,
                                           "reason": "No space left on device"})


WITHIN = Event(100, "gap", "", {"from_ns": 70, "to_ns": 100, "reason": "x"})
ACROSS = Event(100, "gap", "", {"from_ns": 9000, "from_boot": A, "to_ns": 100, "to_boot": B, "reason": "x"})


@pytest.mark.parametrize("event, walls, ends", [
    (WITHIN, {}, (70, 100)),
    (WITHIN, {B: Wall(5000, "rtc")}, (5070, 5100)),
    (ACROSS, {}, (None, 100)),
    (ACROSS, {A: Wall(1000, "rtc")}, (None, 100)),
    (ACROSS, {B: Wall(50_000, "rtc")}, (None, 50_100)),
    (ACROSS, {A: Wall(1000, "rtc"), B: Wall(50_000, "rtc")}, (10_000, 50_100)),
])
def test_ends_on_the_wall_clock(event, walls, ends):
    """Read back, both ends are on the clock of the record's own time; an end that cannot be placed on it is None."""
    placed = on_wall_clock(event, B, walls)
    assert (placed.data["from_ns"], placed.data["to_ns"]) == ends


def test_other_events_are_left_alone():
    """An event of another kind keeps its data whatever it is called."""
    event = Event(1, "trip", "A", {"from_ns": 1, "to_ns": 2})
    assert on_wall_clock(event, B, {B: Wall(5000, "rtc")}) == event
