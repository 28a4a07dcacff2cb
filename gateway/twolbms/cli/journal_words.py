"""What a survey of a journal says, as JSON and as lines for a terminal. Reads no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from twolbms.journal import Event, JournalReader, Wall
from twolbms.journal.gaps import DROPPED, GAP, LOST
from twolbms.journal.repair import Mended
from twolbms.journal.segments import Span
from twolbms.journal.survey import Damage, Survey

Told = dict[str, Any]

NS = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_DOUBTS = {
    "guessed": "guessed: no network time and no hardware clock for ten minutes, so the machine's own was taken",
    None: "none: the wall time was never known; these records have no place in time, and no database has them"}
_MOST_LINES = 20


def size_text(size: float) -> str:
    """Bytes in the unit that people read: "412 MiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def span_text(seconds: float) -> str:
    """A length of time in its two largest units: "4 min 7 s"."""
    if seconds < 10:
        return f"{seconds:.3g} s"
    parts, left = [], round(seconds)
    for unit_s, name in _UNITS:
        count, left = divmod(left, unit_s)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def time_text(time_ns: int | None) -> str:
    """UTC to the second; a time that is not known is said to be so."""
    if time_ns is None:
        return "an unknown time"
    return f"{_EPOCH + timedelta(seconds=time_ns // NS):%Y-%m-%d %H:%M:%S}"


def _placed(time_ns: int | None, boot_id: str | None, walls: dict[str, Wall]) -> int | None:
    wall = walls.get(boot_id or "")
    return None if time_ns is None or wall is None else time_ns + wall.offset_ns


# --- check ---

def survey_told(folder: Path, found: Survey, holes: Told, kept: Sequence[str]) -> Told:
    """Everything that `check` knows; times are nanoseconds since 1970, None where they are not known."""
    damage = [_damage_told(one, found.walls) for one in found.damage]
    boots = [_boot_told(span, found.walls) for span in found.boots.values()]
    problems = [*found.other]
    if found.bad_boot_lines:
        problems.append(f"boots: {found.bad_boot_lines} damaged lines; a boot whose line is lost has no wall time")
    return {"ok": not (damage or problems), "journal": str(folder), "families": _families_told(found), "boots": boots,
            "damage": damage, "problems": problems, "kept_bad": [*kept], **holes}


def _families_told(found: Survey) -> Told:
    told: Told = {}
    for family, one in found.families.items():
        ends = [(_placed(span.first_ns, boot_id, found.walls), _placed(span.last_ns, boot_id, found.walls))
                for boot_id, span in one.spans.items()]
        known = [(first, last) for first, last in ends if first is not None and last is not None]
        told[family] = {"records": one.records, "bytes": one.bytes, "segments": one.segments,
                        "from_ns": min((first for first, _ in known), default=None),
                        "to_ns": max((last for _, last in known), default=None)}
    return told


def _boot_told(span: Span, walls: dict[str, Wall]) -> Told:
    wall = walls.get(span.boot_id)
    return {"boot": span.boot_id, "clock": wall.quality if wall else None, "records": span.records,
            "from_ns": _placed(span.first_ns, span.boot_id, walls), "to_ns": _placed(span.last_ns, span.boot_id, walls),
            "seconds": (span.last_ns - span.first_ns) / NS}


def _damage_told(one: Damage, walls: dict[str, Wall]) -> Told:
    return {"file": one.file, "from_byte": one.offset, "to_byte": one.end, "problem": one.problem,
            "records": one.records, "boot": one.boot_id, "from_ns": _placed(one.from_ns, one.boot_id, walls),
            "to_ns": _placed(one.to_ns, one.boot_id, walls)}


def survey_lines(told: Told) -> Iterator[str]:
    """`check` for people."""
    total = sum(family["bytes"] for family in told["families"].values())
    yield click.style(told["journal"], bold=True) + f"  {size_text(total)}"
    yield ""
    yield click.style(f"{'family':8} {'records':>14} {'size':>9} {'files':>6}  {'from (UTC)':19}  to", dim=True)
    for name, family in told["families"].items():
        ends = f"  {time_text(family['from_ns'])}  {time_text(family['to_ns'])}" if family["from_ns"] else ""
        yield f"{name:8} {family['records']:>14,} {size_text(family['bytes']):>9} {family['segments']:>6}{ends}"
    yield ""
    yield from _boot_lines(told["boots"])
    yield from hole_lines(told)
    yield from _damage_lines(told)


def _boot_lines(boots: list[Told]) -> Iterator[str]:
    yield click.style(f"{f'boots {len(boots)}':8}  {'clock':8} {'records':>14}  {'from (UTC)':19}  lasting", dim=True)
    for boot in _few(boots):
        when = time_text(boot["from_ns"]) if boot["clock"] else ""
        text = (f"{boot['boot'][:8]}  {boot['clock'] or 'none':8} {boot['records']:>14,}  {when:19}  "
                f"{span_text(boot['seconds'])}")
        yield click.style(text, fg="yellow") if boot["clock"] in _DOUBTS else text
    yield from _rest(boots)
    yield from (f"  clock {words}" for clock, words in _DOUBTS.items() if any(boot["clock"] == clock for boot in boots))
    yield ""


