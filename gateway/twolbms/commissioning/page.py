"""A record as a page for people: Markdown that also reads as plain text."""

from __future__ import annotations

import textwrap
from typing import Any

from twolbms.commissioning.record import Record

FIT, NOT_FIT = "Fit to close", "NOT fit to close"
_WIDTH = 100


def page(record: Record) -> str:
    """The whole page."""
    lines = [f"# Commissioning of {record.serial}", "", f"**{FIT if record.fit else NOT_FIT}**", "", *_head(record), "",
             "| step | result | what |", "|---|---|---|"]
    for name in record.required:
        found = record.result(name)
        if found is None:
            lines.append(f"| {name} | not done | |")
        else:
            lines.append(f"| {found.title} | {found.result} | {_cell(found.reason)} |")
    for found in record.steps:
        if found.measured:
            lines += ["", f"## {found.title}", "", f"{found.at}", ""]
            lines += [line for key, value in found.measured.items() for line in _measured(key, value)]
    return "\n".join(lines) + "\n"


def _head(record: Record) -> list[str]:
    rows = [("node", f"{record.number}, serial {record.serial}, {record.board}"), ("pack", record.pack),
            ("limits", record.limit_hash), ("firmware", record.firmware), ("tool", f"2lbms {record.tool}"),
            ("by", record.who), ("begun", record.begun), ("finished", record.finished or "not yet"),
            ("record", record.id or "none")]
    return [f"- {name}: {value}" for name, value in rows]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _measured(key: str, value: Any) -> list[str]:
    text = ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
    return textwrap.wrap(f"- {key}: {text}", _WIDTH, subsequent_indent="  ")
