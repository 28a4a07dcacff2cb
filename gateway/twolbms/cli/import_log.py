"""`2lbms import`: a recorded CAN log of a car pack into a journal of its own, with an account of every frame.

Exit status: 0 all of it was read; 1 something was read and something could not be; 2 nothing was, or nothing was begun.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from twolbms.cli.export import parse_time
from twolbms.cli.import_influx import Database, DatabaseFailed
from twolbms.config.errors import ConfigError
from twolbms.importing.destination import JournalFailed, JournalRefused, default_folder
from twolbms.importing.findings import Findings
from twolbms.importing.log_file import Progress, UnreadableLog
from twolbms.importing.pack import find_pack, load_pack, observed_packs
from twolbms.importing.report import report_lines
from twolbms.importing.run import Request, import_log


class ImportStopped(click.ClickException):
    """Says in one sentence why nothing was imported."""

    exit_code = 2


class _Start(click.ParamType[int]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else parse_time(value, time.time_ns())
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)


@click.command("import")
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--pack", "pack_name", required=True, metavar="NAME",
              help="The observed pack the log is of, or its YAML file.")
@click.option("--bus", type=click.IntRange(min=0), metavar="N",
              help="Take only bus N: can1, or channel 2 of a Vector log, is bus 1.")
@click.option("--start", "start_ns", type=_Start(),
              help="When the first frame came, e.g. 2026-11-24T06:30:00Z [the log's calendar time, else 0].")
@click.option("--journal", type=click.Path(path_type=Path), metavar="DIR",
              help="New or empty folder for the records [import-<log name>-journal].")
@click.option("--influx", "url", metavar="URL", help="Also send the records to this InfluxDB 2.")
@click.option("--org", metavar="NAME", help="Its organisation, with --influx.")
@click.option("--bucket", metavar="NAME", help="Its bucket, with --influx.")
@click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help="File with its token.")
@click.option("--site", default="import", metavar="NAME", show_default=True, help="Tag `site` of the points.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as one JSON object.")
def import_command(
    log: Path, pack_name: str, bus: int | None, start_ns: int | None, journal: Path | None, url: str | None,
    org: str | None, bucket: str | None, token_file: Path | None, site: str, as_json: bool
) -> None:
    """Import a CAN log: candump text, Vector ASC or BLF, each also gzipped."""
    folder = journal or default_folder(log)
    database = _database(url, org, bucket, token_file, site)
    try:
        pack = load_pack(find_pack(pack_name))
        with _progress(log) as progress:
            findings = import_log(Request(log, pack, folder, bus, start_ns), progress)
        if database and findings.frames:
            database.send(folder)
    except ConfigError as error:
        raise ImportStopped(_pack_words(pack_name, error)) from error
    except UnreadableLog as error:
        raise ImportStopped(f"{log} {error}") from error
    except (JournalRefused, JournalFailed, DatabaseFailed) as error:
        raise ImportStopped(str(error)) from error
    except OSError as error:
        raise ImportStopped(f"{error.filename or log}: {error.strerror or error}") from error
    if as_json:
        click.echo(json.dumps(findings.as_json()))
    else:
        click.echo("\n".join(report_lines(findings, log, folder, bus)))
    for sentence in [*findings.problems, *findings.notes()]:
        click.echo(f"{log}: {sentence}", err=True)
    click.get_current_context().exit(_status(findings, log, bus))


def _database(url: str | None, org: str | None, bucket: str | None, token_file: Path | None,
              site: str) -> Database | None:
    if url is None:
        return None
    if org is None or bucket is None or token_file is None:
        raise click.UsageError("--influx needs --org, --bucket and --token-file")
    return Database(url, org, bucket, token_file, site)


def _status(findings: Findings, log: Path, bus: int | None) -> int:
    if not (findings.frames or findings.error_frames or findings.remote_frames):
        where = f" on bus {bus}" if bus is not None else ""
        others = f"; it has {', '.join(sorted(findings.other_buses))}" if findings.other_buses else ""
        click.echo(f"{log}: no frame{where} in this log{others}", err=True)
        return 2
    return 1 if findings.problems else 0


def _pack_words(name: str, error: ConfigError) -> str:
    if find_pack(name).exists():
        return str(error)
    return f"no pack {name!r}: expected one of {', '.join(observed_packs())}, or a YAML file"


@contextmanager
def _progress(log: Path) -> Iterator[Progress]:
    """A progress bar on stderr when that is a terminal."""
    if not sys.stderr.isatty() or not log.is_file():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(log.name, total=log.stat().st_size)
        yield lambda done: bar.update(task, completed=done)
