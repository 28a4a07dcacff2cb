"""What people are told of an outlet with several lanes: the worst state, the sums, the first trouble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twolbms.outlets.influx_delivery import Progress

_WORST_FIRST = ("stopped", "refused", "waiting", "ok")


def combined(lanes: Sequence[Progress]) -> dict[str, Any]:
    """One state out of those of the live lane, the backlog's and, where there is one, the minute values'."""
    worst = min(lanes, key=lambda lane: _WORST_FIRST.index(lane.state))
    error = worst.error if worst.error or worst.state == "stopped" else next((one.error for one in lanes if one.error),
                                                                            None)
    if error and len(lanes) > 2 and worst is lanes[2]:
        error = f"minute values: {error}"
    return {"state": worst.state, "lines": sum(lane.lines for lane in lanes),
            "refused": sum(lane.refused for lane in lanes), "error": error}
