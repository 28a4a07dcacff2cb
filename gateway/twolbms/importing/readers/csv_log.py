"""CSV of loggers, recognised by the names in its first line: python-can's, SavvyCAN's (GVRET), CANedge's and others.

Line by line. A time with a decimal point is seconds; whole numbers are microseconds in SavvyCAN's `Time Stamp` only.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from twolbms.importing.frames import DATA, ERROR, MOST_TIME_NS, REMOTE, Damage, LogFrame

# Our word: what loggers call such a column, in small letters without blanks, dots and underscores.
ROLES = {
    "time": ("timestamp", "timestamps", "timestampepoch", "time"),
    "id": ("id", "arbitrationid", "canid", "candataframe.id"),
    "data": ("data", "databytes", "candataframe.databytes"),
    "extended": ("extended", "ide", "isextended", "isextendedid"),
    "bus": ("bus", "buschannel", "channel"),
    "length": ("len", "dlc", "length", "datalength"),
    "remote": ("remote", "rtr", "isremoteframe"),
    "error": ("error", "iserrorframe"),
}
_BYTE_COLUMN = re.compile(r"(?:d|b|byte|data)_?(\d{1,2})")
_PYTHON_CAN = ["timestamp", "arbitration_id", "extended", "remote", "error", "dlc", "data"]
_TIME = re.compile(r"(-?)(\d{1,19})(?:\.(\d+))?")
_EXPONENT = re.compile(r"(\d)(?:\.(\d+))?e-(\d\d?)")
_TRUE = {"1": True, "true": True, "0": False, "false": False, "": False}
_FD_LENGTHS = frozenset((*range(9), 12, 16, 20, 24, 32, 48, 64))


class Columns(NamedTuple):
    """Where each of our words stands in a line; `octets` are the columns of one byte each."""

    delimiter: str
    names: list[str]
    place: dict[str, int]
    octets: list[int]
    base64: bool
    microseconds: bool

    @property
    def understood(self) -> bool:
        """Whether time, id and data are there."""
        return "time" in self.place and "id" in self.place and ("data" in self.place or bool(self.octets))


def columns_of(line: str) -> Columns:
    """What the names in the first line say."""
    delimiter = max(",;\t", key=line.count)
    names = [name.strip().strip('"') for name in line.rstrip("\r\n").split(delimiter)]
    place: dict[str, int] = {}
    octets = {}
    for index, name in enumerate(names):
        plain = re.sub(r"[ _]", "", name.lower())
        for role, known in ROLES.items():
            if plain in known and (role not in place or plain == "datalength"):
                place[role] = index
        if byte := _BYTE_COLUMN.fullmatch(name.lower()):
            octets[int(byte[1])] = index
    return Columns(delimiter, names, place, [octets[number] for number in sorted(octets)], names == _PYTHON_CAN,
                   "Time Stamp" in names)


def header_of(head: bytes) -> str:
    """The first line that is neither empty nor a comment."""
    lines = (line.strip("\ufeff \r") for line in head.decode("utf-8", errors="replace").split("\n"))
    return next((line for line in lines if line and not line.startswith("#")), "")


class CsvReader:
    """Reads chunks of whole lines, the first of which names the columns."""

    def __init__(self, damage: Damage) -> None:
        self._damage = damage
        self._columns: Columns | None = None

    def read(self, chunks: Iterator[bytes]) -> Iterator[list[LogFrame]]:
        """The frames of each chunk."""
        number = 0
        for chunk in chunks:
            lines = chunk.decode("latin-1").split("\n")
            frames = []
            for index, line in enumerate(lines):
                line = line.strip("\r ")
                if not line or line.startswith("#"):
                    continue
                if self._columns is None:
                    self._columns = columns_of(line)
                    continue
                frame = self._frame(line, self._columns)
                if frame is None:
                    self._damage.line(number + index + 1)
                else:
                    frames.append(frame)
            number += len(lines) - 1
            if frames:
                yield frames

    def _frame(self, line: str, columns: Columns) -> LogFrame | None:
        fields = line.split(columns.delimiter)
        place = columns.place
        try:
            time_ns = _time_ns(fields[place["time"]], columns.microseconds)
            can_id = int(fields[place["id"]], 16)
            extended = _TRUE[fields[place["extended"]].lower()] if "extended" in place else can_id > 0x7FF
            if not 0 <= can_id <= (0x1FFFFFFF if extended else 0x7FF):
                return None
            bus = f"can{int(fields[place['bus']])}" if "bus" in place else "can0"
            kind = _kind(fields, place)
            data = _data(fields, columns) if kind == DATA else b""
        except (ValueError, IndexError, KeyError):
            return None
        return LogFrame(time_ns, bus, can_id, extended, data, kind) if len(data) in _FD_LENGTHS else None


def _time_ns(text: str, microseconds: bool) -> int:
    """Raises ValueError for what is no time, or one no clock gives."""
    found = _TIME.fullmatch(text)
    if found is None:
        return _small_time_ns(text)
    sign, whole, fraction = found.groups()
    if fraction is None and not microseconds:
        raise ValueError("a whole number has no unit")
    nanoseconds = int(whole) * 1_000_000_000 + int((fraction or "")[:9].ljust(9, "0"))
    time_ns = int(whole) * 1000 if fraction is None else nanoseconds
    if time_ns >= MOST_TIME_NS:
        raise ValueError(text)
    return -time_ns if sign else time_ns


def _small_time_ns(text: str) -> int:
    """Seconds as Python writes what is less than 0.0001: 5e-05. Raises ValueError for anything else."""
    found = _EXPONENT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    digits = found[1] + (found[2] or "")
    return int(digits) * 1_000_000_000 // int("1" + "0" * (int(found[3]) + len(digits) - 1))


def _kind(fields: list[str], place: dict[str, int]) -> int:
    if "error" in place and _TRUE[fields[place["error"]].lower()]:
        return ERROR
    return REMOTE if "remote" in place and _TRUE[fields[place["remote"]].lower()] else DATA


def _data(fields: list[str], columns: Columns) -> bytes:
    """Raises ValueError where data are no hex, no Base64, or not as many as the line says."""
    length = int(fields[columns.place["length"]]) if "length" in columns.place else None
    if columns.base64:
        data = binascii.a2b_base64(fields[columns.place["data"]].encode("ascii"), strict_mode=True)
    elif columns.octets:
        texts = [fields[index] for index in columns.octets[:length]]
        data = bytes.fromhex("".join(text.rjust(2, "0") for text in texts if text))
    else:
        data = bytes.fromhex(fields[columns.place["data"]].removeprefix("0x"))
    if length is not None and len(data) != length and not (length > 8 and "dlc" in columns.names[
            columns.place["length"]].lower()):
        raise ValueError("not as many bytes as the line says")
    return data
