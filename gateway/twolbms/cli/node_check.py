"""`2lbms node check`: walks a builder through commissioning, and tells the node that it may close when all is well."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from os import environ
from pathlib import Path

import click

from twolbms.build.columns import limit_image
from twolbms.build.flash import ISOLATION, QUESTION
from twolbms.build.node_port import PortError, SerialNodePort
from twolbms.build.service_console import ServiceConsole, Version
from twolbms.build.service_state import NotInServiceError
from twolbms.cli.errors import DIFFERS, FINE
from twolbms.cli.node_build import pack_file
from twolbms.commissioning.console_bench import ConsoleBench
from twolbms.commissioning.page import FIT, NOT_FIT, page
from twolbms.commissioning.readings import Bench, BenchError, Facts
from twolbms.commissioning.record import FOLDER, Record, begin, file_for, newest, save
from twolbms.commissioning.steps import STEPS, steps_for
from twolbms.commissioning.terminal import Terminal
from twolbms.commissioning.walk import QuitWalk, SkipStep, Walk
from twolbms.config.load import load_model
from twolbms.config.pack import GuardedPack

_STEP_NAMES = [step.name for step in STEPS]


def _list(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        width = max(map(len, _STEP_NAMES))
        for number, step in enumerate(STEPS, 1):
            click.echo(f"{number:2}  {step.name:{width}}  {step.title}")
        ctx.exit()


@click.command("check")
@click.option("--port", required=True, help="The node's console: a serial device, a pty or socket://host:port.")
@click.option("--who", help="Who checks, for the record; asked for where it is not given.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=FOLDER, show_default=True,
              help="Where the records lie.")
@click.option("--pack", help="The pack's YAML where it is not one of ours: sensors are called by their places.")
@click.option("--again", metavar="STEP", multiple=True, type=click.Choice(_STEP_NAMES),
              help="Do this step again although it has passed; may be repeated.")
@click.option("--fresh", is_flag=True, help="Begin a new record instead of going on with the last one.")
@click.option("--isolated", is_flag=True, help="Says that the port is isolated from the pack, instead of being asked.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON at the end; the talk goes to stderr.")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="Print the steps.")
def check_command(port: str, who: str | None, folder: Path, pack: str | None, again: Sequence[str], fresh: bool,
                  isolated: bool, as_json: bool) -> int:
    """Walk through commissioning: every wire, sensor and output, before anything may close.

    The node is asked into service and stays open; an output goes on for one second at most, one at a time, while the
    arming input is held. The record is kept after every step, in FOLDER/SERIAL-DATE.json and .md: stop with quit and go
    on another day. When every step has passed the node is told, and may close from its next start on. See
    docs/commissioning.md. Exit status 0: fit to close; 1: not, or not yet; 2: not reached, and why.
    """
    if not isolated:
        click.echo(ISOLATION, err=True)
        click.confirm(QUESTION, abort=True, err=True)
    who = who or click.prompt("Who checks", err=True)
    try:
        console = ServiceConsole(SerialNodePort(port), lambda line: click.echo(line, err=True))
        version = console.begin()
        try:
            bench = ConsoleBench(console, version, *_of_pack(version, pack))
            record = check(bench, _terminal(as_json), who, folder, again, fresh)
        finally:
            console.leave()
    except (NotInServiceError, PortError, BenchError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(record.model_dump_json())
    return FINE if record.fit and record.finished else DIFFERS


def _found(facts: Facts, folder: Path, required: list[str]) -> tuple[Path, Record] | None:
    """The record to go on with. One that was finished counts only while the node carries its mark: a node that has lost
    it has a new contactor, or is another one."""
    try:
        found = newest(facts, folder, required)
    except ValueError as error:
        raise BenchError(f"{error}; move it away, or begin anew with --fresh") from error
    lost = found is not None and found[1].finished and found[1].fit and found[1].id != facts.commissioned
    return None if lost else found


def check(bench: Bench, person: Terminal, who: str, folder: Path, again: Sequence[str] = (), fresh: bool = False,
          ) -> Record:
    """The walk, the record, and the word to the node at its end. Raises BenchError."""
    facts = bench.facts()
    if not facts.serial:
        raise BenchError("the node has no serial yet: 2lbms node config --port … --set number=1 --set serial=…")
    steps = steps_for(facts)
    found = None if fresh else _found(facts, folder, [step.name for step in steps])
    path, record = found or _new(facts, who, folder)
    record.who = who
    person.greet([f"Commissioning of {facts.serial or 'a node without a serial'}, {facts.pack}; record: {path}",
                  *([f"Going on with the one of {record.begun[:10]}."] if found else [])])

    def keep(now: Record) -> None:
        save(now, path)
        path.with_suffix(".md").write_text(page(now), encoding="utf-8")

    Walk(bench, person, record, keep, time.monotonic, _now).run(facts, steps, again)
    _end(bench, person, record, bool(facts.commissioned))
    keep(record)
    return record


def _new(facts: Facts, who: str, folder: Path) -> tuple[Path, Record]:
    record = begin(facts, steps_for(facts), who, _tool(), _now())
    return file_for(record, folder), record


def _end(bench: Bench, person: Terminal, record: Record, marked: bool) -> None:
    """Says what is missing, or tells the node that it may close. What has failed takes an earlier mark away."""
    if record.fit:
        mark = record.finish(_now())
        trouble = _told(bench, person, mark, "Every step has passed. Hold the arming input: the node is told that it "
                                             "may close.")
        if not trouble:
            person.verdict(True, f"{FIT}: record {mark}; from its next start on the node closes when it is asked")
            return
        record.finished, record.id = None, ""
        person.verdict(False, f"{NOT_FIT}: the node was not told ({trouble}); run this again")
        return
    if marked and record.failed:
        trouble = _told(bench, person, "", "The node may close by an earlier check. Hold the arming input: that is "
                                           "taken back.")
        if trouble:
            person.verdict(False, f"The node may still close, by an earlier check: it was not told ({trouble})")
    person.verdict(False, f"{NOT_FIT}: {', '.join(record.open_steps())}")


def _told(bench: Bench, person: Terminal, mark: str, text: str) -> str:
    """Why the node was not told, or ""."""
    try:
        person.ready(text)
        bench.commission(mark)
    except (SkipStep, QuitWalk) as left_out:
        return str(left_out) or "left out"
    except BenchError as error:
        return str(error)
    return ""


def _of_pack(version: Version, pack: str | None) -> tuple[list[str], list[str], list[str]]:
    """Places of the sensors, rows whose part is not fitted, outputs that make no sound: of the pack's YAML, where it
    is the one the node was built for."""
    try:
        model = load_model(pack_file(pack or version.pack), GuardedPack)
    except click.UsageError:
        if pack:
            raise
        return [], [], []
    if f"{limit_image(model).hash32:08X}" != version.limit_hash:
        click.echo(f"2lbms: {pack or version.pack} has other limits than the node's image; its names are not used",
                   err=True)
        return [], [], []
    gone = [name for name, row in model.limits.items() if row.not_fitted]
    silent = ["charge", "discharge", "both"] if model.outputs == "fets" else []
    return list(model.sensors.temperatures), gone, silent


def _terminal(as_json: bool) -> Terminal:
    from rich.console import Console

    from twolbms.outlets.view.screen import shows_unicode

    console = Console(stderr=as_json, highlight=False, emoji=False, markup=False)
    return Terminal(console, shows_unicode(environ))


def _tool() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("2lbms")
    except PackageNotFoundError:
        return "not installed"


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
