"""Holds what a node did against what a scenario expects, and names the first difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cantools.database import Database, Message, Signal

from twolbms.build.codec import snake
from twolbms.diagnoses import BY_NUMBER, COUNT
from twolbms.scenario.bench import CAN_ID_MASK, CanFrame
from twolbms.scenario.model import Expect
from twolbms.scenario.nodes import CycleResult

TIERS = ("warn", "limit", "trip", "latched")
OUTPUT_BITS = (
    ("charge", 1, "closed", "open"),
    ("discharge", 2, "closed", "open"),
    ("precharge", 4, "closed", "open"),
    ("heater", 8, "on", "off"),
    ("asleep", 16, "on", "off"),
    ("light", 32, "on", "off"),
)


class Difference(NamedTuple):
    """What was expected and what was found."""

    at_ms: int
    what: str
    expected: object
    found: object

    def __str__(self) -> str:
        return f"at {self.at_ms} ms: {self.what}: expected {_word(self.expected)}, found {_word(self.found)}"


def _word(value: object) -> str:
    return "nothing" if value is None else ("none" if value == [] else str(value))


class Observer:
    """The last thing the node said of everything: frames by message and page, fault pages, outputs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.outputs = 0
        self.balancing: list[int] = []
        self.faults: dict[str, list[str]] = {tier: [] for tier in TIERS}
        self._last: dict[tuple[str, int | None], bytes] = {}
        self._by_id = {m.frame_id & CAN_ID_MASK: (m.name, _selector(m)) for m in database.messages}

    def take(self, result: CycleResult) -> None:
        """Takes over what a cycle gave."""
        self.outputs = result.outputs
        bits = int.from_bytes(result.balancing, "little")
        self.balancing = [cell + 1 for cell in range(128) if bits >> cell & 1]
        for frame in result.frames:
            self._frame(frame)

    def _frame(self, frame: CanFrame) -> None:
        can_id, data = frame
        name, selector = self._by_id[can_id & CAN_ID_MASK]
        if name == "NodeFaults":
            tier, rows = fault_page(data)
            self.faults[tier] = rows
        self._last[name, None] = data
        if selector:
            page = int.from_bytes(data, "little") >> selector.start & (1 << selector.length) - 1
            self._last[name, page] = data

    def value(self, message: str, signal: str) -> Any:
        """The last value of a signal: a number, or a choice's name in snake case; None when never sent."""
        described = self.database.get_message_by_name(message)
        pages = described.get_signal_by_name(signal).multiplexer_ids
        data = self._last.get((message, pages[0] if pages else None))
        if data is None:
            return None
        decoded = described.decode(data)
        assert isinstance(decoded, dict)
        value = decoded[signal]
        return snake(str(value)) if not isinstance(value, (int, float)) else value


def fault_page(data: bytes) -> tuple[str, list[str]]:
    """The tier that a frame NodeFaults holds, and the rows set in it, in their order."""
    bits = int.from_bytes(data[:6], "little")
    return TIERS[data[6] >> 4 & 3], [BY_NUMBER[n].name for n in range(COUNT) if bits >> n & 1]


def _selector(message: Message) -> Signal | None:
    """The signal that says which page a frame of `message` holds."""
    return next((s for s in message.signals if s.is_multiplexer), None)


def differences(expect: Expect, seen: Observer, at_ms: int) -> Iterator[Difference]:
    """Every expectation that does not hold."""
    for what, wanted, found in _pairs(expect, seen):
        if not _same(wanted, found):
            yield Difference(at_ms, what, wanted, found)


def _same(wanted: object, found: object) -> bool:
    if isinstance(wanted, float | int) and isinstance(found, float | int) and not isinstance(wanted, bool):
        return abs(wanted - found) < 1e-6
    return wanted == found


def _pairs(expect: Expect, seen: Observer) -> Iterator[tuple[str, object, object]]:
    if expect.state:
        yield "state", expect.state, seen.value("PackState", "State")
    for name, bit, on, off in OUTPUT_BITS:
        if expect.outputs and (wanted := getattr(expect.outputs, name)):
            yield f"outputs.{name}", wanted, on if seen.outputs & bit else off
    for tier in TIERS:
        if expect.faults and (rows := getattr(expect.faults, tier)) is not None:
            yield f"faults.{tier}", sorted(rows), sorted(seen.faults[tier])
    yield from _named(
        expect.allowance,
        "allowance",
        seen,
        "PackAllowance",
        {
            "charge_a": "ChargeCurrentAllowed",
            "discharge_a": "DischargeCurrentAllowed",
            "charge_by": "ChargeLimitedBy",
            "discharge_by": "DischargeLimitedBy",
        },
    )
    yield from _named(
        expect.answer,
        "answer",
        seen,
        "NodeAnswer",
        {"request": "AnsweredRequest", "answer": "Answer", "limit": "AnswerLimit"},
    )
    if expect.open_reason:
        yield "open_reason", expect.open_reason, seen.value("PackState", "OpenReason")
    if expect.balancing is not None:
        yield "balancing", expect.balancing, seen.balancing
    for message, signals in (expect.frames or {}).items():
        for signal, wanted in signals.items():
            found = seen.value(message, signal)
            yield f"frames.{message}.{signal}", snake(wanted) if isinstance(wanted, str) else wanted, found


def _named(
    part: object, title: str, seen: Observer, message: str, names: dict[str, str]
) -> Iterator[tuple[str, object, object]]:
    for key, signal in names.items():
        wanted = getattr(part, key, None) if part else None
        if wanted is not None:
            yield f"{title}.{key}", wanted, seen.value(message, signal)
