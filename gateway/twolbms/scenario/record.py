"""A recording of the bus becomes a scenario: what the node was told and measured is set, what it did is expected.

Knows frames in order of time, one node and its pack. What no frame carries is guessed where a fault bit gives it away
(`guessed.py`); what that leaves unknown stands in the head of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from twolbms.config.pack import GuardedPack
from twolbms.diagnoses import CYCLE_MS, DIAGNOSES
from twolbms.scenario.bench import GATEWAY
from twolbms.scenario.flow import step_text
from twolbms.scenario.guessed import Guesses, merged
from twolbms.scenario.judge import TIERS
from twolbms.scenario.measured import Measured, moved
from twolbms.scenario.requested import gateway_changes
from twolbms.scenario.told import Cycle, Told

LEAD_CYCLES = 60  # before a recording that does not begin with a boot: boot, precharge and close
_CLOSE_AT = 15  # of the lead
_BOOT_CYCLES = 10
_ALL_OPEN = ("boot", "open", "latched", "cooling", "service", "asleep")
_PATHS = (("charge", "ChargePath"), ("discharge", "DischargePath"), ("precharge", "PrechargePath"))

Change = dict[str, Any]


class Refused(Exception):
    """Why a recording gives no scenario, in one sentence."""


class Converted(NamedTuple):
    """A scenario file's text, what its head says is unknown, and its size."""

    text: str
    notes: list[str]
    cycles: int
    steps: int


class Source(NamedTuple):
    """Where the recording comes from, for the head of the file: the journal's name and the two ends as text."""

    journal: str
    start: str
    end: str


def convert(told: Told, pack: GuardedPack, pack_name: str, source: Source) -> Converted:
    """The scenario of one recording. Raises Refused."""
    cycles = _one_life(told.cycles)
    if not cycles:
        raise Refused(f"node {told.speaker.node} says nothing there")
    lead = _lead(cycles, told)
    clears = [at for at, cycle in enumerate(cycles) for answer in cycle.answers if answer["AnsweredRequest"] == "clear"]
    guesses = Guesses(pack, cycles, clears)
    measured = Measured(pack, cycles, guesses)
    changes = merged(*(measured.changes(), _switches(cycles), guesses.changes(), guesses.ages(),
                       guesses.second_currents(measured.currents), guesses.presses(), _feedback(cycles),
                       gateway_changes(told, cycles, guesses), _pauses(cycles), _wakes(cycles, pack)))
    steps = list(_timed(cycles, lead, changes, _expectations(cycles, guesses)))
    if lead and not _fresh(cycles[0]):
        steps = [*_lead_steps(cycles, changes.get(0, {})), *steps]
    if len(steps) > 5000:
        raise Refused(f"{len(steps)} steps in {len(cycles) * CYCLE_MS // 1000} s; a scenario holds 5000: "
                      "choose a shorter range")
    notes = list(_notes(told, cycles, guesses, pack))
    head = _head(told, source, cycles, notes, lead)
    text = f"{head}scenario: {_title(told, source)}\npack: {pack_name}\nnode: {told.speaker.node}\nsteps:\n"
    return Converted(text + "".join(map(step_text, steps)), notes, len(cycles), len(steps))


# --- which part ---

def _one_life(cycles: Sequence[Cycle]) -> list[Cycle]:
    """Up to the node's first restart: a scenario tells one life."""
    boot_id = state = None
    for at, cycle in enumerate(cycles):
        told = _first_of(cycle.value("NodeCharge", "BootId"), cycle.value("NodeInfo", "InfoBootId"))
        now = cycle.value("PackState", "State")
        restarted = now == "boot" and state not in (None, "boot", "asleep", "service")
        if restarted or (boot_id is not None and told is not None and told != boot_id):
            return list(cycles[:at])
        boot_id, state = _first_of(told, boot_id), now or state
    return list(cycles)


