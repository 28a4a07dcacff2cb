"""Stretches of a journal as a set, against Python's own sets of places."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from twolbms.journal.records import Cursor
from twolbms.outlets.ledger import Ledger, Standing
from twolbms.outlets.ranges import MOST, Ranges, Stretch, place

WIDE = 60


def at(number: int) -> Cursor | None:
    """The place of a number: ten offsets a segment; 0 is the oldest block."""
    return None if number == 0 else Cursor("sample", *divmod(number, 10))


def stretch(start: int, end: int) -> Stretch:
    """From one number to another."""
    behind = at(end) or Cursor("sample", 0, 0)
    return Stretch(at(start), behind)


def places(ranges: Ranges) -> set[int]:
    """The numbers that a set holds."""
    return {number for number in range(WIDE) for one in ranges if one.begin <= place(at(number)) < place(one.end)}


PIECE = st.tuples(st.integers(0, WIDE - 1), st.integers(0, WIDE - 1)).filter(lambda piece: piece[0] < piece[1])
STEPS = st.lists(st.tuples(st.booleans(), PIECE), max_size=30)


@given(STEPS)
def test_as_sets_do(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    """Whatever is added and taken away, what should be there is there; more is only a gap between two stretches."""
    ranges, model = Ranges(), set[int]()
    for adds, (start, end) in steps:
        before = places(ranges)
        piece = set(range(start, end))
        ranges = ranges.plus([stretch(start, end)]) if adds else ranges.minus(stretch(start, end))
        model = model | piece if adds else model - piece
        assert places(ranges) >= model and len([*ranges]) <= MOST
        if len([*ranges]) < MOST:
            assert places(ranges) == (before | piece if adds else before - piece)
        stretches = [*ranges]
        assert all(place(one.end) < two.begin for one, two in pairwise(stretches))


@given(PIECE)
def test_text_form(piece: tuple[int, int]) -> None:
    """A stretch is read back from its text."""
    assert Stretch.parse(str(stretch(*piece))) == stretch(*piece)


def test_an_end_before_the_live_place() -> None:
    """In the same segment a power cut took it, and that segment is owed; in a lower one the journal is another."""
    live, before = Cursor("sample", 3, 500), Stretch(Cursor("sample", 1, 0), Cursor("sample", 2, 40))
    ledger = Ledger({"sample": Standing(live, Ranges([before, Stretch(Cursor("sample", 3, 100), live)]))})
    ledger.leap("sample", Cursor("sample", 3, 400))
    assert ledger.live("sample") == Cursor("sample", 3, 400)
    assert [*ledger.standings()["sample"].owed] == [before, Stretch(Cursor("sample", 3, 0), Cursor("sample", 3, 400))]
    ledger.leap("sample", Cursor("sample", 2, 700))
    assert [*ledger.standings()["sample"].owed] == [Stretch(None, Cursor("sample", 2, 700))]
