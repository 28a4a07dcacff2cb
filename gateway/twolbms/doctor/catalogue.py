"""Every rule of every subject, in the order of the page: for docs/doctor.md and the tests that hold it."""

from __future__ import annotations

from collections.abc import Iterator

from twolbms.doctor import (
    closed,
    database,
    devices,
    examine,
    folders,
    gateway,
    journal_health,
    listening,
    ports,
    python_packages,
    reaching,
    running,
    site_files,
    slcan,
    socketcan,
    time_of_day,
    token_files,
)
from twolbms.doctor.rules import Rule

SUBJECTS = {
    "Files": (site_files.told, token_files.told),
    "Folders and journal": (closed.told, folders.told, journal_health.told),
    "Machine": (time_of_day.told, python_packages.told),
    "Gateway": (gateway.told,),
    "Buses and ports": (socketcan.told, listening.told, slcan.told, ports.told),
    "Devices": (devices.told,),
    "What the running gateway sees": (running.told,),
    "Database": (reaching.told, database.told),
    "The doctor itself": (examine.told,),
}


def all_rules() -> Iterator[Rule]:
    """Each rule once."""
    for groups in SUBJECTS.values():
        for rules in groups:
            yield from rules


def page_rows() -> str:
    """The tables of docs/doctor.md."""
    lines = []
    for title, groups in SUBJECTS.items():
        lines += [f"### {title}", "", "| finding | | says | to do |", "|---|---|---|---|"]
        lines += [f"| `{rule.id}` | {rule.state} | {_cell(rule.says)} | {_cell(rule.do)} |"
                  for rules in groups for rule in rules]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
