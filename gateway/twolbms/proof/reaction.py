"""How long each limit takes from the first reading beyond its trip until the outputs are commanded open, measured.

A fault is injected into a closed pack at 0 A, under load, and so that the output has to open above what it can break.
Writes docs/reaction_times.md; with --check compares. Exit status 1: stale, or a bound of the design is broken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twolbms.build.columns import NEVER, limit_image
from twolbms.config.pack import GuardedPack
from twolbms.config.site_packs import load_guarded_pack
from twolbms.diagnoses import BY_NUMBER, CHARGE, COUNT, CYCLE_MS, Diagnosis
from twolbms.files import data_path
from twolbms.proof.direct import DirectNode
from twolbms.proof.injections import INJECTIONS, Change, Injection
from twolbms.scenario.bench import Bench, node_database
from twolbms.scenario.model import Set
from twolbms.scenario.nodes import limits_object

PACKS = ("lfp_8s_320ah", "lfp_16s_280ah", "leaf_2013_14s")  # FETs, separate ports, a pair of contactors
PAGE = data_path("docs", "reaction_times.md")
LOAD_A = 20.0  # flows on in the direction that is to open; more than the 1 A that counts as none
MARGIN_CYCLES = 2  # the design's
GRACE_CYCLES = 50  # after_request: 5 s
_SETTLED = 60  # cycles after which a sound pack is closed and quiet
_SEEN_WITHIN = 1  # cycles from a fault to the first value that shows it; ages aside
_CLOSED = 3


class NeverHappened(Exception):
    """The measurement went another way than it was meant to; the text says how."""


class Rig:
    """A node of `pack` on its bench, closed and at rest."""

    def __init__(self, pack: GuardedPack) -> None:
        self.limits = limits_object(limit_image(pack))
        self.bench = Bench(pack, node_database(), 1)
        self.hidden = DirectNode(self.limits, 1)
        self.node: Any = self.hidden.node
        self.now_ms = 0
        self.cycle({"link_v": sum(mv or 0 for mv in self.bench.cells_mv) / 1000})
        for _ in range(20):
            self.cycle()
        self.cycle({"request": {"ask": "close"}})
        for _ in range(_SETTLED):
            self.cycle()
        if self.bench.outputs & _CLOSED != _CLOSED:
            raise NeverHappened(f"{pack.pack} does not close")

    def cycle(self, change: Change | None = None) -> None:
        """One cycle, `change` set before it."""
        if change:
            wanted = Set.model_validate(change)
            self.now_ms += wanted.pause_ms or 0
            self.bench.apply(wanted)
        result = self.hidden.cycle(list(self.bench.frames(self.now_ms)), self.bench.reading(self.now_ms))
        self.bench.outputs = result.outputs
        self.now_ms += CYCLE_MS

    def beyond(self, n: int, column: str) -> bool:
        """Whether the last cycle saw row `n` beyond a tier."""
        rows, sign = self.node.rows, self.limits.SIGN[n]
        return bool(rows.known[n] and rows.values[n] * sign > getattr(self.limits, column)[n] * sign)


@dataclass(frozen=True)
class Course:
    """From the fault to the first value beyond, and from there to open, in ms; which row opened."""

    seen_ms: int
    open_ms: int
    by: str


@dataclass
class Reaction:
    """One line of the table; times in ms. `words` stands where nothing opens."""

    diagnosis: Diagnosis
    trip: str
    delay_ms: int = 0
    opens: str = ""
    courses: dict[str, Course] = field(default_factory=dict)
    bounds_ms: dict[str, int] = field(default_factory=dict)
    words: str = ""
    broken: str = ""


# --- measuring ---

class Probe:
    """Injects one row's fault into rigs of one pack."""

    def __init__(self, pack: GuardedPack, n: int, injection: Injection) -> None:
        self.pack = pack
        self.n = n
        self.row = BY_NUMBER[n]
        self.injection = injection
        self.limits = limits_object(limit_image(pack))
        self.direction = 1 if self.limits.TRIP_BLOCKS[n] == CHARGE else -1

    def threshold(self, column: str) -> float:
        """One count beyond the tier, in the row's unit."""
        counts: int = getattr(self.limits, column)[self.n] + self.limits.SIGN[self.n]
        return counts / self.row.counts

    def open_course(self, load_a: float = 0.0, above: Course | None = None) -> Course:
        """From the fault until nothing that the row blocks is closed. `above` is the course at 0 A: in the cycle in
        which it trips the current jumps beyond what the outputs can break."""
        rig = self._prepared(load_a)
        delay_ms = self.limits.DELAY[self.n] * CYCLE_MS
        begun_ms, seen_ms = rig.now_ms, None
        change: Change = dict(self.injection.change(self._value(above), self.pack))
        if "second_a" in change and load_a:
            change["second_a"] += load_a
        for _ in range(self.limits.DELAY[self.n] + 1000):
            at_ms = rig.now_ms - begun_ms + change.get("pause_ms", 0)
            if above and not self.injection.flows and at_ms == above.seen_ms + delay_ms:
                change["current_a"] = self._above_a
            rig.cycle(change)
            change = change if self.injection.late else {}
            if seen_ms is None and rig.beyond(self.n, "TRIP"):
                seen_ms = at_ms
            if seen_ms is not None and not rig.bench.outputs & self.limits.TRIP_BLOCKS[self.n]:
                return Course(seen_ms, at_ms - seen_ms, self._opener(rig.node))
        raise NeverHappened(f"{self.pack.pack}: {self.row.name} " + ("never opens" if seen_ms else "is never beyond"))

    def _opener(self, node: Any) -> str:
        """The row that opened: where this one asks first, another that opens now does not wait for it."""
        reason, limits = node.contactor.open_reason, self.limits
        if limits.AFTER_REQUEST[self.n]:
            reason = next((row for row in range(COUNT) if row != self.n and node.protect.state[row]
                           and limits.TRIP_BLOCKS[row] and not limits.AFTER_REQUEST[row]), reason)
        return BY_NUMBER[reason].name if reason < COUNT else "the request"

    @property
    def _above_a(self) -> float:
        return self.direction * (self.pack.contactor.break_max_a + 1)

    def _value(self, above: Course | None) -> float:
        value = self.threshold("TRIP")
        return max(value, abs(self._above_a)) if above and self.injection.flows else value

    def _prepared(self, load_a: float) -> Rig:
        rig = Rig(self.pack)
        before = self.injection.before(self.pack) if self.injection.before else {}
        for _ in range(_SETTLED):
            rig.cycle(before | ({"current_a": load_a} if load_a else {}))
        return rig

    def limit_course(self) -> Course:
        """From the fault until the allowance of what the limit tier forbids is 0, or that of the silent row."""
        rig = self._prepared(0.0)
        mask = self.limits.LIMIT_BLOCKS[self.n]
        change = self.injection.change(self.threshold("LIMIT"), self.pack)
        begun_ms, seen_ms = rig.now_ms, None
        for _ in range(self.limits.LIMIT[self.n] + self.limits.DELAY[self.n] + 100 if self.injection.age else 700):
            rig.cycle(change)
            change = {}
            at_ms = rig.now_ms - begun_ms - CYCLE_MS
            if seen_ms is None and rig.beyond(self.n, "LIMIT"):
                seen_ms = at_ms
            if seen_ms is not None and self._limited(rig.node.allowance, mask):
                return Course(seen_ms, at_ms - seen_ms, self.row.name)
        raise NeverHappened(f"{self.pack.pack}: {self.row.name} never limits")

    def _limited(self, allowance: Any, mask: int) -> bool:
        charge_ma: int = allowance.charge_ma
        discharge_ma: int = allowance.discharge_ma
        if mask:
            return not (mask & 1 and charge_ma) and not (mask & 2 and discharge_ma)
        silent = self.limits
        return bool(charge_ma <= silent.SILENT_CHARGE_MA and discharge_ma <= silent.SILENT_DISCHARGE_MA)


