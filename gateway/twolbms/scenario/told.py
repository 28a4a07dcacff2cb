"""What a node was heard to say, cycle by cycle, out of the frames of a recording. Guesses nothing.

A cycle is a frame PackValues; everything else the node sent belongs to the nearest one. What the gateway sent belongs
to the cycle that answered it, else to the first that could have heard it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, Protocol

from twolbms.build.codec import snake
from twolbms.diagnoses import CYCLE_MS
from twolbms.scenario.bench import CAN_ID_MASK, node_database
from twolbms.scenario.judge import fault_page
from twolbms.wire import check_of

_MS = 1_000_000  # nanoseconds
_LATE_MS = 20  # a cycle that comes later than this, with those after it, was late: a bus delays less
_WORST_TOLD_MS = 16_000  # about where NodeInfo.WorstCycle ends
_LOOK_AHEAD = 5  # frames that must be late too
_COUNTERS = 15
_NOT_AVAILABLE = "not_available"
_UNPROTECTED = ("CellVoltages", "CellTemperatures")
_TO_NODE = ("GatewayHeartbeat", "NodeRequest")

Signals = dict[str, Any]


class Heard(Protocol):
    """A frame as a journal keeps it."""

    @property
    def time_ns(self) -> int:
        """When it came."""

    @property
    def bus(self) -> str:
        """On which bus."""

    @property
    def can_id(self) -> int:
        """Its id."""

    @property
    def extended(self) -> bool:
        """Whether the id has 29 bits."""

    @property
    def data(self) -> bytes:
        """Its bytes."""


class Speaker(NamedTuple):
    """A node on a bus."""

    bus: str
    node: int


@dataclass
class Cycle:
    """One cycle: the last frame of each message in it. `heard` is False where its frames were lost.

    `pause_ms`: so much longer than a cycle ago was the one before. `faults`: the pages told in it. `sent`: what the
    gateway sent before it.
    """

    time_ns: int
    heard: bool = True
    pause_ms: int = 0
    told: dict[str, Signals] = field(default_factory=dict)
    faults: dict[str, frozenset[str]] = field(default_factory=dict)
    cells: dict[int, float | None] = field(default_factory=dict)
    sensors: dict[int, float | None] = field(default_factory=dict)
    answers: list[Signals] = field(default_factory=list)
    sent: list[tuple[int, bytes]] = field(default_factory=list)

    def value(self, message: str, signal: str) -> Any:
        """A signal's value: a number, a word, None when not available or not told in this cycle."""
        return self.told.get(message, {}).get(signal)


@dataclass
class Told:
    """A recording of one node. `damaged` counts frames with a wrong CRC or length, which are left out."""

    speaker: Speaker
    cycles: list[Cycle]
    damaged: int
    limit_hash: int | None
    gateway_heard: bool


def speakers(frames: Iterable[Heard]) -> list[Speaker]:
    """Every node that is heard."""
    names = _names()
    return sorted({Speaker(f.bus, f.can_id & 0xFF) for f in frames
                   if f.extended and names.get(f.can_id & CAN_ID_MASK) == "PackValues"})


def read(frames: Sequence[Heard], speaker: Speaker) -> Told:
    """What `speaker` said in `frames`, which come in order of time."""
    of_node, to_node, damaged = [], [], 0
    for frame in frames:
        name = _names().get(frame.can_id & CAN_ID_MASK) if frame.extended and frame.bus == speaker.bus else None
        address = frame.can_id & 0xFF
        if name in _TO_NODE and (name == "GatewayHeartbeat" or address == speaker.node):
            to_node.append(frame)
        elif name is not None and name not in _TO_NODE and address == speaker.node:
            if _sound(name, frame):
                of_node.append((name, frame))
            else:
                damaged += 1
    asleep = {frame.time_ns: frame.data[0] & 0x0F == _asleep() for name, frame in of_node if name == "PackState"}
    cycles = list(_cycles([frame for name, frame in of_node if name == "PackValues"], asleep, _worst_ms(of_node)))
    heard = [cycle for cycle in cycles if cycle.heard]
    for name, frame in of_node:
        if heard:
            _take(_nearest(heard, frame.time_ns), name, frame)
    _give(cycles, to_node)
    return Told(speaker, cycles, damaged, _limit_hash(heard), bool(to_node))


@cache
def _names() -> dict[int, str]:
    return {message.frame_id & CAN_ID_MASK: message.name for message in node_database().messages}


def _sound(name: str, frame: Heard) -> bool:
    return len(frame.data) == 8 and (name in _UNPROTECTED or check_of(frame.can_id, frame.data) == frame.data[7])


def _worst_ms(frames: Sequence[tuple[str, Heard]]) -> int:
    """The longest cycle that NodeInfo told."""
    told = [_decoded(name, frame.data).get("WorstCycle") for name, frame in frames if name == "NodeInfo"]
    return max((int(value) for value in told if value is not None), default=0)


