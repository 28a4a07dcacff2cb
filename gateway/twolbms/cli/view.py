"""`2lbms view`: the live view of a running gateway in the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Iterator
from os import environ
from pathlib import Path

import click
from rich.text import Text

from twolbms.cli.errors import BAD_INPUT, FINE
from twolbms.cli.gateway_option import Gateway, find_gateway, gateway_options
from twolbms.config.path_state import Closed, as_owner, closed_to_me, state_of
from twolbms.journal.reader import JournalReader
from twolbms.journal.records import Event
from twolbms.outlets.local_tap import Tap
from twolbms.outlets.view.palette import Glyphs
from twolbms.outlets.view.picture import Paper, picture
from twolbms.outlets.view.screen import Screen, console_for, glyphs_for
from twolbms.outlets.view.site import GATEWAY_SILENT_AFTER_S, Told

_DRAW_EVERY_S = 0.25
_EVENTS_OF_S = 3600
_REMEMBERED = 200
_QUIET = ("mark", "allowance")  # the gateway's notes to itself, and what the view shows anyway


@click.command("view")
@gateway_options
@click.option("--once", is_flag=True, help="Print one picture as text and end; exit status 2 when nobody answers.")
@click.option("--ascii/--unicode", "ascii_only", default=None, help="Plain characters; default: by the locale.")
def view_command(site_file: Path | None, socket_path: Path | None, once: bool, ascii_only: bool | None) -> int:
    """Cells as bars between their limits, temperatures, outputs, faults, banks, journal: live, until Ctrl-C.

    Green is only what is permitted; red is beyond a limit or too old; grey is not known. When the gateway goes, the
    view says so within a second, and after five it claims nothing any more. NO_COLOR and TERM=dumb are honoured.
    """
    gateway, glyphs = find_gateway(site_file, socket_path), glyphs_for(environ, ascii_only)
    if isinstance(state := state_of(gateway.socket), Closed):
        raise click.ClickException(f"no gateway can be asked on {gateway.socket}: {as_owner(state)}")
    screen = Screen(glyphs)
    if once or not screen.usable:
        return asyncio.run(_print_once(gateway, glyphs))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_live(gateway, screen))
    return FINE


async def _print_once(gateway: Gateway, glyphs: Glyphs) -> int:
    tap = Tap(gateway.socket, _DRAW_EVERY_S)
    heard = asyncio.Event()
    following = asyncio.create_task(tap.follow(lambda snapshot: heard.set()))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(heard.wait(), GATEWAY_SILENT_AFTER_S)
    following.cancel()
    console = console_for()
    paper = Paper(console.width, max(console.height, 24), glyphs)
    for line in picture(tap.snapshot, tap.silent_s, list(_recorded(gateway.journal)), paper):
        _print(line, console.is_terminal)
    return FINE if tap.snapshot is not None else BAD_INPUT


def _print(line: Text, colours: bool) -> None:
    if colours:
        console_for().print(line, no_wrap=True)
    else:
        click.echo(line.plain.rstrip())


async def _live(gateway: Gateway, screen: Screen) -> None:
    tap = Tap(gateway.socket, _DRAW_EVERY_S)
    events = deque(_recorded(gateway.journal), maxlen=_REMEMBERED)
    following = asyncio.create_task(tap.follow())
    listening = asyncio.create_task(tap.acknowledgements(lambda line: _note(line, tap, events)))
    try:
        with screen:
            while True:
                screen.draw(picture(tap.snapshot, tap.silent_s, list(events), screen.paper))
                await asyncio.sleep(_DRAW_EVERY_S)
    finally:
        following.cancel()
        listening.cancel()


def _recorded(journal: Path | None) -> Iterator[Told]:
    """Events of the last hour, if the journal is here to be read."""
    if journal is None or closed_to_me(journal) is not None or not journal.is_dir():
        return
    with contextlib.suppress(OSError):
        for record in JournalReader(journal).records("event", time.time_ns() - _EVENTS_OF_S * 10**9):
            if isinstance(record, Event) and record.kind not in _QUIET:
                yield _told(record.time_ns, record.pack, record.kind, str(record.data.get("text") or ""))


def _note(line: bytes, tap: Tap, events: deque[Told]) -> None:
    """An acknowledged event, at the wall time of the snapshot that came last."""
    if not line.startswith(b'["event"'):
        return
    _, _, kind, pack, data = json.loads(line)
    if kind not in _QUIET:
        events.append(_told((tap.snapshot or {}).get("time_ns"), pack, kind, str(data.get("text") or "")))


def _told(time_ns: int | None, pack: str, kind: str, text: str) -> Told:
    where = f"{pack}: " if pack else ""
    return Told(time_ns, where + (text or kind.replace("_", " ")))


