"""Keeps how far an outlet has come in the journal: one small file, replaced as a whole.

A state that is older than the truth only costs re-sending, so a lost or damaged file means: from the beginning.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from twolbms.journal.records import Cursor
from twolbms.outlets.checked_file import checked_body, checked_text, replace_file
from twolbms.outlets.ledger import Standing
from twolbms.outlets.ranges import Ranges, Stretch

_LOG = logging.getLogger(__name__)

_TITLE = "2lbms cursors 2 "


class CursorFile:
    """A title with version and CRC32 of the rest, then `live sample:3:4096` and `owed sample:1:0 2:8192` a line.

    Files of version 1 have no title and one cursor a line. Their lines and ours never look alike, so that a damaged
    title does not make a whole file of half a one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Standing]:
        """How far each family has come; a family of which nothing readable stands there has not begun."""
        try:
            text = self.path.read_bytes().decode(errors="replace")
        except FileNotFoundError:
            return {}
        try:
            if not text.startswith(_TITLE):
                return _version_1(text.splitlines(), self.path)
            return _standings(checked_body(_TITLE, text).splitlines())
        except ValueError as error:
            _LOG.warning("%s: %s; everything that the journal holds is sent again", self.path, error)
            return {}

    def save(self, standings: Mapping[str, Standing]) -> None:
        """Replaces the file, synced: after a power cut it holds the old state or the new one. Raises OSError."""
        body = "".join(f"{line}\n" for standing in standings.values() for line in _lines(standing))
        replace_file(self.path, checked_text(_TITLE, body))


def _lines(standing: Standing) -> list[str]:
    live = [] if standing.live is None else [f"live {standing.live}"]
    return live + [f"owed {stretch}" for stretch in standing.owed]


def _standings(lines: Iterable[str]) -> dict[str, Standing]:
    standings: dict[str, Standing] = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "live":
            live = Cursor.parse(rest)
            standings[live.family] = standings.get(live.family, Standing())._replace(live=live)
        elif word == "owed":
            stretch = Stretch.parse(rest)
            known = standings.get(stretch.end.family, Standing())
            standings[stretch.end.family] = known._replace(owed=known.owed.plus([stretch]))
        else:
            raise ValueError(f"line {line!r}: expected live or owed")
    return standings


def _version_1(lines: Iterable[str], path: Path) -> dict[str, Standing]:
    standings = {}
    for line in lines:
        try:
            cursor = Cursor.parse(line)
        except ValueError as error:
            _LOG.warning("%s: %s; that family is sent again from its beginning", path, error)
        else:
            standings[cursor.family] = Standing(cursor, Ranges())
    return standings
