"""How an update ends, whichever way it went to the node. Knows no port and no bus."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

TRIAL_S = 60.0  # a healthy minute, firmware/src/store/trial.py
WAIT_S = TRIAL_S + 60.0  # and what starting, a second start and the node's own reporting take


class FlashError(Exception):
    """The update did not begin, or broke off; the node goes on with the version it has. The text says why."""


class Outcome(Enum):
    """What the node did with the new version."""

    KEPT = "kept: the new version has proved itself"
    ROLLED_BACK = "rolled back: the new version did not prove itself, the node is on the old one again"
    WAITS = ("waits for arming: the limits are other ones. Hold the arming input and reset the node; "
             "until then it is on the old version")
    UNDECIDED = "on trial still: ask again later"


class SlotState(NamedTuple):
    """What a node tells: the slot that runs (0 a, 1 b), its trial (0 kept, 1 on trial, 2 another waits), failures."""

    slot: int
    trial: int
    failed: int


def verdict(before: SlotState, now: SlotState | None) -> Outcome | None:
    """What `now` says of an update that began at `before`; None while nothing can be said."""
    if now is None or now.trial == 1:
        return None
    if now.slot != before.slot:
        return Outcome.KEPT if now.trial == 0 else None
    if now.trial == 2:
        return Outcome.WAITS
    return Outcome.ROLLED_BACK if now.failed > before.failed else None
