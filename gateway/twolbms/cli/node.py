"""The group `2lbms node`: what is done to one node, each command imported only when it is used."""

from __future__ import annotations

from twolbms.cli.commands import Entry
from twolbms.cli.tour import TableGroup

SECTION = "Commands"
NODE_COMMANDS: dict[str, Entry] = {
    "build": Entry("twolbms.cli.node_build", "build_command",
                   "compile a version of the node's firmware for a board and a pack", SECTION),
    "flash": Entry("twolbms.cli.node_flash", "flash_command",
                   "put a version onto a node, over USB or CAN; it is kept only when it proves itself", SECTION),
    "config": Entry("twolbms.cli.node_config", "config_command",
                    "a node's number, serial and calibration: show, or write while armed", SECTION),
    "check": Entry("twolbms.cli.node_check", "check_command",
                   "commissioning, step by step, before anything may close", SECTION),
}


_ABOUT = """\
Work on one node: build its firmware, put it there, tell it who it is, check what was wired.

A node keeps two versions. A new one is written beside the one that runs, checked, started on trial, and rolled back by
the node itself when it does not prove itself within two starts.
"""

node_command = TableGroup("node", NODE_COMMANDS, help=_ABOUT)
