"""The way of `2lbms import --dbc`: any CAN log to a database, or its raw frames into a journal."""

from __future__ import annotations

from pathlib import Path

import click

from twolbms.cli.errors import BAD_INPUT, DIFFERS, FINE, INTERRUPTED
from twolbms.cli.import_log import ImportStopped, Options, no_frame, progress_bar, tell
from twolbms.importing.any_can.account import Account, account_lines
from twolbms.importing.any_can.databases import DbcUnusable
from twolbms.importing.any_can.run import Request, Unfinished, import_any_can
from twolbms.importing.destination import JournalFailed, JournalRefused, default_folder
from twolbms.importing.readers.log_file import UnreadableLog


def any_can(options: Options, dbc: tuple[Path, ...], id_mask: int, where: tuple[str, str, str, Path] | None) -> int:
    """Imports, tells the account; the exit status."""
    log = options.log
    folder = options.journal or (None if where else default_folder(log))
    target = None
    if where:
        from twolbms.outlets.influx_target import InfluxTarget

        target = InfluxTarget(options.site, *where)
    request = Request(log, dbc, id_mask, options.site, folder, target, options.bus, options.start_ns, options.restart)
    try:
        with progress_bar(log) as progress:
            account = import_any_can(request, progress, told_resumed=_tell_resumed)
    except UnreadableLog as error:
        raise ImportStopped(f"{log} {error}") from error
    except (DbcUnusable, JournalRefused, JournalFailed) as error:
        raise ImportStopped(str(error)) from error
    except Unfinished as error:
        click.echo(f"{log}: {error}", err=True)
        return INTERRUPTED if error.interrupted else DIFFERS if error.stored else BAD_INPUT
    except OSError as error:
        raise ImportStopped(f"{error.filename or log}: {error.strerror or error}") from error
    destinations = [f"raw frames in {folder}"] if folder and account.tally.frames else []
    if where:
        destinations.append(f"every signal in {where[2]} at {where[0]}")
    tell(log, options.as_json, account.as_json, lambda: account_lines(account, log.name, destinations),
         [*account.problems, *account.notes])
    return _status(account, log, options.bus)


def _tell_resumed(rows: int) -> None:
    click.echo(f"an earlier run came to frame {rows:,}: going on there (--restart begins anew)", err=True)


def _status(account: Account, log: Path, bus: int | None) -> int:
    tally = account.tally
    if not (tally.frames or tally.error_frames or tally.remote_frames):
        click.echo(f"{log}: {no_frame(bus, tally.other_buses)}", err=True)
        return BAD_INPUT
    return DIFFERS if account.problems else FINE
