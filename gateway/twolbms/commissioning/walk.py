"""Walks a person through the steps: answers what a step wants from the bench or the person, and keeps the record.

Time comes from outside: `clock` in seconds for patience, `wall` as the text of a moment for the record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol

from twolbms.commissioning.conversation import (
    FAILED,
    PASSED,
    SKIPPED,
    Attempts,
    Calibrate,
    Choice,
    Number,
    Read,
    Ready,
    Step,
    Tell,
    Verdict,
    Want,
    Watch,
    YesNo,
)
from twolbms.commissioning.readings import Bench, BenchError, Calibration, Facts, Readings
from twolbms.commissioning.record import Record

_TWICE = 2


class SkipStep(Exception):
    """The person leaves this step out; the text is why."""


class QuitWalk(Exception):
    """The person goes on another time."""


class Person(Protocol):
    """Whoever stands at the pack. Each may raise SkipStep or QuitWalk."""

    def tell(self, text: str) -> None:
        """Says a sentence."""

    def ready(self, text: str) -> None:
        """Waits until it is done."""

    def yes_no(self, text: str) -> bool:
        """Asks."""

    def number(self, asked: Number) -> float:
        """Asks for a number within its bounds."""

    def choice(self, asked: Choice) -> str:
        """Asks for one of the options."""

    def watching(self, text: str, now: Readings | None, left_s: float) -> None:
        """Shows what is waited for, and what is read; the first time without a reading."""

    def begins(self, step: Step, number: int, count: int) -> None:
        """A step begins."""

    def ended(self, step: Step, verdict: Verdict) -> None:
        """A step has ended."""

    def passed_before(self, step: Step, verdict: Verdict) -> None:
        """A step has passed in an earlier walk, and is not done again."""

    def again(self, step: Step) -> bool:
        """Whether a failed step is tried again at once."""


class Walk:
    """One walk over one record. `keep` is called with the record after every step."""

    def __init__(self, bench: Bench, person: Person, record: Record, keep: Callable[[Record], None],
                 clock: Callable[[], float], wall: Callable[[], str]) -> None:
        self._bench = bench
        self._person = person
        self._record = record
        self._keep = keep
        self._clock = clock
        self._wall = wall

    def run(self, facts: Facts, steps: Sequence[Step], again: Collection[str] = ()) -> bool:
        """Through all steps that have not passed, or that are wanted again; False when the person quit or a gate held.

        Raises BenchError when the node is silent; what was done before is kept.
        """
        for number, step in enumerate(steps, 1):
            before = self._record.result(step.name)
            if before and before.result == PASSED and not step.gate and step.name not in again:
                when = before.at[:16].replace("T", " ")
                self._person.passed_before(step, Verdict(PASSED, f"on {when}: {before.reason}"))
                continue
            self._person.begins(step, number, len(steps))
            try:
                passed = self._until_told(step, facts)
            except QuitWalk:
                return False
            if step.gate and not passed:
                return False
        return True

    def _until_told(self, step: Step, facts: Facts) -> bool:
        """The last verdict's result on a step that may be tried again."""
        while True:
            try:
                verdict = self._talk(step, facts)
            except SkipStep as skip:
                verdict = Verdict(SKIPPED, str(skip))
            self._record.put(step, verdict, self._wall())
            self._keep(self._record)
            self._person.ended(step, verdict)
            if verdict.result != FAILED or not self._person.again(step):
                return verdict.result == PASSED

    def _talk(self, step: Step, facts: Facts) -> Verdict:
        talk = step.talk(facts)
        answer: Any = None
        while True:
            try:
                want = talk.send(answer)
            except StopIteration as end:
                verdict: Verdict = end.value
                return verdict
            answer = self._answer(want)

    def _answer(self, want: Want) -> Any:
        person, bench = self._person, self._bench
        match want:
            case Tell(text):
                return person.tell(text)
            case Ready(text):
                return person.ready(text)
            case YesNo(text):
                return person.yes_no(text)
            case Number():
                return person.number(want)
            case Choice():
                return person.choice(want)
            case Read(raw, count):
                return mean([bench.readings(raw) for _ in range(count)])
            case Watch():
                return self._watch(want)
            case Attempts(which):
                return bench.attempt(which)
            case Calibrate(calibration):
                return self._calibrate(calibration)

    def _calibrate(self, calibration: Calibration) -> str:
        try:
            self._bench.calibrate(calibration)
        except BenchError as error:
            return str(error)
        return ""

    def _watch(self, want: Watch) -> Readings | None:
        end = self._clock() + want.patience_s
        self._person.watching(want.text, None, want.patience_s)
        held = 0
        while (left_s := end - self._clock()) > 0:
            now = self._bench.readings(True)
            held = held + 1 if want.until(now) else 0
            if held == _TWICE:
                return now
            self._person.watching(want.text, now, left_s)
        return None


def mean(readings: Sequence[Readings]) -> Readings:
    """The last of them, with the means of what is measured; a value that was missing once is missing."""
    last = readings[-1]
    return replace(
        last, fresh=all(each.fresh for each in readings), cells_v=_means([each.cells_v for each in readings]),
        temps_c=_means([each.temps_c for each in readings]), pack_v=_mean([each.pack_v for each in readings]),
        link_v=_mean([each.link_v for each in readings]), current_a=_mean([each.current_a for each in readings]))


def _means(rows: Sequence[Sequence[float | None]]) -> tuple[float | None, ...]:
    return tuple(_mean(column) for column in zip(*rows, strict=True))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
