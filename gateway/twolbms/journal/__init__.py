"""The journal: one log of typed records, acknowledged when written, read back by cursor or by time.

`docs/journal.md` describes the files. Knows neither packs nor databases: a record is a name, a time and a value.
"""

from twolbms.journal.frames import FrameColumns
from twolbms.journal.lock import JournalBusyError
from twolbms.journal.reader import Block, FrameBlock, JournalReader
from twolbms.journal.records import FAMILIES, Cursor, Event, Frame, Reading, Record, Sample, Series, Wall
from twolbms.journal.retention import Keep, Retention
from twolbms.journal.scribe import Pace
from twolbms.journal.writer import JournalStatus, JournalWriter, Room

__all__ = [
    "FAMILIES", "Block", "Cursor", "Event", "Frame", "FrameBlock", "FrameColumns",
    "JournalBusyError", "JournalReader", "JournalStatus",
    "JournalWriter", "Keep", "Pace", "Reading", "Record", "Retention", "Room", "Sample", "Series", "Wall",
]
