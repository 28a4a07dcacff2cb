"""`2lbms completion`: prints the script that makes a shell complete 2lbms."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_HOW = """For this shell: eval "$(2lbms completion bash)". For every new one: in bash, 2lbms completion bash >
~/.local/share/bash-completion/completions/2lbms; in zsh, into a file _2lbms in a folder of $fpath; in fish,
2lbms completion fish > ~/.config/fish/completions/2lbms.fish"""


@click.command("completion", epilog=_HOW)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete 2lbms with the Tab key."""
    from twolbms.cli.program import COMPLETE_VARIABLE, PROGRAM
    kind = get_completion_class(shell)
    assert kind is not None, shell
    click.echo(kind(ctx.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source(), nl=False)
