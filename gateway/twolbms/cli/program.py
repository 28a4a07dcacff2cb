"""`main`: what the command `2lbms` does, from arguments to exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from twolbms.cli.errors import exit_status
from twolbms.cli.output import watched_output
from twolbms.cli.tour import Tour

PROGRAM = "2lbms"
COMPLETE_VARIABLE = "_TWOLBMS_COMPLETE"  # click would take _2LBMS_COMPLETE; names of ours begin with a letter


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits."""
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: Sequence[str]) -> int:
    """Runs the command line; the exit status."""
    with watched_output():
        return exit_status(lambda: _invoke(list(args)))


def _invoke(args: list[str]) -> object:
    tour = Tour()
    asked_by_shell = os.environ.get(COMPLETE_VARIABLE)
    if asked_by_shell:
        from click.shell_completion import shell_complete
        return shell_complete(tour, {}, PROGRAM, COMPLETE_VARIABLE, asked_by_shell)
    with tour.make_context(PROGRAM, args) as context:
        return tour.invoke(context)
