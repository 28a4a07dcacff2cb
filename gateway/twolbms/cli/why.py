"""`2lbms why`: in sentences, who opened or limits what, and what a person can do now."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from twolbms.cli.errors import BAD_INPUT, FINE
from twolbms.cli.gateway_option import Gateway, find_gateway, gateway_options
from twolbms.config.path_state import as_owner, closed_to_me, refused_words
from twolbms.journal.reader import JournalReader
from twolbms.journal.records import Event
from twolbms.outlets.local_client import GatewayAbsentError, LocalClient
from twolbms.outlets.sentence import Sentence
from twolbms.outlets.why import why
from twolbms.outlets.why_journal import last_words

_LOOK_BACK = 2000  # events read from the end of a journal


@click.command("why")
@click.argument("pack", required=False)
@gateway_options
@click.option("--journal", type=click.Path(path_type=Path, file_okay=False), help=(
    "The journal to read when no gateway answers; default: the site's."))
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def why_command(pack: str | None, site_file: Path | None, socket_path: Path | None, journal: Path | None,
                as_json: bool) -> int:
    """Say who opened or limits what: pack, cell, value, limit, age, and what you can do now.

    For one PACK or device, or for all packs, devices and banks. When no gateway answers, the last events of the journal
    are told instead, with their age. Exit status 0: a gateway answered; 2: none did, or there is no such pack.
    """
    gateway = find_gateway(site_file, socket_path)
    try:
        snapshot = LocalClient(gateway.socket).snapshot()
    except GatewayAbsentError as error:
        return _without_gateway(gateway, journal, pack, str(error), as_json)
    known = [*(snapshot.get("packs") or {}), *(snapshot.get("devices") or {})]
    if pack is not None and pack not in known:
        raise click.UsageError(f"no pack is called {pack!r}; there is {', '.join(known)}")
    _tell(why(snapshot, pack), as_json, {"gateway": True, "time_ns": snapshot.get("time_ns")})
    return FINE


def _without_gateway(gateway: Gateway, journal: Path | None, pack: str | None, absence: str, as_json: bool) -> int:
    folder = journal or gateway.journal
    hint = _unread(folder)
    try:
        events = _newest_events(folder) if folder and not hint else []
    except PermissionError as error:
        hint = refused_words(error, folder or Path.cwd())
    if hint:
        if as_json:
            click.echo(json.dumps({"gateway": False, "error": absence, "sentences": []}))
        else:
            click.echo(f"{absence}; {hint}", err=True)
        return BAD_INPUT
    sentences = last_words(events, pack, time.time_ns())
    if not as_json:
        click.echo(f"{absence}. What the journal in {folder} tells:")
    _tell(sentences, as_json, {"gateway": False, "error": absence})
    return BAD_INPUT


def _unread(folder: Path | None) -> str:
    """Why there is no journal to read; empty when there is one."""
    if folder is None:
        return "name its journal with --journal or --site to read what was last"
    if (closed := closed_to_me(folder)) is not None:
        return f"and its journal cannot be read: {as_owner(closed)}"
    return "" if folder.is_dir() else f"and there is no journal in {folder}"


def _newest_events(folder: Path) -> list[Event]:
    events = [record for record in JournalReader(folder).records("event") if isinstance(record, Event)]
    return events[-_LOOK_BACK:]


def _tell(sentences: Sequence[Sentence], as_json: bool, about: dict[str, Any]) -> None:
    if as_json:
        click.echo(json.dumps(about | {"sentences": [sentence.as_dict() for sentence in sentences]}))
    else:
        for sentence in sentences:
            click.echo(str(sentence))
