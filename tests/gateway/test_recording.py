"""What is journalled when: period, step, change, unknown."""

from __future__ import annotations

import pytest

from twolbms.recording import Recording
from voices.listening import Kept

NS = 1_000_000_000


def times(quantity: str, offers: list[tuple[float, float | None]]) -> list[float]:
    """The seconds at which the offered (second, value) were recorded."""
    kept = Kept()
    track = Recording(kept).track(quantity, "north")
    for second, value in offers:
        track.offer(value, round(second * NS))
    return [sample.time_ns / NS for sample in kept.samples]


# current_a: every 1 s, step 1 A.  state_code: every 60 s, any change.  soc: every 10 s, no step.
CASES = {
    "each period": ("current_a", [(n / 10, 5.0) for n in range(31)], [0, 1, 2, 3]),
    "the period does not drift": ("current_a", [(n * 0.3, 5.0) for n in range(12)], [0, 1.2, 2.1, 3.0]),
    "a step at once": ("current_a", [(0, 5.0), (0.2, 6.01), (0.5, 6.5)], [0, 0.2]),
    "a small change waits": ("current_a", [(0, 5.0), (0.2, 6.0)], [0]),
    "at most ten steps a second": ("current_a", [(n / 50, n * 10.0) for n in range(11)], [0, 0.1, 0.2]),
    "any change of a code": ("state_code", [(0, 1), (0.2, 1), (0.4, 3), (59, 3), (61, 3)], [0, 0.4, 61]),
    "no step in the row": ("soc", [(0, 0.1), (1, 0.9), (10, 0.9)], [0, 10]),
    "unknown is a gap": ("current_a", [(0, 5.0), (0.1, None), (0.2, None), (0.3, 5.0)], [0, 0.3]),
    "nothing but unknown": ("current_a", [(0, None)], []),
}


@pytest.mark.parametrize(("quantity", "offers", "recorded"), CASES.values(), ids=CASES.keys())
def test_when_a_value_is_recorded(quantity: str, offers: list[tuple[float, float | None]],
                                  recorded: list[float]) -> None:
    """A value is recorded at its row's period and, larger than its step, at once."""
    assert times(quantity, offers) == recorded


def test_frames_are_kept_only_where_the_site_wants_them() -> None:
    """Raw frames are the site's choice; events are not."""
    for keep in (True, False):
        kept = Kept()
        recording = Recording(kept, keep_frames=keep)
        recording.frames([(0, "can0", 1, True, b"")])
        recording.event(0, "state", "north", "state open to closed", {"to": "closed"})
        assert len(kept.frame_rows) == int(keep)
        assert kept.events[0].data == {"to": "closed", "text": "state open to closed"}
