"""The group `2lbms node`: what is done to one node, each command imported only when it is used."""

from __future__ import annotations

from importlib import import_module

import click

from twolbms.cli.commands import Entry

SECTION = "Commands"
NODE_COMMANDS: dict[str, Entry] = {
    "build": Entry("twolbms.cli.node_build", "build_command",
                   "compile a version of the node's firmware for a board and a pack", SECTION),
    "flash": Entry("twolbms.cli.node_flash", "flash_command",
                   "put a version onto a node, over USB or CAN; it is kept only when it proves itself", SECTION),
}


class NodeGroup(click.Group):
    """A group over the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(NODE_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command of this name."""
        entry = NODE_COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that the help page imports none of them."""
        with formatter.section(SECTION):
            formatter.write_dl([(name, entry.help) for name, entry in NODE_COMMANDS.items()])


@click.command("node", cls=NodeGroup)
def node_command() -> None:
    """Work on one node: build its firmware, put it there.

    A node keeps two versions. A new one is written beside the one that runs, checked, started on trial, and rolled back
    by the node itself when it does not prove itself within two starts.
    """