def reaction(pack: GuardedPack, n: int) -> Reaction:
    """Measures row `n` of `pack`."""
    row = BY_NUMBER[n]
    injection = INJECTIONS.get(row.name)
    line = Reaction(row, "—")
    if pack.limits[row.name].not_fitted:
        line.words = f"not fitted: {pack.limits[row.name].not_fitted}"
    elif injection is None:
        line.broken = "nobody says how to inject this fault (proof/injections.py)"
    else:
        try:
            _measure(line, Probe(pack, n, injection), pack)
        except NeverHappened as trouble:
            line.broken = str(trouble)
    return line


def _measure(line: Reaction, probe: Probe, pack: GuardedPack) -> None:
    limits, n, name = probe.limits, probe.n, probe.row.name
    line.delay_ms = limits.DELAY[n] * CYCLE_MS
    if abs(limits.TRIP[n]) == NEVER:
        _measure_limit(line, probe)
    elif not limits.TRIP_BLOCKS[n]:
        line.trip = _number(probe.row, pack.limits[name].trip)
        line.words = "opens nothing: it is told, and what it names is switched off"
    else:
        line.trip = _number(probe.row, pack.limits[name].trip)
        line.opens = pack.limits[name].open
        _measure_open(line, probe)


def _measure_open(line: Reaction, probe: Probe) -> None:
    n, injection, courses = probe.n, probe.injection, line.courses
    after_request = probe.limits.AFTER_REQUEST[n]
    bound_ms = line.delay_ms + MARGIN_CYCLES * CYCLE_MS
    if injection.opens_first:
        course = probe.open_course()
        line.words = "comes up after the outputs have opened" if course.open_ms == 0 else ""
        line.broken = "" if course.open_ms == 0 else f"outputs still closed when it came up: {course}"
        return
    if injection.flows:
        courses["load"] = probe.open_course()
    else:
        courses["0 A"] = probe.open_course()
        courses["load"] = probe.open_course(load_a=probe.direction * LOAD_A)
    courses["above"] = probe.open_course(above=next(iter(courses.values())))
    grace_ms = GRACE_CYCLES * CYCLE_MS if after_request else 0
    line.bounds_ms = {"0 A": bound_ms, "load": bound_ms + grace_ms,
                      "above": bound_ms + grace_ms + probe.limits.BREAK_HOLD_CYCLES * CYCLE_MS}
    _judge(line, probe)


