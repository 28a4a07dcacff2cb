"""`2lbms journal`: is a journal whole, when did nobody write, mend it, and how long will the card last."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from twolbms.cli import journal_words as words
from twolbms.cli.errors import BAD_INPUT, DIFFERS, FINE
from twolbms.cli.journal_card import AMPLIFICATION, card_lines, card_told
from twolbms.config.path_state import as_owner, closed_to_me, refused_words, state_of
from twolbms.config.site import Site, load_site
from twolbms.journal import JournalBusyError, JournalReader, Retention
from twolbms.journal.repair import kept_bad, remove_bad, repair
from twolbms.journal.survey import Survey, survey
from twolbms.journal.wear import growth

_PLACE = click.argument("place", metavar="FOLDER|SITE", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


class NoJournalError(click.ClickException):
    """Says in one sentence why there is no journal to look at."""

    exit_code = BAD_INPUT


class _Journals(click.Group):
    """Its commands, with a sentence for a journal that is closed to the user who asks."""

    def invoke(self, ctx: click.Context) -> Any:
        """The command. Raises NoJournalError where a file or folder may not be read."""
        try:
            return super().invoke(ctx)
        except PermissionError as error:
            raise NoJournalError(refused_words(error, Path.cwd())) from error


@click.group("journal", cls=_Journals)
def journal_command() -> None:
    """Look after the journal: a journal's FOLDER, or the SITE file that names it.

    All but `repair` also work while the gateway runs. Exit status 0: fine; 1: something is damaged or lost;
    2: a file or argument is wrong.
    """


def _journal(place: Path) -> tuple[Path, Site | None]:
    site = load_site(place) if state_of(place) == "there" and place.is_file() else None
    folder = site.journal_folder if site else place
    if (closed := closed_to_me(folder)) is not None:
        raise NoJournalError(f"{folder} cannot be looked at: {as_owner(closed)}")
    if not folder.is_dir():
        raise NoJournalError(f"{folder}: there is no such journal folder")
    if not any((folder / name).exists() for name in ("lock", "boots", *Retention._fields)):
        raise NoJournalError(f"{folder}: this is no journal, it has no folder of records; give the folder that holds "
                             "sample and event, or the site file")
    return folder, site


def _surveyed(folder: Path) -> Survey:
    size = sum(path.stat().st_size for path in folder.rglob("*.seg"))
    if not sys.stderr.isatty():
        return survey(folder)
    with click.progressbar(length=size, label="reading", file=sys.stderr) as bar:
        return survey(folder, bar.update)


def _tell(as_json: bool, told: dict[str, Any], lines: Any) -> None:
    if as_json:
        click.echo(json.dumps(told))
        return
    for line in lines:
        click.echo(line)


@journal_command.command("check", short_help="is every block as it was written, and what is in it")
@_PLACE
@_JSON
def check_command(place: Path, as_json: bool) -> int:
    """Read every block and tell what the journal holds, what of it is damaged, and when nobody wrote.

    Exit status 0: every byte is as it was written; 1: something is damaged or missing.
    """
    folder, _ = _journal(place)
    found = _surveyed(folder)
    told = words.survey_told(folder, found, words.holes_of(JournalReader(folder)), kept_bad(folder))
    _tell(as_json, told, words.survey_lines(told))
    return FINE if told["ok"] else DIFFERS


@journal_command.command("gaps", short_help="when nobody wrote, and what was lost")
@_PLACE
@_JSON
def gaps_command(place: Path, as_json: bool) -> int:
    """Tell each time in which nobody wrote, and what was lost because the disk did not take it.

    Exit status 0 also with gaps: a gateway may be stopped. 1: records were lost.
    """
    folder, _ = _journal(place)
    told: dict[str, Any] = {"journal": str(folder), **words.holes_of(JournalReader(folder))}
    _tell(as_json, told, words.hole_lines(told))
    return DIFFERS if told["lost"] else FINE


@journal_command.command("repair", short_help="take damage out of the way; stop the gateway first")
@_PLACE
@click.option("--remove-bad", "removing", is_flag=True, help="Remove the files that earlier repairs have kept.")
@_JSON
def repair_command(place: Path, removing: bool, as_json: bool) -> int:
    """Take what cannot be read out of the way. Stop the gateway first.

    No record that can be read is lost: a damaged file is written anew without the damage, and the old one stays beside
    it as .bad until --remove-bad. May be stopped at any point and done again. Exit status 0: the journal is whole now;
    1: something is left that cannot be mended; 2: the gateway is running.
    """
    folder, _ = _journal(place)
    try:
        done = [] if removing else repair(folder)
        removed = remove_bad(folder) if removing else []
    except JournalBusyError as error:
        raise NoJournalError(str(error)) from error
    except OSError as error:
        click.echo(f"{error.filename or folder}: {error.strerror or error}; nothing that was whole is lost, "
                   "do it again", err=True)
        return DIFFERS
    left = JournalReader(folder).verify()
    told = words.repair_told(folder, done, removed, left, kept_bad(folder))
    _tell(as_json, told, words.repair_lines(told))
    return DIFFERS if left else FINE


@journal_command.command("card", short_help="how long the card lasts, when the oldest records go")
@_PLACE
@click.option("--endurance", "endurance_tb", type=click.FloatRange(min=0, min_open=True), metavar="TBW", help=(
    "What the card's maker promises, in terabytes written. Default: 300 times the card's size."))
@click.option("--amplification", type=click.FloatRange(min=1), default=AMPLIFICATION, show_default=True, help=(
    "How many bytes the card itself writes for one that it is given in small pieces."))
@_JSON
def card_command(place: Path, endurance_tb: float | None, amplification: float, as_json: bool) -> int:
    """Tell how long the card will last, and when the oldest records begin to go.

    From the growth of the journal's newest day, and the blocks that each sync costs a card. Exit status 0; 1 when
    what is to be kept does not fit the disk, or there is too little to tell from.
    """
    folder, site = _journal(place)
    told = card_told(folder, growth(folder), _retention(site), endurance_tb, amplification)
    told["site"] = str(place) if site else None
    _tell(as_json, told, card_lines(told))
    return FINE if told["ok"] else DIFFERS


def _retention(site: Site | None) -> Retention:
    if site is None:
        return Retention()
    from twolbms.app import retention
    return retention(site)


