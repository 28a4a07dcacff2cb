"""The story: which events are expected, in which order, and the words around each. The one table of its lines.

A line is told when its event has been read back from the journal, never because the demonstration wanted it to happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from twolbms.demo.setup import GARAGE, HOUSE, WEAK_GROUP
from twolbms.journal.records import Event
from twolbms.outlets.words import clock_time

Test = Callable[[Any], bool]


def _is(*wanted: object) -> Test:
    return lambda found: found in wanted


def _below(edge: float) -> Test:
    return lambda found: isinstance(found, int | float) and found < edge


@dataclass(frozen=True, slots=True)
class Line:
    """One expected event: kind, pack, what its data must be, and the lines that must have come before."""

    key: str
    lead: str
    kind: str
    pack: str
    where: Mapping[str, Test]
    after: tuple[str, ...] = ()

    def fits(self, event: Event) -> bool:
        """Whether this is the event."""
        return event.kind == self.kind and event.pack == self.pack and \
            all(test(event.data.get(name)) for name, test in self.where.items())


HIGH = {"limit": _is("cell_over_voltage"), "cell": _is(WEAK_GROUP)}
COLD = {"limit": _is("charge_under_temperature"), "tier": _is("trip")}
BY_A_PERSON: Test = lambda by: by not in (None, "node", "gateway")  # noqa: E731 - a row of the table, as the others

LINES = (
    Line("house_heard", "The node of the house is on the bus.", "node_heard", HOUSE, {"silent_s": _is(None)}),
    Line("garage_heard", "The node of the garage is on the bus.", "node_heard", GARAGE, {"silent_s": _is(None)}),
    Line("house_alone", "The house closes alone, with nobody's help: it feeds its own gateway.", "closed", HOUSE,
         {"path": _is("both", "discharge"), "by": _is("node")}),
    Line("cold", "It is a cold morning: the house may give, but not be charged.", "fault", HOUSE,
         COLD | {"value": _below(0.0)}),
    Line("heater_on", "The heater goes on.", "heater", HOUSE, {"on": _is(True)}),
    Line("garage_closed", "A person asks the garage to close, and it begins to charge.", "closed", GARAGE,
         {"path": _is("both"), "by": BY_A_PERSON}),
    Line("weak_limit", "The sun comes out and the charger gives more: a weak group of cells reaches its limit first.",
         "fault", GARAGE, HIGH | {"tier": _is("limit")}, after=("garage_closed",)),
    Line("zero_asked", "The node allows no charge current any more, so that it can open without a load.", "allowance",
         GARAGE, {"direction": _is("charge"), "current_a": _is(0)}, after=("weak_limit",)),
    Line("weak_trip", "The charger is slow to follow, and the weak group passes its trip value.", "fault", GARAGE,
         HIGH | {"tier": _is("trip")}, after=("garage_closed",)),
    Line("garage_opened", "The node opens.", "opened", GARAGE,
         {"path": _is("both"), "reason": _is("cell_over_voltage"), "cell": _is(WEAK_GROUP)}, after=("weak_trip",)),
    Line("clear_refused", "A person asks too early to forget it, and is told why not.", "answer", GARAGE,
         {"what": _is("clear"), "accepted": _is(False), "answer": _is("cause_present", "hold_running")},
         after=("garage_opened",)),
    Line("cleared", "The cells have relaxed and the hold time is over: now the fault is cleared.", "latch_cleared",
         GARAGE, {"limit": _is("cell_over_voltage")}, after=("clear_refused",)),
    Line("garage_again", "The garage closes again, to be charged more gently.", "closed", GARAGE,
         {"path": _is("both"), "by": BY_A_PERSON}, after=("cleared",)),
    Line("warm", "The cells of the house are warm enough.", "fault_gone", HOUSE, COLD, after=("cold",)),
    Line("house_charges", "The house may be charged: its charge path closes by itself, and both packs charge.",
         "closed", HOUSE, {"path": _is("charge"), "by": _is("node")}, after=("cold",)),
    Line("gap", "The gateway is killed (kill -9) and started again; the time nobody wrote is recorded.", "gap", "", {},
         after=("garage_heard", "house_heard")),
    Line("house_back", "Nothing else has changed: the house stayed closed.", "node_heard", HOUSE,
         {"state": _is("closed")}, after=("gap",)),
    Line("garage_back", "Nothing else has changed: the garage stayed closed.", "node_heard", GARAGE,
         {"state": _is("closed")}, after=("gap",)),
)


@dataclass(frozen=True, slots=True)
class ToldLine:
    """A line of the story and the event it comes from; the time is wall time."""

    line: Line
    event: Event

    def as_text(self, zone: tzinfo | None = None) -> str:
        """The line as it is printed: the story's words, below them those of the event."""
        return f"{clock_time(self.event.time_ns, zone)}  {self.line.lead}\n{' ' * 10}{event_sentence(self.event)}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"line": self.line.key, "time_ns": self.event.time_ns, "pack": self.event.pack, "kind": self.event.kind,
                "lead": self.line.lead, "text": event_text(self.event)}


def event_sentence(event: Event) -> str:
    """What an event says, with its pack."""
    return f"{event.pack}: {event_text(event)}" if event.pack else event_text(event)


def event_text(event: Event) -> str:
    """What an event says; a gap has no sentence of its own."""
    text = event.data.get("text")
    if text is not None:
        return str(text)
    from_ns, to_ns = event.data.get("from_ns"), event.data.get("to_ns")
    if event.kind == "gap" and from_ns is not None and to_ns is not None:
        return f"nothing recorded for {(to_ns - from_ns) / 1e9:.1f} s: {event.data.get('reason')}"
    return f"{event.kind.replace('_', ' ')}: {event.data.get('reason', '')}".rstrip(": ")


class Story:
    """Hears events in the order of the journal and tells the lines they make true, each once."""

    def __init__(self, lines: tuple[Line, ...] = LINES) -> None:
        self._lines = lines
        self.told: dict[str, ToldLine] = {}

    def hear(self, event: Event) -> ToldLine | None:
        """The line that this event makes true, if it makes one true."""
        for line in self._lines:
            if line.key not in self.told and all(key in self.told for key in line.after) and line.fits(event):
                self.told[line.key] = told = ToldLine(line, event)
                return told
        return None

    @property
    def missing(self) -> list[Line]:
        """The lines not told (yet)."""
        return [line for line in self._lines if line.key not in self.told]

    @property
    def complete(self) -> bool:
        """Whether everything has happened."""
        return not self.missing
