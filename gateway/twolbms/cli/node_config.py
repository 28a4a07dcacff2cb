"""`2lbms node config`: a node's number, serial and calibration, shown, or written while its arming input is held."""

from __future__ import annotations

import json
import re
from os import environ
from typing import Any, NamedTuple

import click
from rich import box
from rich.console import Console
from rich.table import Table

from twolbms.build.flash import ISOLATION, QUESTION
from twolbms.build.node_port import PortError, SerialNodePort
from twolbms.build.service_console import OrderRefusedError, ServiceConsole, Version
from twolbms.build.service_state import NotInServiceError
from twolbms.cli.errors import DIFFERS, FINE
from twolbms.outlets.view.screen import shows_unicode

_SETTING = re.compile(r"(\w+)(?:\[(\d+)\])?=(.*)", re.DOTALL)
_LISTS = {"cell_gain_ppm": "ppm", "cell_offset_mv": "mV", "temp_offset_dc": "(0.1 K)"}
_SINGLES = {"current_gain_ppm": "ppm", "current_offset_ma": "mA"}
_KEYS = ("number", "serial", *_LISTS, *_SINGLES)


class Setting(NamedTuple):
    """One `--set`; `at` counts from 0, None for the whole. `text` is what was typed."""

    key: str
    at: int | None
    value: Any
    text: str

    @property
    def order(self) -> dict[str, Any]:
        """As the node's service console takes it."""
        return {"key": self.key, "value": self.value, **({} if self.at is None else {"at": self.at})}

    def holds(self, stored: dict[str, Any]) -> bool:
        """Whether what the node has stored is what was set."""
        found = stored[self.key]
        return bool((found if self.at is None else found[self.at]) == self.value)


def read_setting(text: str) -> Setting:
    """`number=3`, `serial=X`, `cell_gain_ppm[4]=120` (cell 4, counted from 1), `temp_offset_dc=0,1,-2,0`.

    Raises click.BadParameter with what was expected.
    """
    found = _SETTING.fullmatch(text)
    if found is None or found[1] not in _KEYS:
        raise click.BadParameter(f"{text}: expected KEY=VALUE with one of {', '.join(_KEYS)}")
    key, place, value = found.groups()
    if place is not None and (key not in _LISTS or int(place) < 1):
        raise click.BadParameter(f"{text}: a place, from 1, has only {', '.join(_LISTS)}")
    if key == "serial":
        return Setting(key, None, value, text)
    try:
        numbers = [int(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text}: expected whole numbers") from None
    if key in _LISTS and place is None:
        return Setting(key, None, numbers, text)
    if len(numbers) != 1:
        raise click.BadParameter(f"{text}: expected one whole number")
    return Setting(key, None if place is None else int(place) - 1, numbers[0], text)


def _settings(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> list[Setting]:
    return [read_setting(text) for text in texts]


@click.command("config")
@click.option("--port", required=True, help="The node's console: a serial device, a pty or socket://host:port.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, callback=_settings, help=(
    "Write this; may be repeated. Places count from 1: cell_gain_ppm[4]=120 is cell 4."))
@click.option("--isolated", is_flag=True, help="Says that the port is isolated from the pack, instead of being asked.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def config_command(port: str, settings: list[Setting], isolated: bool, as_json: bool) -> int:
    """Show a node's number, serial and calibration; with --set, write them.

    The node is asked into service and must have its outputs measured open; it restarts afterwards. Writing needs its
    arming input held, stays within the bounds of its pack's calibration row, and is read back and compared. When one
    value is refused none is written. Exit status 1: it reads back differently; 2: refused, or not reached, and why.
    """
    if not isolated:
        click.echo(ISOLATION, err=True)
        click.confirm(QUESTION, abort=True, err=True)
    try:
        console = ServiceConsole(SerialNodePort(port), lambda line: click.echo(line, err=True))
        version = console.begin()
        try:
            return _work(console, version, settings, as_json)
        finally:
            console.leave()
    except (NotInServiceError, PortError) as error:
        raise click.ClickException(str(error)) from None


def _work(console: ServiceConsole, version: Version, settings: list[Setting], as_json: bool) -> int:
    if settings:
        _write(console, settings)
    stored = console.order("read_back")
    differs = [setting.text for setting in settings if not setting.holds(stored)]
    if as_json:
        click.echo(json.dumps(_picture(version, stored) | {"written": bool(settings), "differs": differs}))
    else:
        _show(version, stored)
        for text in differs:
            click.echo(f"not as set: {text}")
        if settings and not differs:
            click.echo("written, read back, and as it was set; the node restarts with it")
    return DIFFERS if differs else FINE


def _write(console: ServiceConsole, settings: list[Setting]) -> None:
    """All of them, or none. Raises click.ClickException with the node's words."""
    for setting in settings:
        try:
            console.order("set", **setting.order)
        except OrderRefusedError as error:
            raise click.ClickException(f"the node refuses {setting.text}: {error}; nothing was written") from None
    try:
        console.order("save")
    except OrderRefusedError as error:
        raise click.ClickException(f"the node does not save: {error}") from None


def _picture(version: Version, stored: dict[str, Any]) -> dict[str, Any]:
    names = ("number", "serial", *_LISTS, *_SINGLES, "sound", "reason", "made_for", "commissioned", "bounds",
             "damaged_copies")
    return {"board": version.board, "firmware": version.firmware, "pack": version.pack, "limits": version.limit_hash,
            **{name: stored[name] for name in names}}


def _show(version: Version, stored: dict[str, Any]) -> None:
    """A table of 80 columns."""
    unicode = shows_unicode(environ)
    table = Table(title=f"{version.board}, {version.pack}, limits {version.limit_hash}", title_justify="left",
                  title_style="bold", width=80, box=box.SIMPLE_HEAD if unicode else box.ASCII)
    table.add_column("key", no_wrap=True)
    table.add_column("stored", ratio=1)
    table.add_column("allowed", no_wrap=True, justify="right")
    table.add_row("number", str(stored["number"] or "none"), "1 to 127")
    table.add_row("serial", stored["serial"] or "none", "16 letters")
    for key, unit in (_LISTS | _SINGLES).items():
        values = stored[key] if key in _LISTS else [stored[key]]
        most = f"{'±' if unicode else '+/-'} {stored['bounds'][key]} {unit}"
        table.add_row(key, "  ".join(map(str, values)), most)
    table.add_row("commissioned", f"record {stored['commissioned'].upper()}" if stored["commissioned"]
                  else "no: 2lbms node check", "")
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(table)
    if stored["damaged_copies"]:
        click.echo(f"{stored['damaged_copies']} of the two copies in flash are damaged; saving writes both anew")
    if not stored["sound"]:
        click.echo(f"The node stays open with this: {stored['reason']}.")
