"""PCAN trace files (.trc), versions 1.0 to 2.1. Line by line.

Times are taken as relative to the start of the trace: the start in the header has no time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from twolbms.importing.frames import DATA, ERROR, MOST_TIME_NS, REMOTE, Damage, LogFrame

_TIME = re.compile(r"(\d{1,15})(?:\.(\d{1,6}))?")
_FD_LENGTH = (*range(9), 12, 16, 20, 24, 32, 48, 64)
_DATA_TYPES = {"RX", "TX", "DT", "FD", "FB", "FE", "BI", "RR"}
_ERROR_TYPES = {"ERROR", "ER"}
_OTHER_TYPES = {"WARNG", "ST", "EC", "EV"}


class _Places(NamedTuple):
    """Which word of a line is what; `data` is the first of the data. `length` is bytes, `dlc` a code for them."""

    time: int
    type: int | None
    bus: int | None
    can_id: int
    dlc: int | None
    length: int | None
    data: int


# Version: places. A version 2 file names its columns itself.
_BY_VERSION = {
    "1.0": _Places(1, None, None, 2, 3, None, 4),
    "1.1": _Places(1, 2, None, 3, 4, None, 5),
    "1.2": _Places(1, 3, 2, 4, 5, None, 6),
    "1.3": _Places(1, 3, 2, 4, 6, None, 7),
}


class TrcReader:
    """Reads chunks of whole lines. The tool's bus 1 is bus 0."""

    def __init__(self, damage: Damage) -> None:
        self._damage = damage
        self._places = _BY_VERSION["1.0"]

    def read(self, chunks: Iterator[bytes]) -> Iterator[list[LogFrame]]:
        """The frames of each chunk."""
        number = 0
        for chunk in chunks:
            lines = chunk.decode("latin-1").split("\n")
            frames = [frame for index, line in enumerate(lines) if (frame := self._line(line, number + index + 1))]
            number += len(lines) - 1
            if frames:
                yield frames

    def _line(self, line: str, number: int) -> LogFrame | None:
        line = line.strip()
        if line.startswith(";"):
            self._header(line)
            return None
        if not line:
            return None
        words = line.split()
        try:
            places = self._places
            word = "DT" if places.type is None else words[places.type].upper()
            if word in _OTHER_TYPES:
                return None
            if word in _ERROR_TYPES:
                return LogFrame(_time_ns(words[places.time]), self._bus(words), 0, False, b"", ERROR)
            if word in _DATA_TYPES:
                return self._frame(words, word)
        except (ValueError, IndexError):
            pass
        self._damage.line(number)
        return None

    def _header(self, line: str) -> None:
        name, _, value = line.partition("=")
        if name == ";$FILEVERSION":
            self._places = _BY_VERSION.get(value.strip(), self._places)
        elif name == ";$COLUMNS":
            columns = value.strip().split(",")
            place = {column: index for index, column in enumerate(columns)}
            if {"O", "I", "D"} <= place.keys() and place.keys() & {"l", "L"}:
                self._places = _Places(place["O"], place.get("T"), place.get("B"), place["I"], place.get("L"),
                                       place.get("l"), place["D"])

    def _frame(self, words: list[str], word: str) -> LogFrame:
        places = self._places
        time_ns, bus = _time_ns(words[places.time]), self._bus(words)
        text = words[places.can_id]
        extended = len(text) > 4
        can_id = int(text, 16)
        if not 0 <= can_id <= (0x1FFFFFFF if extended else 0x7FF):
            raise ValueError(text)
        if word == "RR" or words[places.data:places.data + 1] == ["RTR"]:
            return LogFrame(time_ns, bus, can_id, extended, b"", REMOTE)
        code = words[places.dlc or 0]
        length = _FD_LENGTH[int(code)] if places.length is None else int(words[places.length])
        octets = words[places.data:places.data + length]
        data = bytes.fromhex("".join(octets))
        if len(octets) != length or len(data) != length or length not in _FD_LENGTH:
            raise ValueError("not as many bytes as the line says")
        return LogFrame(time_ns, bus, can_id, extended, data, DATA)

    def _bus(self, words: list[str]) -> str:
        place = self._places.bus
        return "can0" if place is None else f"can{max(0, int(words[place]) - 1)}"


def _time_ns(text: str) -> int:
    """Milliseconds since the start. Raises ValueError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    time_ns = int(found[1]) * 1_000_000 + int((found[2] or "").ljust(6, "0"))
    if time_ns >= MOST_TIME_NS:
        raise ValueError(text)
    return time_ns
