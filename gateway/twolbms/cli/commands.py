"""The table of commands, in the order of the tour that `2lbms --help` is. Imports none of them."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """Where a command lives and what it does; `help` is one line that fits beside the name in 80 columns."""

    module: str
    attribute: str
    help: str
    section: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("twolbms.cli.demo", "demo_command",
                  "two simulated packs on real node firmware: a story to watch", "See it"),
    "view": Entry("twolbms.cli.view", "view_command",
                  "cells, temperatures, faults, journal: live in the terminal", "See it"),
    "check": Entry("twolbms.cli.check", "check_command",
                   "is this site file right, and the packs it names", "Run a site"),
    "run": Entry("twolbms.cli.run", "run_command",
                 "the gateway: listens, records, tells what is allowed", "Run a site"),
    "ask": Entry("twolbms.cli.ask", "ask_command",
                 "ask a node to open, close, allow less or clear a fault", "Run a site"),
    "why": Entry("twolbms.cli.why", "why_command",
                 "who opened or limits what, and what you can do now", "Understand"),
    "doctor": Entry("twolbms.cli.doctor", "doctor_command",
                    "what is wrong with a bus, device, database, file; what to do", "Understand"),
    "scenario": Entry("twolbms.cli.scenario", "scenario_command",
                      "play a story on the node's real code, say if it holds", "Prove"),
    "import": Entry("twolbms.cli.import_log", "import_command",
                    "recorded CAN logs into a journal or a database", "Data"),
    "export": Entry("twolbms.cli.export", "export_command",
                    "any time range of a journal as CSV or Parquet", "Data"),
    "journal": Entry("twolbms.cli.journal", "journal_command",
                     "is the journal whole, mend it, how long the card lasts", "Data"),
    "influx": Entry("twolbms.cli.influx", "influx_command",
                    "set up, check and query an InfluxDB", "Data"),
    "node": Entry("twolbms.cli.node", "node_command",
                  "build a node's firmware and put it there, over USB or CAN", "Make"),
    "generate": Entry("twolbms.cli.generate", "generate_command",
                      "a node's code from node.dbc and a pack's YAML", "Make"),
    "schema": Entry("twolbms.cli.schema", "schema_command",
                    "JSON Schema of the YAML files, for your editor", "Make"),
    "completion": Entry("twolbms.cli.completion", "completion_command",
                        "make the shell complete 2lbms with the Tab key", "Make"),
}

ABOUT = """\
2lbms keeps batteries made of used car modules, and plain LiFePO4 banks, safe, known and useful. A node guards each
pack and cuts off by itself; this gateway listens, records everything, and may only ask for less."""

EXAMPLES = (
    ("2lbms demo", "nodes guard two batteries: a story"),
    ("2lbms check site.yaml", "find mistakes before anything runs"),
    ("2lbms run site.yaml", "start the gateway"),
    ("2lbms why --site site.yaml", "ask why a pack is open or limited"),
    ("2lbms import drive.log --pack leaf_aze0", "what a recorded car log holds"),
    ("2lbms import drive.blf --dbc my_car.dbc", "any log by any DBC, signal by signal"),
)

EXIT_STATUSES = (
    ("0", "fine"), ("1", "it differs, or something is not healthy"), ("2", "a file or argument is wrong"),
    ("70", "a fault of 2lbms itself"),
)
