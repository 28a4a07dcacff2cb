"""What a scenario names must exist: limits, words and signals of the contract, cells and sensors of its pack.

Knows the scenario's model and the contract; runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from twolbms.build.codec import NA_TEXT, snake
from twolbms.config.errors import Loc, did_you_mean, shown
from twolbms.config.pack import GuardedPack
from twolbms.diagnoses import DIAGNOSES
from twolbms.scenario.bench import node_database
from twolbms.scenario.model import Expect, Scenario, Set

TIERS = ("warn", "limit", "trip", "latched")
# Expected words: the way to the key, and the signal that spells what may stand there.
_WORDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("open_reason",), "PackState", "OpenReason"),
    (("allowance", "charge_by"), "PackAllowance", "ChargeLimitedBy"),
    (("allowance", "discharge_by"), "PackAllowance", "DischargeLimitedBy"),
    (("answer", "request"), "NodeAnswer", "AnsweredRequest"),
    (("answer", "answer"), "NodeAnswer", "Answer"),
    (("answer", "limit"), "NodeAnswer", "AnswerLimit"),
)


class Flaw(NamedTuple):
    """Something a scenario names that does not exist: where, and what was expected and found."""

    loc: Loc
    expected: str
    found: str

    @property
    def message(self) -> str:
        """One line for people."""
        return f"expected {self.expected}, found {self.found}"


def flaws(scenario: Scenario, pack: GuardedPack) -> Iterator[Flaw]:
    """Everything in `scenario` that names what is not there."""
    for i, step in enumerate(scenario.steps):
        if step.set:
            yield from _set_flaws(step.set, pack, ("steps", i, "set"))
        if step.expect:
            yield from _expect_flaws(step.expect, pack, ("steps", i, "expect"))


def _set_flaws(change: Set, pack: GuardedPack, loc: Loc) -> Iterator[Flaw]:
    cells, sensors = pack.cells.series, len(pack.sensors.temperatures)
    for name, count, every, single in (("cell", cells, change.cells_v, change.cell_v),
                                       ("temperature", sensors, change.temperatures_c, change.temperature_c)):
        unit = "v" if name == "cell" else "c"
        if isinstance(every, list) and len(every) != count:
            yield Flaw((*loc, f"{name}s_{unit}"), f"{count} values for {pack.pack}", str(len(every)))
        yield from _numbers(single or (), count, pack, (*loc, f"{name}_{unit}"))
    if change.request and change.request.limit:
        yield from _word(change.request.limit, DIAGNOSES, "a limit", (*loc, "request", "limit"))


def _expect_flaws(expect: Expect, pack: GuardedPack, loc: Loc) -> Iterator[Flaw]:
    for tier in TIERS:
        for k, row in enumerate((getattr(expect.faults, tier) if expect.faults else None) or ()):
            yield from _word(row, DIAGNOSES, "a limit", (*loc, "faults", tier, k))
    for way, message, signal in _WORDS:
        value: object = expect
        for key in way:
            value = getattr(value, key, None)
        if isinstance(value, str):
            yield from _word(value, choices(message, signal), f"a word of {message}.{signal}", (*loc, *way))
    yield from _numbers(expect.balancing or (), pack.cells.series, pack, (*loc, "balancing"), listed=True)
    for message, signals in (expect.frames or {}).items():
        yield from _frame_flaws(message, signals, (*loc, "frames", message))


def _frame_flaws(message: str, signals: dict[str, float | str], loc: Loc) -> Iterator[Flaw]:
    known = {m.name: [s.name for s in m.signals] for m in node_database().messages if m.senders == ["Node"]}
    if message not in known:
        yield from _word(message, known, "a message of the node", loc)
        return
    for signal, value in signals.items():
        yield from _word(signal, known[message], f"a signal of {message}", (*loc, signal))
        words = choices(message, signal) if signal in known[message] else ()
        if isinstance(value, str) and signal in known[message] and snake(value) not in words:
            yield from _word(value, words, f"a number or a word of {message}.{signal}", (*loc, signal))


@cache
def choices(message: str, signal: str) -> tuple[str, ...]:
    """The words of a signal, in snake case."""
    found = node_database().get_message_by_name(message).get_signal_by_name(signal).choices
    return tuple(snake(str(text)) for text in found.values()) if found else (snake(NA_TEXT),)


def _word(word: str, known: Iterable[str], what: str, loc: Loc) -> Iterator[Flaw]:
    known = list(known)
    if word in known:
        return
    close = did_you_mean(word, known)
    yield Flaw(loc, what + (f" (did you mean {close}?)" if close else f": {', '.join(known)}"), shown(word))


def _numbers(numbers: Iterable[int], count: int, pack: GuardedPack, loc: Loc, listed: bool = False) -> Iterator[Flaw]:
    for k, number in enumerate(numbers):
        if not 1 <= number <= count:
            yield Flaw((*loc, k if listed else number), f"a number from 1 to {count} of {pack.pack}", str(number))
