"""Raw frames of a log into a journal of their own, from which the usual outlet can send them at any time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twolbms.importing.any_can.account import Tally
from twolbms.importing.destination import ImportJournal, check_free
from twolbms.importing.frames import LogFrame
from twolbms.journal import Frame


class FrameJournal:
    """A new journal folder for one log. Raises JournalRefused when it cannot be."""

    def __init__(self, folder: Path, boot_id: str) -> None:
        check_free(folder)
        self._journal = ImportJournal(folder, boot_id, 0)
        self._last_ns = 0
        self._is_open = True

    def take(self, chosen: Any) -> None:
        """Records data frames at wall time, from a table or a list. Raises JournalFailed."""
        records = _from_frames(chosen) if isinstance(chosen, list) else _from_table(chosen)
        if records:
            self._last_ns = records[-1].time_ns
            self._journal.frames(records)
            self._journal.settle()

    def finish(self, log_name: str, tally: Tally) -> None:
        """Ends the journal; one without a frame is removed again. Raises JournalFailed."""
        self._is_open = False
        if not tally.frames:
            self._journal.discard()
            return
        self._journal.finish(self._last_ns, "", {"log": log_name, "frames": tally.frames})

    def close(self) -> None:
        """Lets go of the folder when `finish` was not reached."""
        if self._is_open:
            self._journal.close()


def _from_frames(frames: list[LogFrame]) -> list[Frame]:
    return [Frame(frame.time_ns, frame.bus, frame.can_id, frame.extended, frame.data) for frame in frames]


def _from_table(table: Any) -> list[Frame]:
    from twolbms.importing.readers.tables import frames_of

    return _from_frames(frames_of(table))