def _damage_lines(told: Told) -> Iterator[str]:
    found = told["damage"]
    if told["ok"]:
        yield "damage   " + click.style("none: every block is as it was written", fg="green")
    else:
        yield "damage   " + click.style(f"{len(found) + len(told['problems'])} places", fg="red")
    for one in _few(found):
        yield f"  {one['file']} from byte {one['from_byte']} to {one['to_byte']}: {one['problem']}"
        yield f"    {_cost(one)}"
    yield from _rest(found)
    yield from (f"  {problem}" for problem in told["problems"])
    if told["kept_bad"]:
        yield f"kept     {len(told['kept_bad'])} damaged files of a repair; remove them with --remove-bad of repair"
    if not told["ok"]:
        yield "Stop the gateway and run `2lbms journal repair`: it loses no record that can still be read."


def _cost(one: Told) -> str:
    when = f"between {time_text(one['from_ns'])} and {time_text(one['to_ns'])}"
    if one["from_ns"] is None and one["to_ns"] is None:
        when = "at a time that nothing tells"
    if one["records"] is not None:
        return f"costs {one['records']:,} records {when}"
    return f"costs what was recorded {when}, {size_text(one['to_byte'] - one['from_byte'])} of it"


def _few(rows: list[Told]) -> list[Told]:
    return rows[-_MOST_LINES:]


def _rest(rows: list[Told]) -> Iterator[str]:
    if len(rows) > _MOST_LINES:
        yield f"  and {len(rows) - _MOST_LINES} more before these; --json has all"


# --- gaps ---

def holes_of(reader: JournalReader) -> Told:
    """Each time in which nobody wrote, and each loss."""
    found: dict[str, list[Told]] = {GAP: [], LOST: [], DROPPED: []}
    for block in reader.blocks("event"):
        for event in block.records:
            if isinstance(event, Event) and event.kind in found:
                found[event.kind].append({"time_ns": event.time_ns if block.wall_known else None, **_ends(
                    event.data, block.wall_known)})
    return {"gaps": found[GAP], "lost": found[LOST], "dropped": found[DROPPED]}


def _ends(data: Told, wall_known: bool) -> Told:
    from_ns, to_ns = data.get("from_ns"), data.get("to_ns")
    seconds = (to_ns - from_ns) / NS if isinstance(from_ns, int) and isinstance(to_ns, int) else None
    return {**data, "from_ns": from_ns if wall_known else None, "to_ns": to_ns if wall_known else None,
            "seconds": seconds}


def hole_lines(told: Told) -> Iterator[str]:
    """`gaps` for people."""
    yield f"gaps     {len(told['gaps']) or 'none: the gateway has written all the time'}"
    for gap in _few(told["gaps"]):
        length = _length_text(gap["seconds"])
        begun = _end_text(gap["from_ns"], "the end of boot", gap.get("from_boot"))
        ended = _end_text(gap["to_ns"], "the start of boot", gap.get("to_boot"))
        yield f"  {begun} to {ended}{length}: {gap.get('reason', 'no reason')}"
    yield from _rest(told["gaps"])
    lost = sum(loss.get("count", 0) for loss in told["lost"])
    yield "lost     " + (click.style(f"{lost:,} records", fg="red") if lost else click.style("none", fg="green"))
    for loss in _few(told["lost"]):
        counts = ", ".join(f"{loss[family]:,} {family}s" for family in ("sample", "event", "frame", "reading")
                           if family in loss)
        yield (f"  {counts} from {time_text(loss['from_ns'])} to {time_text(loss['to_ns'])}: "
               f"{loss.get('reason', 'no reason')}")
    yield from _rest(told["lost"])
    if told["dropped"]:
        count = sum(drop.get("count", 0) for drop in told["dropped"])
        yield click.style(f"dropped  {count:,} of the oldest raw records, to make room on a full disk", fg="yellow")


def _length_text(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f" ({span_text(seconds)})" if seconds >= 0 else f" (the clock went back by {span_text(-seconds)} or more)"


def _end_text(time_ns: int | None, words: str, boot_id: str | None) -> str:
    return f"{words} {boot_id[:8]}" if time_ns is None and boot_id else time_text(time_ns)


# --- repair ---

def repair_told(folder: Path, done: Sequence[Mended], removed: Sequence[str], left: Sequence[str],
                kept: Sequence[str]) -> Told:
    """What a repair did and what it could not do."""
    return {"ok": not left, "journal": str(folder), "mended": [mended._asdict() for mended in done],
            "removed": [*removed], "left": [*left], "kept_bad": [*kept]}


def repair_lines(told: Told) -> Iterator[str]:
    """`repair` for people."""
    for mended in told["mended"]:
        yield f"{mended['file']}: {mended['text']}; the old file is kept as {mended['bad']}"
    for name in told["removed"]:
        yield f"{name}: removed"
    if not told["mended"] and not told["removed"]:
        yield f"{told['journal']}: nothing to mend"
    yield from (click.style(f"cannot be mended: {problem}", fg="red") for problem in told["left"])
    if told["mended"] and told["kept_bad"]:
        yield "Once all is well: `2lbms journal repair --remove-bad` removes the kept files."
