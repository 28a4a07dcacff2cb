"""The table of device kinds: how each is spoken with, and when its silence means something. A new device is a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from twolbms.devices import victron
from twolbms.devices.reading import Talk


class Line(NamedTuple):
    """How a serial port is set; parity N, E or O. TCP ports have no such settings."""

    baud: int
    parity: str = "N"
    stop_bits: int = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of device.

    `talk` begins a conversation; `quantities` are what it may tell, rows of `fields.py`; a value older than `max_age_s`
    is unknown unless the site says otherwise. `describe` makes words for people of the texts a device has told.
    """

    name: str
    title: str
    line: Line
    talk: Callable[[], Talk]
    max_age_s: float
    quantities: tuple[str, ...]
    describe: Callable[[Mapping[str, str]], Mapping[str, str]]


# Victron's page: 19200 8N1, two blocks a second; stale after 3 to 5 missed ones.
_ROWS = (
    Kind("victron_ve_direct", "Victron SmartShunt or BMV", Line(19200), victron.VictronTalk, 5.0, victron.QUANTITIES,
         victron.describe),
)

KINDS: dict[str, Kind] = {row.name: row for row in _ROWS}


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """One device of the site: an individual of a kind. `pack` is the pack that it measures, "" for none."""

    name: str
    kind: Kind
    port: str
    pack: str = ""
    max_age_s: float | None = None

    @property
    def known_ns(self) -> int:
        """How old a value may be, nanoseconds."""
        return int((self.max_age_s or self.kind.max_age_s) * 1e9)