def _first_of(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _fresh(first: Cycle) -> bool:
    """Whether the recording begins within a node's first second."""
    return first.value("PackState", "State") == "boot" and int(first.value("PackValues", "Counter")) < _BOOT_CYCLES


def _lead(cycles: Sequence[Cycle], told: Told) -> int:
    """Cycles to run before the first recorded one."""
    first = cycles[0]
    if _fresh(first):
        return int(first.value("PackValues", "Counter"))
    if not told.gateway_heard:
        return LEAD_CYCLES
    beat = next((data[6] & 0x0F for cycle in cycles for can_id, data in cycle.sent if can_id & 0xFF == GATEWAY), 0)
    # the bench beats in cycles 0 and 3 of every five; the node takes the recorded beat only as the next one
    return next(lead for lead in range(LEAD_CYCLES, LEAD_CYCLES + 100)
                if sum(1 for at in range(lead) if at % 5 in (0, 3)) % 15 == (beat - 1) % 15)


def _lead_steps(cycles: Sequence[Cycle], change: Change) -> Iterator[tuple[int, Change, Change, str | None]]:
    """Brings a fresh node to where the recording begins, as far as that goes."""
    first = cycles[0]
    keep = ("cells_v", "temperatures_c", "pack_v")
    begin = {key: value for key, value in change.items() if key in keep and value != "missing"}
    yield 0, {**begin, "current_a": 0.0}, {}, "before the recording: the node boots"
    if first.value("PackState", "State") in ("closed", "opening", "precharge"):
        counters = [data[6] & 0x0F for cycle in cycles for can_id, data in cycle.sent if can_id & 0xFF != GATEWAY]
        times = 3 if counters[:1] == [2] else 2  # the node takes no request that has the counter of the last one
        yield (_CLOSE_AT * CYCLE_MS, {"request": {"ask": "close", "times": times}}, {},
               "the node was closed when the recording began")


def _timed(cycles: Sequence[Cycle], lead: int, changes: Mapping[int, Change],
           expected: Mapping[int, Change]) -> Iterator[tuple[int, Change, Change, str | None]]:
    """The steps of the recorded cycles with their times; a late cycle moves all that follow."""
    now_ms = lead * CYCLE_MS
    early = _lasting(changes.get(0, {})) if lead and _fresh(cycles[0]) else {}
    if early:
        yield 0, early, {}, "the first cycles after the boot were not recorded"
    for at, cycle in enumerate(cycles):
        change, expect = changes.get(at, {}), expected.get(at, {})
        if at == 0:
            change = {key: value for key, value in change.items() if key not in early}
        if change or expect:
            yield now_ms // CYCLE_MS * CYCLE_MS, change, expect, None
        now_ms += cycle.pause_ms + CYCLE_MS


def _lasting(change: Change) -> Change:
    """What stays set, without what happens once."""
    return {key: value for key, value in change.items() if key not in ("frame", "request", "pause_ms")}


# --- what is set ---

def _switches(cycles: Sequence[Cycle]) -> dict[int, Change]:
    """The inputs that PackState tells."""
    return merged(*(moved(key, [cycle.value("PackState", signal) for cycle in cycles], good) for key, signal, good in
                    (("interlock", "Interlock", "closed"), ("arming", "Arming", "off"),
                     ("charger", "ChargerPresent", "off"))))


def _pauses(cycles: Sequence[Cycle]) -> dict[int, Change]:
    return {at: {"pause_ms": cycle.pause_ms} for at, cycle in enumerate(cycles) if cycle.pause_ms}


def _wakes(cycles: Sequence[Cycle], pack: GuardedPack) -> dict[int, Change]:
    """A node that slept was woken in the cycle before it spoke again: by the charger that it tells, by its timer, or
    else by the key."""
    found: dict[int, Change] = {}
    slept = None
    for at, cycle in enumerate(cycles):
        state = cycle.value("PackState", "State")
        if state == "asleep":
            slept = at
        elif slept is not None and state is not None:
            if cycle.value("PackState", "ChargerPresent") == "on":
                found[at - 1] = {"charger": "on"}
            elif abs(at - 1 - slept - round(pack.winter.wake_every_s * 1000 / CYCLE_MS)) > 2:
                found |= {at - 1: {"key": "on"}, at: {"key": "off"}}
            slept = None
    return found


def _feedback(cycles: Sequence[Cycle]) -> dict[int, Change]:
    """What the feedback did where it did not follow the command that the state tells."""
    paths, heater = [], []
    for before, cycle in zip([None, *cycles], cycles, strict=False):
        paths.append(_paths_followed(before, cycle))
        heater.append(_heater_followed(before, cycle, paths[-1]))
    return merged(moved("feedback", paths, "follows"), moved("heater_feedback", heater, "follows"))


def _paths_followed(before: Cycle | None, cycle: Cycle) -> str | None:
    if not cycle.heard:
        return None
    state = before.value("PackState", "State") if before is not None else None
    found = {name: cycle.value("PackState", signal) for name, signal in _PATHS}
    if None in found.values():
        return "unknown"
    closed = {name for name, word in found.items() if word == "closed"}
    if state is None:
        return "follows"
    if (state in _ALL_OPEN and closed) or (state != "precharge" and "precharge" in closed):
        return "all_closed"
    if state not in _ALL_OPEN and not closed:
        return "all_open"
    return "follows"


def _heater_followed(before: Cycle | None, cycle: Cycle, feedback: str | None) -> str | None:
    found = cycle.value("PackState", "HeaterMeasured")
    if found is None or feedback is None or before is None or not before.heard:
        return None
    wanted = {"all_closed": "on", "all_open": "off"}.get(feedback, before.value("PackState", "HeaterCommanded"))
    return "follows" if found == wanted else str(found)


# --- what is expected ---

def _expectations(cycles: Sequence[Cycle], guesses: Guesses) -> dict[int, Change]:
    """The node's own words where they changed: state, outputs, faults, answers."""
    last: Change = {}
    found: dict[int, Change] = {}
    pages: set[str] = set()
    for at, cycle in enumerate(cycles):
        pages |= set(cycle.faults)
        now = _said(cycles, at, guesses, whole=len(pages) == len(TIERS))
        new = {key: value for key, value in now.items() if last.get(key) != value}
        if at == 0 and not _fresh(cycle):
            new.pop("open_reason", None)  # of a life before
        last |= now
        if expect := _nested(new) | _answer(cycle):
            found[at] = expect
    return found


def _said(cycles: Sequence[Cycle], at: int, guesses: Guesses, whole: bool) -> Change:
    cycle = cycles[at]
    if not cycle.heard:
        return {}
    said: Change = {"state": cycle.value("PackState", "State"), "open_reason": cycle.value("PackState", "OpenReason"),
                    "outputs.heater": cycle.value("PackState", "HeaterCommanded")}
    after = cycles[at + 1] if at + 1 < len(cycles) else None
    if after is not None and after.heard and _paths_followed(cycle, after) == "follows":  # measured a cycle later
        said |= {f"outputs.{name}": after.value("PackState", signal) for name, signal in _PATHS}
    if whole:
        said |= {f"faults.{tier}": sorted(guesses.pages[tier][at], key=lambda row: DIAGNOSES[row].number)
                 for tier in TIERS}
    return {key: value for key, value in said.items() if value is not None}


def _nested(flat: Change) -> Change:
    nested: Change = {}
    for key, value in flat.items():
        part, _, name = key.partition(".")
        if name:
            nested.setdefault(part, {})[name] = value
        else:
            nested[part] = value
    return nested


def _answer(cycle: Cycle) -> Change:
    if not cycle.answers:
        return {}
    answer = cycle.answers[-1]
    told = {"request": answer["AnsweredRequest"], "answer": answer["Answer"], "limit": answer["AnswerLimit"]}
    return {"answer": {key: value for key, value in told.items() if value is not None}}


# --- the head ---

def _title(told: Told, source: Source) -> str:
    return f'"Recorded from {source.start} to {source.end}: node {told.speaker.node} on {told.speaker.bus}"'


def _head(told: Told, source: Source, cycles: Sequence[Cycle], notes: Sequence[str], lead: int) -> str:
    lines = [
        f"A recording, made a scenario by 2lbms scenario from: {source.journal}, {source.start} to {source.end},",
        f"node {told.speaker.node} on {told.speaker.bus}, {len(cycles)} cycles.",
        "What was told on the bus is what is set: current to 0.02 A, link to 0.05 V, cells to 1 mV, temperatures to",
        "0.1 K. A value that lay within that of a limit may fall on its other side here.",
        "Cells and sensors other than the lowest and highest are told every 1 s and 2 s, and stay in between. The pack",
        "voltage is the sum of the cells where it agrees with it. Cycles are taken as 100 ms unless one came late.",
        "Not told on the bus, and guessed from the fault bits where they changed: emergency stop, smoke, leak,",
        "humidity, supply, insulation, second current, sense wires, the cell monitor's silence, the clear button.",
    ]
    if lead and not _fresh(cycles[0]):
        lines.append("The recording begins in the middle of a life: timers, latches, wear and earlier requests are "
                     "unknown.")
    return "".join(f"# {line}\n" for line in [*lines, *notes])


def _notes(told: Told, cycles: Sequence[Cycle], guesses: Guesses, pack: GuardedPack) -> Iterator[str]:
    lost = sum(1 for cycle in cycles if not cycle.heard)
    if lost:
        yield f"{lost} cycles were not heard: everything is taken to have stayed as it was."
    if told.damaged:
        yield f"{told.damaged} frames were damaged and are left out."
    if len(cycles) < len(told.cycles):
        yield f"The node restarted {len(cycles) * CYCLE_MS / 1000:.1f} s after the beginning: the story ends there."
    if not told.gateway_heard:
        yield ("The gateway's own frames are not in the recording: its requests are those that were answered, its "
               "silence that of the fault bit, allowances as far as the node told them.")
    if not _fresh(cycles[0]) and (latched := guesses.pages["latched"][min(3, len(cycles) - 1)]):
        yield f"Latched before the beginning, which a fresh node does not know: {', '.join(sorted(latched))}."
