"""What a journal holds: four families of records, and the cursor that names a place among them.

Times are integer nanoseconds: of the boot's monotonic clock when written, of wall time once read (see `reader`).
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Series(NamedTuple):
    """Names what a sample is a value of; `pack` is "" for the site or the gateway, `cell` counts from 0."""

    quantity: str
    pack: str
    cell: int | None


class Sample(NamedTuple):
    """One finite value of a published quantity, in the unit that `fields.py` gives."""

    time_ns: int
    series: Series
    value: float


class Event(NamedTuple):
    """Something that happened once; `data` is what JSON can hold."""

    time_ns: int
    kind: str
    pack: str
    data: dict[str, Any]


class Frame(NamedTuple):
    """One CAN frame as received."""

    time_ns: int
    bus: str
    can_id: int
    extended: bool
    data: bytes


FrameRow = tuple[int, str, int, bool, bytes]
"""A frame's five fields without its class, which is quicker made; a Frame is one too."""


class Reading(NamedTuple):
    """The raw bytes that a device answered."""

    time_ns: int
    source: str
    data: bytes


Record = Sample | Event | Frame | Reading

# In the order in which they are written when all have waited: what people must not miss comes first.
FAMILIES = ("event", "sample", "reading", "frame")


class Cursor(NamedTuple):
    """A place between two blocks of a family; its text form is "sample:3:4096"."""

    family: str
    segment: int
    offset: int

    def __str__(self) -> str:
        return f"{self.family}:{self.segment}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor of its text form; ValueError when it is not one."""
        parts = text.split(":")
        if len(parts) != 3 or parts[0] not in FAMILIES or not (parts[1].isdecimal() and parts[2].isdecimal()):
            raise ValueError(f"cursor {text!r}: expected family:segment:offset with a family of {', '.join(FAMILIES)}")
        return cls(parts[0], int(parts[1]), int(parts[2]))


GUESSED = "guessed"  # the quality of a wall time for which there was no evidence


class Wall(NamedTuple):
    """What a boot's monotonic time plus `offset_ns` is: wall time, in nanoseconds since 1970, and how it was found."""

    offset_ns: int
    quality: str
