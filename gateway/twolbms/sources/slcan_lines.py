"""slcan text in bulk: the frames in what an adapter has sent, however it was cut, and the lines that go to it.

Knows the text only. Ids repeat on a bus, so the head of a line, letter to length, is read once and remembered.
"""

from __future__ import annotations

from binascii import unhexlify

from twolbms.sources.bus import Received, wire_bits
from twolbms.wire import BusFrame

BITRATES = {10_000: b"S0", 20_000: b"S1", 50_000: b"S2", 100_000: b"S3", 125_000: b"S4", 250_000: b"S5",
            500_000: b"S6", 750_000: b"S7", 800_000: b"S7", 1_000_000: b"S8", 83_300: b"S9"}
"""Lawicel's table; S7 is 800 kbit/s there and 750 kbit/s in some adapters, and S9 is of some adapters only."""

_LONGEST_LINE = 64  # a frame with a time stamp has 30 characters; more without an end is noise
_MOST_HEADS = 4096  # with random ids they would grow for ever
_STAMP_DIGITS = 4  # an adapter left in time stamp mode by another program adds them
_TOP = {b"T": 0x1FFFFFFF, b"t": 0x7FF}
_T = ord("T")
_t = ord("t")
_new = tuple.__new__


def line_of(frame: BusFrame) -> bytes:
    """The line that sends a frame."""
    head = f"T{frame.can_id:08X}" if frame.extended else f"t{frame.can_id:03X}"
    return f"{head}{len(frame.data)}{frame.data.hex().upper()}\r".encode()


class SlcanReader:
    """Turns what comes into frames of the bus `name`.

    `bad_lines` claimed to be frames and were none; `remote` frames are only counted; `refused` are the adapter's bells.
    """

    def __init__(self, name: str) -> None:
        self.bad_lines = self.remote = self.refused = self.bits = 0
        self._name = name
        self._rest = b""
        self._heads: dict[bytes, tuple[int, bool, int]] = {}

    def take(self, chunk: bytes, now_ns: int) -> list[Received]:
        """The frames that these bytes complete, from `now_ns` on a nanosecond apart."""
        if b"\a" in chunk:
            self.refused += chunk.count(b"\a")
            chunk = chunk.replace(b"\a", b"\r")
        lines = (self._rest + chunk).split(b"\r")
        self._rest = lines.pop()
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
            self.bad_lines += 1
        self._count_bits(chunk)
        return self._frames(lines, now_ns)

    def _count_bits(self, chunk: bytes) -> None:
        """From the letters of the text, which are no digits: exact when no answers are between the frames."""
        extended, standard = chunk.count(b"T"), chunk.count(b"t")
        digits = max(0, len(chunk) - 11 * extended - 6 * standard)
        self.bits += wire_bits(extended + standard, extended, digits // 2)

    def _frames(self, lines: list[bytes], now_ns: int) -> list[Received]:
        name, heads = self._name, self._heads
        frames: list[Received] = []
        for line in lines:
            if not line:
                continue
            end = 10 if line[0] == _T else 5 if line[0] == _t else 0
            if not end:
                self.remote += line[0] in b"rR"
                continue
            try:
                head = heads.get(line[:end]) or self._head(line[:end], end)
                data = unhexlify(line[end:])
                if len(data) != head[2]:
                    data = _without_stamp(data, head[2])
            except ValueError:  # binascii.Error is one
                self.bad_lines += 1
                continue
            frames.append((_new(BusFrame, (name, head[0], head[1], data)), now_ns))
            now_ns += 1  # two of one id at one nanosecond would be one point to a database
        return frames

    def _head(self, text: bytes, end: int) -> tuple[int, bool, int]:
        """Id, whether it is extended, and length; ValueError when the text is no head of a frame."""
        letter, digits, length = text[:1], text[1:end - 1], text[end - 1:end]
        can_id = int.from_bytes(unhexlify(digits.rjust(8, b"0")), "big")
        if len(text) != end or can_id > _TOP[letter] or length not in (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7",
                                                                       b"8"):
            raise ValueError("no head of a frame")
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        head = self._heads[text] = (can_id, letter == b"T", int(length))
        return head


def _without_stamp(data: bytes, length: int) -> bytes:
    if len(data) != length + _STAMP_DIGITS // 2:
        raise ValueError("cut short or too long")
    return data[:length]
