"""`2lbms import`: a recorded CAN log into a journal or a database, with an account of every frame.

Exit status: 0 all of it was read; 1 something was read and something could not be; 2 nothing was, or nothing was begun.
What a way of importing needs is imported when it is taken: a short log costs mostly that.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from twolbms.importing.findings import Findings
    from twolbms.importing.readers.log_file import Progress

ALL_BITS = 0x1FFFFFFF


class ImportStopped(click.ClickException):
    """Says in one sentence why nothing was imported."""

    exit_code = 2


@dataclass(frozen=True)
class Options:
    """What both ways of importing take. `start_ns` is wall time of the first frame."""

    log: Path
    bus: int | None
    start_ns: int | None
    journal: Path | None
    site: str
    as_json: bool
    restart: bool


class _Start(click.ParamType[int]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from twolbms.cli.export import parse_time

        try:
            return value if isinstance(value, int) else parse_time(value, time.time_ns())
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)


class _Mask(click.ParamType[int]):
    name = "mask"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            mask = value if isinstance(value, int) else int(value, 0)
        except ValueError:
            mask = -1
        if not 0 < mask <= ALL_BITS:
            self.fail(f"{value!r}: expected bits of a 29-bit id, such as 0x1FFFFF00", param, ctx)
        return mask


@click.command("import")
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--pack", "pack_name", metavar="NAME", help="The observed pack the log is of, or its YAML file.")
@click.option("--dbc", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="Instead of --pack: every signal of this DBC; may be given several times.")
@click.option("--id-mask", type=_Mask(), default=ALL_BITS, metavar="BITS",
              help="Bits of a 29-bit id that name the message, with --dbc; the others become the tag `node` [all].")
@click.option("--bus", type=click.IntRange(min=0), metavar="N",
              help="Take only bus N: can1, or channel 2 of a Vector log, is bus 1.")
@click.option("--start", "start_ns", type=_Start(),
              help="When the first frame came, e.g. 2026-11-24T06:30:00Z [the log's calendar time, else 0].")
@click.option("--journal", type=click.Path(path_type=Path), metavar="DIR",
              help="New or empty folder for the records [import-<log name>-journal].")
@click.option("--influx", "url", metavar="URL", help="Send to this InfluxDB 2; with --dbc no journal is needed.")
@click.option("--org", metavar="NAME", help="Its organisation, with --influx.")
@click.option("--bucket", metavar="NAME", help="Its bucket, with --influx.")
@click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help="File with its token.")
@click.option("--site", default="import", metavar="NAME", show_default=True, help="Tag `site` of the points.")
@click.option("--restart", is_flag=True, help="Begin anew instead of where an earlier run came to.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as one JSON object.")
def import_command(
    log: Path, pack_name: str | None, dbc: tuple[Path, ...], id_mask: int, bus: int | None, start_ns: int | None,
    journal: Path | None, url: str | None, org: str | None, bucket: str | None, token_file: Path | None, site: str,
    restart: bool, as_json: bool
) -> None:
    """Import a CAN log: candump text, Vector ASC or BLF, MDF 4, PCAN trace or CSV, each also gzipped.

    With --pack in our quantities into a journal; with --dbc every signal into a database, or raw frames into a journal.
    """
    if bool(pack_name) == bool(dbc):
        raise click.UsageError("give either --pack NAME (a car's pack) or --dbc FILE (any CAN)")
    options = Options(log, bus, start_ns, journal, site, as_json, restart)
    where = _database(url, org, bucket, token_file)
    if dbc:
        from twolbms.cli.import_any_can import any_can

        status = any_can(options, dbc, id_mask, where)
    else:
        assert pack_name is not None
        if id_mask != ALL_BITS:
            raise click.UsageError("--id-mask goes with --dbc")
        status = _pack(options, pack_name, where)
    click.get_current_context().exit(status)


def _pack(options: Options, pack_name: str, where: tuple[str, str, str, Path] | None) -> int:
    """The way of a car's pack; its exit status."""
    from twolbms.config.errors import ConfigError
    from twolbms.importing.destination import JournalFailed, JournalRefused, default_folder
    from twolbms.importing.pack import find_pack, load_pack
    from twolbms.importing.readers.log_file import UnreadableLog
    from twolbms.importing.report import report_lines
    from twolbms.importing.run import Request, import_log

    log, folder = options.log, options.journal or default_folder(options.log)
    if where and not options.restart and (counts := _already_read(log, folder)):
        click.echo(f"{folder} holds this log already: going on with what the database has not got", err=True)
        _send(folder, where, options.site)
        click.echo(json.dumps(counts) if options.as_json else f"{log.name}: {counts['frames']:,} frames, all sent")
        return 0
    try:
        pack = load_pack(find_pack(pack_name))
        with progress_bar(log) as progress:
            findings = import_log(Request(log, pack, folder, options.bus, options.start_ns), progress)
        if where and findings.frames:
            _send(folder, where, options.site)
    except ConfigError as error:
        raise ImportStopped(_pack_words(pack_name, error)) from error
    except UnreadableLog as error:
        raise ImportStopped(f"{log} {error}") from error
    except (JournalRefused, JournalFailed) as error:
        raise ImportStopped(str(error)) from error
    except OSError as error:
        raise ImportStopped(f"{error.filename or log}: {error.strerror or error}") from error
    tell(log, options.as_json, findings.as_json, lambda: report_lines(findings, log, folder, options.bus),
         [*findings.problems, *findings.notes()])
    return _status(findings, log, options.bus)


def _already_read(log: Path, folder: Path) -> dict[str, Any] | None:
    """The counts of an earlier run of the same command that came to the end of the log; None where there was none."""
    from twolbms.importing.destination import finished_import
    from twolbms.importing.readers.log_file import boot_id_of

    try:
        return finished_import(folder, boot_id_of(log))
    except OSError:
        return None


def _send(folder: Path, where: tuple[str, str, str, Path], site: str) -> None:
    from twolbms.cli.import_influx import Database, DatabaseFailed

    try:
        Database(*where, site).send(folder)
    except DatabaseFailed as error:
        raise ImportStopped(str(error)) from error


def tell(log: Path, as_json: bool, told: Any, lines: Any, sentences: list[str]) -> None:
    """Prints the account, and on standard error what is wrong or may surprise."""
    click.echo(json.dumps(told()) if as_json else "\n".join(lines()))
    for sentence in sentences:
        click.echo(f"{log}: {sentence}", err=True)


def _database(url: str | None, org: str | None, bucket: str | None,
              token_file: Path | None) -> tuple[str, str, str, Path] | None:
    if url is None:
        return None
    if org is None or bucket is None or token_file is None:
        raise click.UsageError("--influx needs --org, --bucket and --token-file")
    return url, org, bucket, token_file


def _status(findings: Findings, log: Path, bus: int | None) -> int:
    if not (findings.frames or findings.error_frames or findings.remote_frames):
        click.echo(f"{log}: {no_frame(bus, findings.other_buses)}", err=True)
        return 2
    return 1 if findings.problems else 0


def no_frame(bus: int | None, others: set[str]) -> str:
    """Why there is nothing to tell."""
    where = f" on bus {bus}" if bus is not None else ""
    return f"no frame{where} in this log" + (f"; it has {', '.join(sorted(others))}" if others else "")


def _pack_words(name: str, error: Exception) -> str:
    from twolbms.importing.pack import find_pack, observed_packs

    if find_pack(name).exists():
        return str(error)
    return f"no pack {name!r}: expected one of {', '.join(observed_packs())}, or a YAML file"


@contextmanager
def progress_bar(log: Path) -> Iterator[Progress]:
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
