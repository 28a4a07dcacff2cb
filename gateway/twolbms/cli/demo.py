"""`2lbms demo`: two simulated packs on real node firmware, a gateway, a story told from its journal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import tempfile
from collections.abc import Coroutine, Iterator
from os import environ
from pathlib import Path
from typing import Any, TypeVar

import click

from twolbms.build.micropython import Runtime, RuntimeMissing, find_runtime
from twolbms.cli.errors import BAD_INPUT, DIFFERS, FINE, INTERRUPTED
from twolbms.demo.hold import Hold
from twolbms.demo.influx import InfluxMissing, InfluxServer, find_server
from twolbms.demo.parts import PartFailed
from twolbms.demo.run import SPEED, STORY_S, Demo, Outcome
from twolbms.demo.setup import Places, Weather
from twolbms.demo.show import Show, choose_show
from twolbms.outlets.influx_setup import SetupFailed
from twolbms.outlets.view.screen import glyphs_for

T = TypeVar("T")


@click.command("demo")
@click.option("--speed", type=click.FloatRange(1, 40), default=SPEED, show_default=True, help=(
    "Story seconds in a second."))
@click.option("--no-weak-cell", is_flag=True, help="Take the weak cells away: what they cause is not told, exit 1.")
@click.option("--no-cold", is_flag=True, help="No cold morning: what it causes is not told, exit 1.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help=(
    "Folder in which journal, site file and logs stay; default: a temporary one, removed at the end."))
@click.option("--json", "as_json", is_flag=True, help=(
    "One JSON object on standard output; the story goes to standard error."))
@click.option("--ascii/--unicode", "ascii_only", default=None, help="Plain characters; default: by the locale.")
@click.option("--hold", is_flag=True, help="No story: keep running until Ctrl-C, start killed parts again after 10 s.")
@click.option("--influx", is_flag=True, help="With --hold: a real InfluxDB too (`make servers` builds one).")
@click.option("--pids", type=click.Path(path_type=Path, dir_okay=False), help="With --hold: file for `name pid` lines.")
@click.option("--acks", type=click.Path(path_type=Path, dir_okay=False), help=(
    "With --hold: file for every acknowledgement, one JSON line each."))
def demo_command(speed: float, no_weak_cell: bool, no_cold: bool, keep: Path | None, as_json: bool,
                 ascii_only: bool | None, hold: bool, influx: bool, pids: Path | None, acks: Path | None) -> int:
    """Watch real node firmware guard two simulated batteries, in about a minute and a half.

    A cold morning, a weak group of cells, a recovery, a gateway killed and started again. Every line told comes from an
    event read back from the journal. Exit status 0: all of it happened and every acknowledged record was found;
    1: something did not; 2: a part could not be started.
    """
    if not hold and (influx or pids or acks):
        raise click.UsageError("--influx, --pids and --acks belong to --hold")
    if not hold and keep and (keep / "journal").exists():
        raise click.UsageError(f"{keep} holds a journal already: the story needs a folder of its own")
    show = choose_show(glyphs_for(environ, ascii_only), as_json)
    try:
        server = find_server() if influx else None
        runtime = _runtime(show)
        with _places(keep) as places:
            if hold:
                influxd = InfluxServer(server, places) if server else None
                with contextlib.suppress(click.exceptions.Exit):  # stopping is how it ends
                    _until_stopped(Hold(places, runtime, show, pids, acks, influxd).run())
                return FINE
            _introduce(show, runtime, speed)
            demo = Demo(places, Weather(not no_weak_cell, not no_cold), runtime, show, speed)
            outcome = _until_stopped(demo.run())
    except (RuntimeMissing, InfluxMissing, PartFailed, SetupFailed) as error:
        click.echo(f"2lbms demo: {error}", err=True)
        return BAD_INPUT
    return _finish(outcome, as_json)


def _runtime(show: Show) -> Runtime:
    try:
        return find_runtime(fetch=False)
    except RuntimeMissing:
        click.echo("fetching a MicroPython to run the node firmware on (16 MB, once)", err=True)
        return find_runtime()


@contextlib.contextmanager
def _places(keep: Path | None) -> Iterator[Places]:
    with tempfile.TemporaryDirectory(prefix="2lbms-") as temporary:
        yield Places((keep or Path(temporary)).absolute(), Path(temporary) / "run")


def _introduce(show: Show, runtime: Runtime, speed: float) -> None:
    show.say(f"Two packs, each guarded by real node firmware on MicroPython {runtime.version} ({runtime.bits} bit); "
             f"{STORY_S / 60:.0f} minutes of story in about {STORY_S / speed:.0f} s.")


def _until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Runs to the end; SIGTERM ends it as Ctrl-C does, with nothing left behind."""
    async def guarded() -> T:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        return await task

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise click.exceptions.Exit(INTERRUPTED) from None


def _finish(outcome: Outcome | None, as_json: bool) -> int:
    if outcome is None:
        return INTERRUPTED
    click.echo(json.dumps(outcome.as_dict()) if as_json else outcome.as_text())
    return FINE if outcome.ok else DIFFERS
