"""When something that is opened again and again counts as open."""

from __future__ import annotations

from twolbms.health.openness import BELIEVED_NS, Openness

NS = 10**9


def test_the_first_time_is_told_at_once() -> None:
    """What was never down is open as soon as it says so, and down at once."""
    openness = Openness()
    assert openness.changed(True, 0, 0) and openness.told is True
    assert openness.changed(False, 5, NS) and openness.told is False
    assert not openness.changed(False, 5, 2 * NS)


def test_what_was_down_is_believed_when_it_gives_something_or_stays() -> None:
    """Opening alone says nothing after a failure: an adapter may open and fail for ever."""
    openness = Openness()
    openness.changed(False, 5, 0)
    for second in range(1, 100, 2):
        assert not openness.changed(True, 5, second * NS) and not openness.look(5, (second + 1) * NS)
        assert not openness.changed(False, 5, (second + 1) * NS)
    assert not openness.changed(True, 5, 200 * NS)
    assert openness.look(6, 200 * NS) and openness.told is True
    assert openness.changed(False, 6, 300 * NS)
    openness.changed(True, 6, 400 * NS)
    assert not openness.look(6, 400 * NS + BELIEVED_NS) and openness.look(6, 400 * NS + BELIEVED_NS + 1)
