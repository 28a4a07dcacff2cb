"""`2lbms schema`: the JSON Schema of site, pack and scenario files, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from twolbms.cli.errors import DIFFERS, FINE
from twolbms.config.json_schema import MODELS, SCHEMA_FOLDER, schema_file, schema_text, stale_schemas, write_schemas


@click.command("schema", epilog="In a YAML file, for editors with the YAML language server: a first line "
               "# yaml-language-server: $schema=PATH with the PATH that --path prints.")
@click.argument("name", required=False, type=click.Choice(list(MODELS)))
@click.option("--path", "show_path", is_flag=True, help="Print where the schema lies instead.")
@click.option("--all", "everything", is_flag=True, help="Write the files of all schemas.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=SCHEMA_FOLDER,
              help="Folder for --all; default: beside the code.")
@click.option("--check", is_flag=True, help="With --all: write nothing; exit 1 and name the files that are stale.")
def schema_command(name: str | None, show_path: bool, everything: bool, out: Path, check: bool) -> int:
    """Print the JSON Schema of a NAME file: site, pack or scenario."""
    if everything and name is None:
        return _all(out, check)
    if name is None or everything or check:
        raise click.UsageError("expected one NAME, or --all with or without --check")
    click.echo(schema_file(name) if show_path else schema_text(name), nl=show_path)
    return FINE


def _all(out: Path, check: bool) -> int:
    changed = stale_schemas(out) if check else write_schemas(out)
    for path in changed:
        click.echo(f"{'stale' if check else 'written'}: {path}")
    return DIFFERS if check and changed else FINE