def _measure_limit(line: Reaction, probe: Probe) -> None:
    limits, n = probe.limits, probe.n
    if abs(limits.LIMIT[n]) == NEVER or (not limits.LIMIT_BLOCKS[n] and not probe.injection.age):
        line.words = "opens nothing and limits nothing: it is told"
        return
    course = probe.limit_course()
    line.courses["limit"] = course
    line.bounds_ms = {"limit": line.delay_ms + MARGIN_CYCLES * CYCLE_MS}
    to = "0 A" if limits.LIMIT_BLOCKS[n] else f"{limits.SILENT_CHARGE_MA / 1000:g} A and " \
        f"{limits.SILENT_DISCHARGE_MA / 1000:g} A"
    line.words = f"opens nothing: allowance {to} {_seconds(course.seen_ms + course.open_ms)} after the fault"
    _judge(line, probe)


def _judge(line: Reaction, probe: Probe) -> None:
    column = "LIMIT" if "limit" in line.courses else "TRIP"
    age = getattr(probe.limits, column)[probe.n] + 1 if probe.injection.age else 0
    for name, course in line.courses.items():
        if course.open_ms > line.bounds_ms[name]:
            line.broken = f"{name}: {_seconds(course.open_ms)} is above its bound {_seconds(line.bounds_ms[name])}"
        if course.seen_ms > (age + _SEEN_WITHIN) * CYCLE_MS:
            line.broken = f"{name}: seen only {_seconds(course.seen_ms)} after the fault"


# --- telling ---

def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s"


def _number(row: Diagnosis, value: float | None) -> str:
    unit = {"degC": " °C", "1": "", "kOhm": " kΩ", "%": " %"}.get(row.unit, f" {row.unit}")
    return "—" if value is None else f"{value:g}{unit}"


