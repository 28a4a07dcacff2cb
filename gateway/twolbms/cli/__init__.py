"""The command line: `2lbms`. One table of commands, each imported when it is used."""

from twolbms.cli.program import main

__all__ = ["main"]
