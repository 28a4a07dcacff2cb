"""`2lbms node build`: a version of the node's application as one file."""

from __future__ import annotations

from pathlib import Path

import click

from twolbms.build.columns import limit_image
from twolbms.build.image import BuildError, Image, board_names, build_image, read_board
from twolbms.cli.errors import DIFFERS, FINE
from twolbms.config.load import load_model
from twolbms.config.pack import GuardedPack
from twolbms.files import data_path


def pack_file(pack: str) -> Path:
    """The YAML of a pack of ours by its name, or the file of that path. Raises click.UsageError."""
    for path in (Path(pack), data_path("packs", f"{pack}.yaml")):
        if path.is_file():
            return path
    raise click.UsageError(f"no pack is called {pack!r}, and there is no such file")


def build_for(board: str, pack: str) -> Image:
    """The image for a board and a pack. Raises BuildError and ConfigError."""
    return build_image(read_board(board), limit_image(load_model(pack_file(pack), GuardedPack)))


@click.command("build")
@click.argument("pack")
@click.option("--board", type=click.Choice(board_names()), default=board_names()[0], show_default=True,
              help="The board it is for.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help=(
    "The file to write; default: PACK-BOARD.2lb here."))
def build_command(pack: str, board: str, out: Path | None) -> int:
    """Compile the node's firmware with the limits of PACK into one file.

    PACK is the name of one that comes with 2lbms, or a YAML file of your own. Exit status 1: it does not fit the board.
    """
    try:
        image = build_for(board, pack)
    except BuildError as error:
        raise click.ClickException(str(error)) from None
    data, room = image.data(), read_board(board).slot_bytes
    path = out or Path(f"{image.pack}-{board}.2lb")
    path.write_bytes(data)
    click.echo(f"{path}: {image.version_text}, limits {image.limit_hash}, {len(image.files)} modules, "
               f"{len(data)} bytes of {room}")
    if len(data) > room:
        click.echo(f"2lbms: {len(data) - room} bytes more than a slot of {board} has", err=True)
        return DIFFERS
    return FINE
