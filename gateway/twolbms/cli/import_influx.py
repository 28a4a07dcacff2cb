"""Sends a finished import's journal to an InfluxDB, by the same outlet and the same rules as a live gateway's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from twolbms.clock import SystemClock
from twolbms.journal import JournalReader
from twolbms.outlets.influx import InfluxOutlet
from twolbms.outlets.influx_target import InfluxTarget

PATIENCE_S = 60.0
"""How long nothing may move before the database is given up; the journal stays whole."""


class DatabaseFailed(Exception):
    """The records are in the journal but not all of them in the database; the text says why."""


@dataclass(frozen=True)
class Database:
    """The database an import was asked to fill."""

    url: str
    org: str
    bucket: str
    token_file: Path
    site: str

    def send(self, journal: Path) -> None:
        """Sends every sample and event of `journal`. Raises DatabaseFailed when the server refuses or stays away."""
        target = InfluxTarget(self.site, self.url, self.org, self.bucket, self.token_file)
        outlet = InfluxOutlet(JournalReader(journal), target, journal / "influx.cursor", SystemClock())
        outlet.start()
        try:
            _wait(outlet)
        finally:
            outlet.stop(5.0)


def _wait(outlet: InfluxOutlet) -> None:
    lines, moved = -1, time.monotonic()
    while not outlet.wait_drained(0.5):
        status = outlet.status()
        if status["lines"] != lines:
            lines, moved = status["lines"], time.monotonic()
        if status["state"] in ("refused", "stopped") or time.monotonic() - moved > PATIENCE_S:
            raise DatabaseFailed(f"{lines} lines are in the database, the rest only in the journal: "
                                 f"{status['error'] or 'the server does not answer'}")
    if refused := outlet.status()["refused"]:
        raise DatabaseFailed(f"the database refused {refused} lines; the reasons stand in quarantine-influx.log")