def _cycles(values: Sequence[Heard], asleep: Mapping[int, bool], worst_ms: int) -> Iterator[Cycle]:
    """A cycle for each frame, and one for each that was lost between them.

    `asleep` is what the states said, by time; `worst_ms` the longest cycle that the node told of.
    """
    states = sorted(asleep)
    times = [frame.time_ns for frame in values]
    due_ns = times[0] - CYCLE_MS * _MS if times else 0
    counter = None
    for at, frame in enumerate(values):
        this = frame.data[6] & 0x0F
        late_ms = min((time - due_ns) // _MS - CYCLE_MS * (n + 1)
                      for n, time in enumerate(times[at:at + _LOOK_AHEAD]))
        lost = pause_ms = 0
        if late_ms >= _LATE_MS and counter is not None:
            # a node that stood still goes on counting where it was; of one that was not heard counts are missing
            gap = round(late_ms / CYCLE_MS) + 1
            slept = asleep.get(states[max(0, bisect_left(states, frame.time_ns - 1) - 1)], False) if states else False
            stood_still = gap % _COUNTERS != 1 or gap == 1 or worst_ms >= min(late_ms, _WORST_TOLD_MS)
            if (this - counter) % _COUNTERS == 1 and stood_still and not slept:
                pause_ms = late_ms
            else:
                lost = gap - 1
        for n in range(lost):
            yield Cycle(due_ns + (n + 1) * CYCLE_MS * _MS, heard=False)
        yield Cycle(frame.time_ns, pause_ms=pause_ms)
        due_ns += (pause_ms + (lost + 1) * CYCLE_MS) * _MS
        due_ns += max(-5, min(5, (frame.time_ns - due_ns) // _MS)) * _MS // 10  # the clocks drift apart
        counter = this


def _nearest(cycles: Sequence[Cycle], time_ns: int) -> Cycle:
    at = bisect_left(cycles, time_ns, key=lambda cycle: cycle.time_ns)
    near = cycles[max(0, at - 1):at + 1]
    return min(near, key=lambda cycle: abs(cycle.time_ns - time_ns))


def _take(cycle: Cycle, name: str, frame: Heard) -> None:
    signals = _decoded(name, frame.data)
    if name == "NodeFaults":
        tier, rows = fault_page(frame.data)
        cycle.faults[tier] = frozenset(rows)
    elif name == "NodeAnswer":
        cycle.answers.append(signals)
    elif name in _UNPROTECTED:
        of, signal = (cycle.cells, "CellVoltage") if name == "CellVoltages" else (cycle.sensors, "Temperature")
        of.update({int(key.removeprefix(signal)): value for key, value in signals.items()
                   if key.removeprefix(signal).isdecimal()})
    else:
        cycle.told.setdefault(name, {}).update(signals)


def _decoded(name: str, data: bytes) -> Signals:
    found = node_database().get_message_by_name(name).decode(data)
    assert isinstance(found, dict)
    plain = {key: value if isinstance(value, int | float) else snake(str(value)) for key, value in found.items()}
    return {key: None if value == _NOT_AVAILABLE else value for key, value in plain.items()}


def _give(cycles: Sequence[Cycle], sent: Sequence[Heard]) -> None:
    """Puts what the gateway sent before the cycle that answered it, or the first after it."""
    answered = {(int(answer["AnsweredNumber"]), answer["AnsweredRequest"]): at for at, cycle in enumerate(cycles)
                for answer in cycle.answers}
    for frame in sent:
        at = bisect_left(cycles, frame.time_ns, key=lambda cycle: cycle.time_ns)
        if frame.can_id & CAN_ID_MASK != _heartbeat_id() and len(frame.data) == 8:
            request = _decoded("NodeRequest", frame.data)
            told = answered.get((int(request["RequestNumber"]), request["Request"]))
            at = told if told is not None and abs(told - at) <= 2 else at
        if at < len(cycles):
            cycles[at].sent.append((frame.can_id, bytes(frame.data)))


@cache
def _asleep() -> int:
    choices = node_database().get_message_by_name("PackState").get_signal_by_name("State").choices
    return next(code for code, word in (choices or {}).items() if snake(str(word)) == "asleep")


@cache
def _heartbeat_id() -> int:
    return node_database().get_message_by_name("GatewayHeartbeat").frame_id & CAN_ID_MASK


def _limit_hash(cycles: Sequence[Cycle]) -> int | None:
    for cycle in cycles:
        low, high = cycle.value("NodeInfo", "LimitHashLow"), cycle.value("NodeInfo", "LimitHashHigh")
        if low is not None and high is not None:
            return int(high) << 16 | int(low)
    return None
