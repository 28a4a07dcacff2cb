"""`2lbms generate`: writes a node's codec and limit columns, or says whether the written ones are fresh."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from twolbms.build.columns import limit_image, limits_text
from twolbms.build.generate import write
from twolbms.config.load import load_model
from twolbms.config.pack import GuardedPack
from twolbms.files import data_path


@click.command("generate")
@click.argument("pack", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; default: the firmware's source.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 and name the files that are stale.")
def generate_command(pack: Path | None, out: Path | None, check: bool) -> None:
    """Write the node's codec and limit columns from dbc/node.dbc and packs/*.yaml.

    With PACK, a pack's YAML of your own, only its limits_<pack>.py is written, into --out.
    """
    if pack is not None:
        image = limit_image(load_model(pack, GuardedPack))
        target = (out or Path()) / f"limits_{image.pack}.py"
        if not check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(limits_text(image), encoding="utf-8")
        click.echo(f"{target}: limit hash {image.hash32:08x}")
        return
    stale = write(out or data_path("firmware", "src"), check)
    for path in stale:
        click.echo(f"{'stale' if check else 'written'}: {path}")
    if not stale:
        click.echo("generated files are fresh")
    sys.exit(1 if check and stale else 0)
