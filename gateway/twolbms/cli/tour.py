"""The group `2lbms`: its help is a tour, and a command is imported only when it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from twolbms.cli.commands import ABOUT, COMMANDS, EXAMPLES, EXIT_STATUSES, Entry
from twolbms.config.errors import did_you_mean, shown


class NotInstalled(click.ClickException):
    """A command of the table whose module is not there."""

    exit_code = 2


class TableGroup(click.Group):
    """A group over a table of commands, each imported only when it is used."""

    def __init__(self, name: str, table: Mapping[str, Entry], **settings: Any) -> None:
        super().__init__(name, **settings)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the tour."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command of this name. Raises NotInstalled where its module is missing."""
        entry = self._table.get(cmd_name)
        if entry is None:
            return None
        try:
            command: click.Command = getattr(import_module(entry.module), entry.attribute)
        except Exception as error:
            if ctx.resilient_parsing:  # while completing: silence instead of a report into the prompt
                return None
            if isinstance(error, ModuleNotFoundError) and error.name == entry.module:
                raise NotInstalled(f"the command {cmd_name} is not part of this installation") from error
            raise
        return command

    def resolve_command(
            self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, with the nearest name for one that does not exist."""
        name = args[0]
        if name not in self._table and not name.startswith("-") and not ctx.resilient_parsing:
            meant = did_you_mean(name, self._table)
            hint = f"; did you mean {meant}?" if meant else ""
            raise click.UsageError(f"no command is called {shown(name)}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names from the table, so that pressing Tab imports nothing; options from click."""
        names = [CompletionItem(name, help=entry.help) for name, entry in self._table.items()
                 if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that the help page imports none of them."""
        width = max(map(len, self._table))
        for section in dict.fromkeys(entry.section for entry in self._table.values()):
            rows = [(name.ljust(width), entry.help) for name, entry in self._table.items() if entry.section == section]
            _write(formatter, section, rows)


class Tour(TableGroup):
    """The program: its table is a tour."""

    def __init__(self, table: Mapping[str, Entry] = COMMANDS) -> None:
        super().__init__("2lbms", table, help=ABOUT, context_settings={"help_option_names": ["-h", "--help"]},
                         invoke_without_command=True, callback=_show_help)
        self.params.append(_version_option())

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line."""
        formatter.write_usage("2lbms", "COMMAND [OPTIONS] ...")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The tour, examples, exit statuses."""
        self.format_commands(ctx, formatter)
        _write(formatter, "Examples", EXAMPLES)
        _write(formatter, "Exit status", EXIT_STATUSES)
        formatter.write_paragraph()
        formatter.write_text("2lbms COMMAND --help tells the rest of each.")


def _write(formatter: click.HelpFormatter, title: str, rows: Sequence[tuple[str, str]]) -> None:
    with formatter.section(title):
        formatter.write_dl(list(rows), col_max=48)


def _version_option() -> click.Option:
    return click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=_show_version,
                        help="The version of 2lbms.")


def _show_version(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version
        try:
            click.echo(f"2lbms {version('2lbms')}")
        except PackageNotFoundError:  # run from a checkout that was never installed
            click.echo("2lbms (not installed)")
        ctx.exit()


@click.pass_context
def _show_help(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
