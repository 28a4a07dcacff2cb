"""Vector ASC text: `   0.083540 1  1DB  Rx  d 8 7F E0 FF C6 00 00 00 DE`. Header words, comments and events of other
kinds are passed over; a line that begins as a frame and is none is counted.

Times are taken as relative to the start of the log: the date in the header has no time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from twolbms.importing.frames import DATA, ERROR, MOST_TIME_NS, REMOTE, Damage, LogFrame

_FD_LENGTH = (*range(9), 12, 16, 20, 24, 32, 48, 64)
_TIME = re.compile(r"(\d+)\.(\d+)")
_BASE = re.compile(r"base\s+(hex|dec)(?:\s+timestamps\s+(absolute|relative))?", re.IGNORECASE)
_OTHER_LINES = re.compile(
    r"date\b|base\b|begin\b|end\b|//|(no\s+)?internal\s+events|previous\s+log\s+file"
    r"|\d+\.\d+\s+([a-z]|\d+\s+(statistic|overloadframe|status))",
    re.IGNORECASE,
)
_CHANNEL_ZERO = re.compile(rb"^\s*\d+\.\d+\s+(?:CANFD\s+)?0\s+\S+\s+(?:rx|tx)\s", re.MULTILINE | re.IGNORECASE)


class AscReader:
    """Reads chunks of whole lines. Vector's channel 1 is bus 0; in a file with a channel 0 the numbers agree."""

    def __init__(self, damage: Damage) -> None:
        self._damage = damage
        self._base = 16
        self._steps = False
        self._lowest_channel = 1
        self.now_ns = 0
        self.last_number = 0  # of the last line that began with a time

    def read(self, chunks: Iterator[bytes]) -> Iterator[list[LogFrame]]:
        """The frames of each chunk."""
        number = 0
        for chunk in chunks:
            if number == 0:
                self.look_at_channels(chunk)
            lines = chunk.split(b"\n")
            frames = [frame for index, line in enumerate(lines) if (frame := self.line(line, number + index + 1))]
            number += len(lines) - 1
            if frames:
                yield frames

    def look_at_channels(self, chunk: bytes) -> None:
        """Called with the first chunk, which tells whether channels count from 0."""
        if _CHANNEL_ZERO.search(chunk):
            self._lowest_channel = 0

    @property
    def plain_hex(self) -> bool:
        """Whether numbers are hexadecimal and each time stands for itself."""
        return self._base == 16 and not self._steps

    def line(self, text: bytes, number: int) -> LogFrame | None:
        """The frame of one line; lines come in order, `number` counts from 1. A damaged one is noted."""
        line = text.decode("latin-1")
        words = line.split()
        if not words:
            return None
        if time := _TIME.fullmatch(words[0]):
            self.last_number = number
            try:
                frame = self._frame(self._time_ns(time), words[1:])
            except (ValueError, IndexError):
                frame = None
            if frame:
                return frame
        if base := _BASE.match(line.strip()):
            self._base = 10 if base[1].lower() == "dec" else 16
            self._steps = (base[2] or "").lower() == "relative"
        elif not _OTHER_LINES.match(line.strip()) or (time and words[1:2] == ["CANFD"]):
            self._damage.line(number)
        return None

    def _time_ns(self, time: re.Match[str]) -> int:
        """Time since the start; with "timestamps relative" each one is the time since the line before.

        Raises ValueError for an absurd one.
        """
        stamp_ns = int(time[1]) * 1_000_000_000 + int(time[2][:9].ljust(9, "0"))
        now_ns = self.now_ns + stamp_ns if self._steps else stamp_ns
        if now_ns >= MOST_TIME_NS:
            raise ValueError(time[0])
        self.now_ns = now_ns
        return now_ns

    def _frame(self, time_ns: int, words: list[str]) -> LogFrame | None:
        """The frame behind a time stamp, or None. Raises ValueError or IndexError for what is none."""
        if words[0].upper() == "CANFD":
            return self._fd_frame(time_ns, words[1:])
        bus = self.bus(words[0])
        if words[1].lower() == "errorframe":
            return LogFrame(time_ns, bus, 0, False, b"", ERROR)
        can_id, extended = self._id(words[1])
        if words[2].lower() not in ("rx", "tx"):
            return None
        if words[3].lower() == "r":
            return LogFrame(time_ns, bus, can_id, extended, b"", REMOTE)
        if words[3].lower() != "d":
            return None
        length = min(8, int(words[4], 16))
        return LogFrame(time_ns, bus, can_id, extended, self._data(words[5:], length), DATA)

    def _fd_frame(self, time_ns: int, words: list[str]) -> LogFrame | None:
        """`CANFD 1 Rx 1DB [name] brs esi dlc length data ...`"""
        bus = self.bus(words[0])
        if words[2].lower() == "errorframe":
            return LogFrame(time_ns, bus, 0, False, b"", ERROR)
        can_id, extended = self._id(words[2])
        rest = words[3:] if words[3] in ("0", "1") and words[4] in ("0", "1") else words[4:]
        if rest[0] not in ("0", "1") or rest[1] not in ("0", "1"):
            return None
        length = int(rest[3])
        if length == 0 and int(rest[2], 16) > 0:
            return LogFrame(time_ns, bus, can_id, extended, b"", REMOTE)
        if length not in _FD_LENGTH:
            return None
        return LogFrame(time_ns, bus, can_id, extended, self._data(rest[4:], length), DATA)

    def bus(self, channel: str) -> str:
        """The name of a channel. Raises ValueError for what is no number."""
        return f"can{max(0, int(channel) - self._lowest_channel)}"

    def _id(self, word: str) -> tuple[int, bool]:
        extended = word[-1] in "xX"
        can_id = int(word[:-1] if extended else word, self._base)
        if not 0 <= can_id <= (0x1FFFFFFF if extended else 0x7FF):
            raise ValueError(word)
        return can_id, extended

    def _data(self, words: list[str], length: int) -> bytes:
        if len(words) < length:
            raise ValueError("the line ends in the data")
        if self._base == 16:
            data = bytes.fromhex("".join(words[:length]))
            if len(data) != length:
                raise ValueError("a byte has two digits")
            return data
        return bytes(int(word) for word in words[:length])
