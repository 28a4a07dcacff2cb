"""Keeps how far an outlet has come in the journal: one small file, replaced as a whole.

A cursor that is older than the truth only costs re-sending, so a lost or damaged file means: from the beginning.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from twolbms.journal.records import Cursor

_LOG = logging.getLogger(__name__)


class CursorFile:
    """One line a family, e.g. "sample:3:4096"."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Cursor]:
        """The cursor of each family; a family without a readable line has none."""
        try:
            lines = self.path.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return {}
        cursors = {}
        for line in lines:
            try:
                cursor = Cursor.parse(line)
            except ValueError as error:
                _LOG.warning("%s: %s; that family is sent again from its beginning", self.path, error)
            else:
                cursors[cursor.family] = cursor
        return cursors

    def save(self, cursors: Mapping[str, Cursor]) -> None:
        """Replaces the file, synced: after a power cut it holds the old cursors or the new ones. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(self.path.name + ".new")
        with fresh.open("w") as file:
            file.writelines(f"{cursor}\n" for cursor in cursors.values())
            file.flush()
            os.fdatasync(file.fileno())
        fresh.replace(self.path)
