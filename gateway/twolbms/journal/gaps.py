"""The events by which the journal tells of its own holes: "gap" (nobody wrote) and "lost" (records had no room).

Both carry `from_ns` and `to_ns` on the monotonic clock of their boot when written. A gap over a boot change names both
boots, because each end is on a clock of its own. Read back, both ends are on the clock of the record's own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twolbms.journal.intake import Loss
from twolbms.journal.lock import Ending
from twolbms.journal.records import Event, Wall
from twolbms.journal.segment_writer import Newest

GAP = "gap"
LOST = "lost"
DROPPED = "dropped"

_REASONS = {  # (same boot, closed in good order)
    (True, True): "the gateway was stopped",
    (True, False): "the gateway ended without closing its journal",
    (False, True): "the gateway was stopped and the machine restarted",
    (False, False): "the machine restarted or lost power",
}


def gap_event(newest: Iterable[Newest], boot_id: str, ending: Ending, now_ns: int) -> Event | None:
    """The hole between the last record on disk and now; None when there is no record.

    `newest` is the last segment of each family; they may be of different boots, and no clock orders boots for certain:
    the boot of the last writer counts, else the file changed last.
    """
    spans = [found.span for found in sorted(newest, reverse=True)]
    if not spans:
        return None
    last_boot = next((span.boot_id for span in spans if span.boot_id == ending.boot_id), spans[0].boot_id)
    from_ns = max(span.last_ns for span in spans if span.boot_id == last_boot)
    reason = _REASONS[last_boot == boot_id, ending.closed]
    if last_boot == boot_id:
        return Event(now_ns, GAP, "", {"from_ns": from_ns, "to_ns": max(from_ns, now_ns), "reason": reason})
    return Event(now_ns, GAP, "", {"from_ns": from_ns, "from_boot": last_boot,
                                   "to_ns": now_ns, "to_boot": boot_id, "reason": reason})


def lost_event(losses: Mapping[str, Loss], reason: str, now_ns: int) -> Event:
    """How many records of which family were lost, in which range of times, and why."""
    total = list(losses.values())
    data: dict[str, Any] = {"count": sum(loss.records for loss in total)}
    data |= {family: loss.records for family, loss in losses.items()}
    data |= {"from_ns": min(loss.from_ns for loss in total), "to_ns": max(loss.to_ns for loss in total)}
    return Event(now_ns, LOST, "", data | {"reason": reason})


def dropped_event(family: str, records: int, reason: str, now_ns: int) -> Event:
    """How many of the oldest raw records were unlinked before their time, to make room on a full disk."""
    return Event(now_ns, DROPPED, "", {"count": records, "family": family, "reason": reason})


def on_wall_clock(event: Event, boot_id: str, walls: Mapping[str, Wall]) -> Event:
    """A gap or lost event of `boot_id` with both ends on the clock that its own time is read in: wall time if known.

    An end that cannot be placed on it, because its boot's wall time is not known, is None.
    """
    data = event.data
    if event.kind not in (GAP, LOST) or not {"from_ns", "to_ns"} <= data.keys():
        return event
    wall, from_boot = walls.get(boot_id), data.get("from_boot", boot_id)
    from_wall = walls.get(from_boot)
    to_shift_ns = wall.offset_ns if wall else 0
    if from_boot == boot_id:
        from_ns = data["from_ns"] + to_shift_ns
    else:  # two monotonic clocks meet only in wall time
        from_ns = data["from_ns"] + from_wall.offset_ns if wall and from_wall else None
    return event._replace(data=data | {"from_ns": from_ns, "to_ns": data["to_ns"] + to_shift_ns})
