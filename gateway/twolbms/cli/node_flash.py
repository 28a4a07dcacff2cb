"""`2lbms node flash`: a version onto a node, over its console or over CAN."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from twolbms.build.flash import ISOLATION, QUESTION, flash_over_port
from twolbms.build.image import BuildError, Image, board_names, read_image
from twolbms.build.node_port import PortError
from twolbms.build.verdict import WAIT_S, FlashError, Outcome
from twolbms.cli.errors import DIFFERS, FINE
from twolbms.cli.node_build import build_for

INTERFACES = ("socketcan", "slcan", "udp_multicast", "virtual")


@click.command("flash")
@click.argument("image_file", metavar="[IMAGE]", required=False, type=click.Path(path_type=Path, exists=True,
                                                                                 dir_okay=False))
@click.option("--board", type=click.Choice(board_names()), help="Without IMAGE: build one for this board …")
@click.option("--pack", help="… and this pack, by name or YAML file.")
@click.option("--port", help="The node's console: a serial device, a pty or socket://host:port.")
@click.option("--isolated", is_flag=True, help="Says that the port is isolated from the pack, instead of being asked.")
@click.option("--first", is_flag=True, help="Put the boot files onto a bare MicroPython first. Needs --port.")
@click.option("--make-disk", is_flag=True, help="With --first: make the node's file systems; what is there is lost.")
@click.option("--can", "can_bus", metavar="INTERFACE:CHANNEL", help=(
    f"Flash over CAN instead, such as socketcan:can0; interfaces: {', '.join(INTERFACES)}."))
@click.option("--node", type=click.IntRange(1, 127), help="With --can: the node's number.")
@click.option("--bitrate", default=500_000, show_default=True, help="With --can over slcan: bits per second.")
@click.option("--wait", "wait_s", default=WAIT_S, show_default=True, type=click.FloatRange(min=0), help=(
    "How long to wait for the node's own verdict, s."))
def flash_command(image_file: Path | None, board: str | None, pack: str | None, port: str | None, isolated: bool,
                  first: bool, make_disk: bool, can_bus: str | None, node: int | None, bitrate: int,
                  wait_s: float) -> int:
    """Put a version of the firmware onto a node, and wait until the node has kept it or rolled it back.

    The node is asked into service; nothing is written before its outputs are measured open. The new version lies beside
    the running one, is checked by its hash, and starts on trial. With other limits than before it starts only while the
    arming input is held. Exit status 0: kept; 1: rolled back, waiting or not decided; 2: not done, and why.
    """
    if (port is None) == (can_bus is None):
        raise click.UsageError("give --port for the node's console, or --can for the bus")
    try:
        image = _image(image_file, board, pack)
        if can_bus is not None:
            return _tell(_over_can(image, can_bus, node, bitrate, wait_s))
        assert port is not None
        return _tell(flash_over_port(port, image, click.echo, lambda: isolated or _confirmed(), wait_s, first,
                                     make_disk))
    except (BuildError, FlashError, PortError) as error:
        raise click.ClickException(str(error)) from None


def _image(file: Path | None, board: str | None, pack: str | None) -> Image:
    if file is not None:
        return read_image(file.read_bytes())
    if board is None or pack is None:
        raise click.UsageError("name an IMAGE, or --board and --pack to build one")
    return build_for(board, pack)


def _confirmed() -> bool:
    click.echo(ISOLATION, err=True)
    return click.confirm(QUESTION, abort=True, err=True)


def _over_can(image: Image, where: str, node: int | None, bitrate: int, wait_s: float) -> Outcome:
    interface, _, channel = where.partition(":")
    if interface not in INTERFACES or not channel:
        raise click.UsageError(f"--can {where}: expected INTERFACE:CHANNEL with one of {', '.join(INTERFACES)}")
    if node is None:
        raise click.UsageError("--can needs --node")
    import can

    from twolbms.build.flash_can import flash_over_can
    settings: dict[str, Any] = {"bitrate": bitrate} if interface == "slcan" else {}
    try:
        bus = can.Bus(interface=interface, channel=channel, ignore_config=True, **settings)
    except (can.CanError, OSError) as error:
        raise FlashError(f"{where} cannot be opened: {error}") from error
    say: Callable[[str], None] = click.echo
    try:
        return flash_over_can(bus, node, image, say, wait_s)
    except can.CanError as error:
        raise FlashError(f"{where}: {error}") from error
    finally:
        bus.shutdown()


def _tell(outcome: Outcome) -> int:
    click.echo(outcome.value)
    return FINE if outcome is Outcome.KEPT else DIFFERS
