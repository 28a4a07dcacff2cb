"""Events as they come into a journal on disk: read back, never taken from the gateway's memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from twolbms.journal.reader import JournalReader
from twolbms.journal.records import Cursor, Event


class JournalTail:
    """Each call of `fresh` gives the events written since the last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cursor: Cursor | None = None
        self._reader: JournalReader | None = None

    def fresh(self) -> Iterator[Event]:
        """The new events with wall times, in the order of writing; none while there is no journal."""
        if self._reader is None:
            if not self._folder.is_dir():
                return
            self._reader = JournalReader(self._folder)
        for block in self._reader.blocks("event", self._cursor):
            if block.records and not block.wall_known:
                return  # its times are not wall times yet: it is read again
            self._cursor = block.next
            yield from (record for record in block.records if isinstance(record, Event))