def _cell_text(line: Reaction, name: str) -> str:
    course = line.courses.get(name)
    if course is None:
        return "—"
    waits_ms = GRACE_CYCLES * CYCLE_MS if line.opens == "after_request" and name != "0 A" else 0
    sooner = course.open_ms < line.delay_ms + waits_ms
    return _seconds(course.open_ms) + (f" by `{course.by}`" if sooner and course.by != line.diagnosis.name else "")


def _row_text(line: Reaction) -> str:
    name = f"`{line.diagnosis.name}`"
    if line.broken:
        return f"| {name} | {line.trip} | {_seconds(line.delay_ms)} | **BROKEN** | | | | {line.broken} |"
    if line.words:
        return f"| {name} | {line.trip} | {_seconds(line.delay_ms)} | — | — | — | — | {line.words} |"
    seen = next(iter(line.courses.values())).seen_ms
    cells = [_cell_text(line, column) for column in ("0 A", "load", "above")]
    remark = f"value beyond {_seconds(seen)} after the fault" if seen else ""
    return " | ".join(("| " + name, line.trip, _seconds(line.delay_ms), *cells,
                       f"{_seconds(line.bounds_ms['load'])}", remark)).rstrip() + " |"


_HEAD = """\
<!-- Generated by `python -m twolbms.proof.reaction`; never edited. `make node-proof` measures again and compares. -->
# Reaction times

From the cycle in which a value is first beyond its trip until the node commands open all that the row blocks, measured
on the node's real code by injecting each fault into a closed pack. The cycle is 0.1 s. Contactors and gate drivers come
on top.

- **0 A**: nothing flows. **load**: {load:g} A flow on in the direction that is to open, or the fault's own current.
- **above**: in the cycle of the trip the current jumps to 1 A above what the outputs can break.
- **bound**: `now`: the delay and 2 cycles; `after_request`: 5 s more while current flows. In the column *above* the
  pack's `break_hold_ms` comes on top. Where another limit opens sooner its name stands behind the time.
"""
_TABLE = """
## {title}

`{pack}`: outputs {outputs}, breaks {break_a:g} A, holds above it for {hold:.1f} s.

| limit | trip | delay | 0 A | load | above | bound | |
|---|---|---|---|---|---|---|---|
"""


def reactions(name: str) -> tuple[GuardedPack, list[Reaction]]:
    """All rows of one pack."""
    pack = load_guarded_pack(data_path("packs", f"{name}.yaml"))
    return pack, [reaction(pack, n) for n in range(COUNT)]


def page(measured: Sequence[tuple[GuardedPack, Sequence[Reaction]]]) -> str:
    """The text of docs/reaction_times.md."""
    parts = [_HEAD.format(load=LOAD_A)]
    for pack, lines in measured:
        parts.append(_TABLE.format(title=pack.title, pack=pack.pack, outputs=pack.outputs,
                                   break_a=pack.contactor.break_max_a, hold=pack.contactor.break_hold_ms / 1000))
        parts += [_row_text(line) + "\n" for line in lines]
    return "".join(parts)


def broken(measured: Sequence[tuple[GuardedPack, Sequence[Reaction]]]) -> Iterator[str]:
    """Every bound that does not hold."""
    for pack, lines in measured:
        yield from (f"{pack.pack}: {line.diagnosis.name}: {line.broken}" for line in lines if line.broken)


def stale(measured: Sequence[tuple[GuardedPack, Sequence[Reaction]]], path: Path) -> bool:
    """Whether the page is another than these measurements give."""
    return not path.is_file() or path.read_text(encoding="utf-8") != page(measured)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when a bound is broken, or with --check the page is stale."""
    parser = argparse.ArgumentParser(prog="python -m twolbms.proof.reaction", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; compare")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    measured = [reactions(name) for name in PACKS]
    faults = [f"BROKEN     {words}" for words in broken(measured)]
    if not options.check:
        options.page.write_text(page(measured), encoding="utf-8")
    elif stale(measured, options.page):
        faults.append(f"stale: {options.page} (python -m twolbms.proof.reaction)")
    print("\n".join(faults) or f"{sum(len(lines) for _, lines in measured)} rows, every bound holds")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
