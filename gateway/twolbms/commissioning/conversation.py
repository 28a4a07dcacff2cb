"""How a step speaks: a generator that yields what it wants and returns its verdict. No port, no clock, no terminal.

    shown = yield Read()
    volts = yield Number("What does the meter say?")
    return passed("as the meter", volts=volts)
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from twolbms.commissioning.readings import Calibration, Facts, Readings

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Tell:
    """A sentence for the person. Answered by None."""

    text: str


@dataclass(frozen=True)
class Ready:
    """Something to do first; the person says when it is done. Answered by None."""

    text: str


@dataclass(frozen=True)
class YesNo:
    """Answered by a bool."""

    text: str


@dataclass(frozen=True)
class Number:
    """Answered by a float in `unit`, between the bounds."""

    text: str
    unit: str
    lowest: float
    highest: float


@dataclass(frozen=True)
class Choice:
    """Answered by one of `options`."""

    text: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Read:
    """Answered by Readings: the mean of `count`. With `raw` as the sensors give them, without calibration."""

    raw: bool = False
    count: int = 3


@dataclass(frozen=True)
class Watch:
    """Reads on until the condition holds twice in a row. Answered by the Readings that did it, or None when
    `patience_s` were over."""

    text: str
    until: Callable[[Readings], bool]
    patience_s: float = 120.0


@dataclass(frozen=True)
class Attempts:
    """Tries an output. Answered by an Attempt."""

    which: str


@dataclass(frozen=True)
class Calibrate:
    """Writes calibration. Answered by "", or by why the node did not take it."""

    calibration: Calibration


Want = Tell | Ready | YesNo | Number | Choice | Read | Watch | Attempts | Calibrate


@dataclass(frozen=True)
class Verdict:
    """How a step ended; `measured` is JSON-able."""

    result: str
    reason: str
    measured: dict[str, Any] = field(default_factory=dict)


def passed(reason: str, **measured: Any) -> Verdict:
    """It is as it should be."""
    return Verdict(PASSED, reason, measured)


def failed(reason: str, **measured: Any) -> Verdict:
    """It is not; the reason says what to look for."""
    return Verdict(FAILED, reason, measured)


Talk = Generator[Want, Any, Verdict]


@dataclass(frozen=True)
class Step:
    """A row of the table. `needs` is what one wants at hand, `about` what it finds, both for the page too.

    `applies` says whether a node with these facts has what the step is about.
    """

    name: str
    title: str
    needs: str
    about: str
    talk: Callable[[Facts], Talk]
    applies: Callable[[Facts], bool] = lambda facts: True
    gate: bool = False
