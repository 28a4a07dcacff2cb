"""`2lbms doctor`: what is wrong with a site's files, buses, packs, devices and database, and what to type next."""

from __future__ import annotations

import json
from os import environ
from pathlib import Path

import click

from twolbms.cli.errors import BAD_INPUT, DIFFERS, FINE
from twolbms.doctor.examine import Report, examine
from twolbms.doctor.page import page
from twolbms.outlets.view.screen import console_for, glyphs_for


@click.command("doctor")
@click.argument("site", type=click.Path(path_type=Path), default=Path("site.yaml"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option("--ascii/--unicode", "ascii_only", default=None, help="Plain characters; default: by the locale.")
def doctor_command(site: Path, as_json: bool, ascii_only: bool | None) -> int:
    """Say what is wrong with a bus, a device, a database or a file of SITE, and what to type next.

    Takes about three seconds and never more than ten. Changes nothing. A running gateway is asked; without one, buses
    and devices are opened and listened to for a moment. SITE is by default site.yaml here. Exit status 0: nothing is
    wrong, though something may be worth a look; 1: something is wrong; 2: the site file cannot be used as it is.
    """
    report = examine(site)
    if as_json:
        click.echo(json.dumps(_as_json(report)))
    else:
        _print(report, ascii_only)
    return BAD_INPUT if not report.readable else DIFFERS if report.count("bad") else FINE


def _as_json(report: Report) -> dict[str, object]:
    return {"ok": report.readable and not report.count("bad"), "file": str(report.file), "site": report.site,
            "findings": [{"section": section, **finding._asdict()}
                         for section, findings in report.sections.items() for finding in findings]}


def _print(report: Report, ascii_only: bool | None) -> None:
    console = console_for()
    for line in page(report, console.width, glyphs_for(environ, ascii_only)):
        if console.is_terminal:
            console.print(line)
        else:
            click.echo(line.plain.rstrip())
