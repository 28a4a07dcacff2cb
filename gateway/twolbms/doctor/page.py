"""The report as a page for a terminal: a line a finding, what to do below it, the verdict last. Looks at nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rich.text import Text

from twolbms.doctor.examine import Report
from twolbms.doctor.rules import Finding, State
from twolbms.outlets.view.palette import BAD, FRAME, KNOWN, NO_DATA, PERMITTED, STRONG, WARN, Glyphs

_WIDEST = 110  # longer lines are hard to read
_LAST = ("check.",)
_RIGHTS = ("token.", "port.forbidden", "folder.closed", "folder.not_writable", "folder.other_owner",
           "folder.cannot_be_made", "database.no_token", "database.wrong_token", "database.no_right",
           "journal.unreadable", "dbc.unreadable")
_UNREACHABLE = ("server.", "port.", "can.absent", "can.no_", "can.overlay", "can.down", "can.virtual_down",
                "database.not_influx", "folder.not_a_folder")
_WRITTEN = ("site.", "pack_file.", "dbc.")
_FIRST = {4: _LAST, 3: _RIGHTS, 0: _WRITTEN, 1: _UNREACHABLE}  # looked through in this order
_REST = 2
_STYLES: dict[State, str] = {"good": PERMITTED, "warn": WARN, "bad": BAD, "unknown": NO_DATA}
_MARKS: dict[State, str] = {"good": "✓", "warn": "!", "bad": "✗", "unknown": "?"}
_PLAIN_MARKS: dict[State, str] = {"good": "ok", "warn": "!", "bad": "X", "unknown": "?"}


def page(report: Report, width: int, glyphs: Glyphs) -> Iterator[Text]:
    """The lines, at most `width` columns each as far as words and paths allow."""
    width = min(width, _WIDEST)
    dot = f" {glyphs.dot} "
    yield Text.assemble(("2lbms doctor", STRONG), f"{dot}{report.site}{dot}", (str(report.file), NO_DATA))
    subjects = max((len(finding.subject) for finding in report.findings), default=0)
    for section, findings in report.sections.items():
        if findings:
            yield Text()
            yield Text(section, FRAME)
        for finding in findings:
            yield from _finding(finding, subjects, width, glyphs)
    yield Text()
    yield from _verdict(report, width, glyphs)


def _finding(finding: Finding, subjects: int, width: int, glyphs: Glyphs) -> Iterator[Text]:
    style = _STYLES[finding.state]
    mark = (_PLAIN_MARKS if glyphs.ascii_only else _MARKS)[finding.state]
    before = f"{mark:>{3 if glyphs.ascii_only else 2}} "
    indent = len(before) + subjects + 2
    told = _wrapped(finding.sentence, max(width - indent, 30), glyphs)
    subject = (f"{finding.subject:{subjects}}  ", STRONG if finding.state == "bad" else KNOWN)
    first = Text.assemble((before, style), subject)
    yield first.append(told[0], NO_DATA if finding.state == "good" else KNOWN)
    yield from (Text(" " * indent + line, NO_DATA if finding.state == "good" else KNOWN) for line in told[1:])
    if finding.do:
        arrow = "-> " if glyphs.ascii_only else "→ "
        for number, line in enumerate(_wrapped(finding.do, max(width - indent - len(arrow), 30), glyphs)):
            yield Text.assemble(" " * indent, (arrow if number == 0 else " " * len(arrow), style), (line, FRAME))


def rank(finding: Finding) -> int:
    """Where to begin: what a person wrote, then what cannot be reached, the rest, rights and tokens, our own faults."""
    return next((number for number, ids in _FIRST.items() if finding.id.startswith(ids)), _REST)


def _wrapped(text: str, width: int, glyphs: Glyphs) -> list[str]:
    """Lines broken between words: a path or a command keeps its hyphens together."""
    return textwrap.wrap(glyphs.plain(text), width, break_on_hyphens=False, break_long_words=False) or [""]


def _verdict(report: Report, width: int, glyphs: Glyphs) -> Iterator[Text]:
    bad, warn, unknown, good = (report.count(state) for state in ("bad", "warn", "unknown", "good"))
    parts = [(f"{bad} wrong", BAD if bad else NO_DATA), (f"{warn} to look at", WARN if warn else NO_DATA),
             (f"{unknown} not known", NO_DATA), (f"{good} good", PERMITTED if good else NO_DATA)]
    line = Text()
    for text, style in parts:
        line.append(f" {glyphs.dot} " if line else "").append(text, style)
    yield line
    worst = min((finding for finding in report.findings if finding.state == "bad"), key=rank, default=None)
    if worst is None:
        yield Text("Nothing is wrong." if not warn else "Nothing is wrong; what has a ! may become so.", PERMITTED)
        return
    for text in _wrapped(f"Begin with: {worst.subject}. {worst.do[:1].upper()}{worst.do[1:]}", width, glyphs):
        yield Text(text, STRONG)
