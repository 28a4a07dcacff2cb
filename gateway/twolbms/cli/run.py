"""`2lbms run`: the gateway in the foreground, as systemd or a person starts it."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from twolbms.cli.errors import BAD_INPUT, DIFFERS, FINE
from twolbms.clock import Clock, StoryClock, SystemClock
from twolbms.config.path_state import refused_words
from twolbms.config.site import Site
from twolbms.config.site_packs import load_site_and_packs


@click.command("run")
@click.argument("site_file", metavar="SITE", type=click.Path(path_type=Path))
@click.option("--clock", "clock_text", metavar="TEXT",
              help="A story's clock, as the demonstration hands it on: start,host,speed,offset.")
@click.option("--once", is_flag=True, help=(
    "Stop when every pack and device has been heard and print the snapshot; exit status 1 if that takes too long."))
def run_command(site_file: Path, clock_text: str | None, once: bool) -> int:
    """Run the gateway of the site file SITE until it is told to stop.

    Listens to the nodes, tells them that it is alive and what they are asked, records everything, and answers on its
    local socket. SIGTERM and Ctrl-C stop it in good order. Exit status 0: stopped as asked; 1: --once, and a pack or a
    device was not heard; 2: a file is wrong or another gateway runs on the same journal.
    """
    from twolbms.app import Gateway
    from twolbms.journal import JournalBusyError
    from twolbms.outlets.local_socket import SocketInUseError

    clock = _clock(clock_text)
    site, types = load_site_and_packs(site_file)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("can").setLevel(logging.ERROR)  # python-can warns of what the bus's own event says already
    try:
        gateway = Gateway(site, types, clock)
        click.echo("\n".join(_summary(site)), err=True)
        heard = asyncio.run(gateway.run(once=once))
    except (JournalBusyError, SocketInUseError) as error:
        click.echo(f"2lbms: {error}", err=True)
        return BAD_INPUT
    except PermissionError as error:
        click.echo(f"2lbms: {refused_words(error, site.journal_folder)}", err=True)
        return BAD_INPUT
    except OSError as error:
        click.echo(f"2lbms: the journal or the socket cannot be opened: {error}", err=True)
        return BAD_INPUT
    if once:
        click.echo(json.dumps(gateway.last_picture))
    return FINE if heard else DIFFERS


def _clock(text: str | None) -> Clock:
    if text is None:
        return SystemClock()
    try:
        return StoryClock.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--clock") from error


def _summary(site: Site) -> Iterator[str]:
    yield f"2lbms gateway: site {site.site}"
    for entry in site.packs:
        yield f"  pack     {entry.name}: {entry.type}, node {entry.node} on {entry.bus}"
    for bus in site.buses:
        yield f"  bus      {bus.name}: {bus.interface} {bus.channel}, {bus.bitrate // 1000} kbit/s"
        if bus.dbc:
            yield f"  {'':8} every signal of {', '.join(bus.dbc)}"
    for device in site.devices:
        yield f"  device   {device.name}: {device.kind} on {device.port}"
    yield f"  journal  {site.journal_folder}"
    yield f"  socket   {site.socket}"
    if site.influxdb:
        yield f"  influxdb {site.influxdb.url}, bucket {site.influxdb.bucket}"
