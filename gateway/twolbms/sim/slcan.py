"""slcan (Lawicel) text: frames to lines and back, and a reader that survives garbage.

Knows the text only, for both ends of the wire; what a command does is the port's business.
"""

from __future__ import annotations

from binascii import unhexlify
from typing import NamedTuple

CR = b"\r"
BELL = b"\a"
MAX_LINE = 40  # the longest line, an extended frame with a time stamp, has 30 characters

_ID_DIGITS = {"t": 3, "r": 3, "T": 8, "R": 8}
_FIRST_FRAME_BYTES = frozenset(b"tTrR")


class CanFrame(NamedTuple):
    """A classic CAN frame; a remote frame asks for `dlc` bytes and carries none."""

    can_id: int
    extended: bool
    data: bytes
    remote: bool = False
    dlc: int | None = None

    @property
    def length(self) -> int:
        """The length code on the wire."""
        return len(self.data) if self.dlc is None else self.dlc


def encode(frame: CanFrame) -> bytes:
    """The line of a frame, with its carriage return; ValueError when no controller could send it."""
    _check(frame)
    letter = ("R" if frame.remote else "T") if frame.extended else ("r" if frame.remote else "t")
    return f"{letter}{frame.can_id:0{_ID_DIGITS[letter]}X}{frame.length}{frame.data.hex().upper()}\r".encode()


def _check(frame: CanFrame) -> None:
    top = 0x1FFFFFFF if frame.extended else 0x7FF
    if not 0 <= frame.can_id <= top:
        raise ValueError(f"CAN id {frame.can_id:#x}: expected 0 to {top:#x}")
    if not 0 <= frame.length <= 8 or (frame.remote and frame.data):
        raise ValueError(f"frame of {frame.length} bytes: expected 0 to 8, and no data in a remote frame")


def is_frame_line(line: bytes) -> bool:
    """Whether a line claims to be a frame (its first letter says so)."""
    return bool(line) and line[0] in _FIRST_FRAME_BYTES


def parse_frame(line: bytes) -> CanFrame:
    """The frame of a line without its carriage return; ValueError for every other text, wrong length included."""
    letter = line[:1]
    if letter in (b"T", b"R"):
        can_id, digits = int.from_bytes(unhexlify(line[1:9]), "big"), 9
        if can_id > 0x1FFFFFFF:
            raise ValueError(f"CAN id {can_id:#x}: expected 29 bits")
    elif letter in (b"t", b"r"):
        can_id, digits = int.from_bytes(unhexlify(b"0" + line[1:4]), "big"), 4
        if can_id > 0x7FF:
            raise ValueError(f"CAN id {can_id:#x}: expected 11 bits")
    else:
        raise ValueError(f"{line!r}: expected a frame line")
    length = line[digits] - 48 if len(line) > digits else -1
    if not 0 <= length <= 8:
        raise ValueError(f"{line!r}: expected a length 0 to 8")
    data = unhexlify(line[digits + 1:])
    if letter in (b"r", b"R"):
        if data:
            raise ValueError(f"{line!r}: a remote frame carries no data")
        return CanFrame(can_id, letter == b"R", b"", True, length)
    if len(data) != length:
        raise ValueError(f"{line!r}: expected {length} bytes of data")
    return CanFrame(can_id, letter == b"T", data)


class LineReader:
    """Cuts a byte stream into lines; what is too long to be one is dropped and counted in `bad_lines`."""

    def __init__(self) -> None:
        self.bad_lines = 0
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines completed by these bytes, without their ends; an error bell is a line `\\a` of its own."""
        data = self._rest + data
        if b"\a" in data:
            data = data.replace(b"\a", b"\a\r")
        lines = data.split(CR)
        self._rest = lines.pop()
        if self._skipping and lines:
            self._skipping = False
            del lines[0]
        if len(self._rest) > MAX_LINE:
            self._drop_rest()
        return lines

    def _drop_rest(self) -> None:
        if not self._skipping:
            self.bad_lines += 1
        self._rest, self._skipping = b"", True


class FrameReader:
    """The host's side: frames out of what an adapter sends; its answers and bad lines are counted."""

    def __init__(self) -> None:
        self.accepted = 0
        self.refused = 0
        self._lines = LineReader()
        self._bad_frames = 0

    @property
    def bad_lines(self) -> int:
        """Lines that were neither a frame nor an answer."""
        return self._lines.bad_lines + self._bad_frames

    def feed(self, data: bytes) -> list[CanFrame]:
        """The frames completed by these bytes."""
        return [frame for line in self._lines.feed(data) if (frame := self._read(line)) is not None]

    def _read(self, line: bytes) -> CanFrame | None:
        if is_frame_line(line):
            try:
                return parse_frame(line)
            except ValueError:
                self._bad_frames += 1
        elif line.endswith(BELL):
            self.refused += 1
        elif line in (b"", b"z", b"Z"):
            self.accepted += 1
        elif line[:1] not in (b"V", b"N", b"F"):
            self._bad_frames += 1
        return None
