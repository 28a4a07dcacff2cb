"""What the gateway said in a recording: its own frames where they were recorded, else what the node's answers tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twolbms.scenario.guessed import Guesses, merged
from twolbms.scenario.told import Cycle, Told

Change = dict[str, Any]
_LOOK_AHEAD = 120  # cycles in which an allowance has risen to what was asked
_SOON = 3  # cycles after which the bench's next heartbeat is due
_MOST_FRAMES, _MOST_TIMES = 8, 5


def gateway_changes(told: Told, cycles: Sequence[Cycle], guesses: Guesses) -> dict[int, Change]:
    """What to set in which cycle."""
    if told.gateway_heard:
        return merged({0: {"gateway": "silent"}}, _frames(cycles))
    return merged(_silences(guesses), _answered(cycles, guesses), _balancing(cycles))


def _frames(cycles: Sequence[Cycle]) -> dict[int, Change]:
    found: dict[int, Change] = {}
    for at, cycle in enumerate(cycles):
        frames = [{"id": can_id, "data": data.hex(" ").upper()} for can_id, data in cycle.sent if len(data) == 8]
        if frames:
            found[at] = {"frame": frames[0] if len(frames) == 1 else frames[-_MOST_FRAMES:]}
    return found


def _silences(guesses: Guesses) -> dict[int, Change]:
    """Silent between the last heartbeat and the next, both to the cycle."""
    found: dict[int, Change] = {}
    for span in guesses.spans("gateway_silent"):
        if span.tier != "warn":
            continue
        last = span.first - guesses.age_cycles("gateway_silent", "warn") - 1
        if last > 0:
            found[max(0, last - _SOON)] = {"gateway": "silent"}
            found[last] = {"gateway": "alive"}
        found[max(0, last + 1)] = {"gateway": "silent"}
        found[span.end] = {"gateway": "alive"}
    return found


def _balancing(cycles: Sequence[Cycle]) -> dict[int, Change]:
    bled = any(cycle.value("PackState", "Balancing") == "on" for cycle in cycles)
    return {0: {"balancing_allowed": True}} if bled else {}


def _answered(cycles: Sequence[Cycle], guesses: Guesses) -> dict[int, Change]:
    """A request for each answer; of several kinds in one cycle the last."""
    found: dict[int, Change] = {}
    for at, cycle in enumerate(cycles):
        if cycle.answers:
            ask = cycle.answers[-1]["AnsweredRequest"]
            same = [answer for answer in cycle.answers if answer["AnsweredRequest"] == ask]
            found[at] = {"request": {"ask": ask, "times": min(len(same), _MOST_TIMES),
                                     **dict(_details(ask, same[-1], cycles, at, guesses))}}
    return found


def _details(ask: str, answer: Change, cycles: Sequence[Cycle], at: int, guesses: Guesses) -> Iterator[tuple[str, Any]]:
    if ask == "allowance":
        for way, signal in (("charge_a", "Charge"), ("discharge_a", "Discharge")):
            values = [cycle.value("PackAllowance", f"{signal}CurrentAllowed") for cycle in _until_next(cycles, at)
                      if cycle.value("PackAllowance", f"{signal}LimitedBy") == "gateway_request"]
            if known := [value for value in values if value is not None]:
                yield way, max(known)
    elif ask == "balancing":
        yield "balancing", "on"
    elif ask == "clear" and (limit := _cleared(answer, guesses, at)):
        yield "limit", limit


def _until_next(cycles: Sequence[Cycle], at: int) -> Iterator[Cycle]:
    """From cycle `at` to the next allowance that was asked for."""
    for later in range(at, min(len(cycles), at + _LOOK_AHEAD)):
        if later > at and any(answer["AnsweredRequest"] == "allowance" for answer in cycles[later].answers):
            return
        yield cycles[later]


def _cleared(answer: Change, guesses: Guesses, at: int) -> str | None:
    """The one limit that was meant: it stood in the way, or it alone was cleared while others stayed."""
    if answer["AnswerLimit"] not in (None, "nothing"):
        return str(answer["AnswerLimit"])
    latched = guesses.pages["latched"]
    gone = latched[at - 1] - latched[at] if at else frozenset()
    return next(iter(gone)) if len(gone) == 1 and latched[at] else None
