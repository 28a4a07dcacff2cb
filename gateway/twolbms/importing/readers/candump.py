"""Candump text, one frame a line: `(1700000000.123456) can0 1DB#7FE0FFC6000000DE`. Reads line by line; the measure for
`candump_bulk`, which must give the same.

Also read: CAN FD (`##` and a flag digit), remote frames (`#R8`), error frames (bit 29 of the id), and the direction
(` R`, ` T`) that newer versions write.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial

from twolbms.importing.frames import DATA, ERROR, MOST_TIME_NS, REMOTE, Damage, LogFrame

_ERROR_FLAG = 0x20000000  # CAN_ERR_FLAG of linux/can.h
_ID_BITS = 0x1FFFFFFF
_STANDARD_BITS = 0x7FF
_HEX_DIGITS = "0123456789abcdefABCDEF"
_FD_LENGTHS = frozenset((*range(9), 12, 16, 20, 24, 32, 48, 64))

_new = partial(tuple.__new__, LogFrame)  # half the time of calling the class


def read_lines(chunks: Iterator[bytes], damage: Damage) -> Iterator[list[LogFrame]]:
    """The frames of each chunk of whole lines; what is no frame is counted in `damage`."""
    number = 0
    for chunk in chunks:
        lines = chunk.split(b"\n")
        ends_whole = not lines[-1]
        frames = []
        for index, line in enumerate(lines):
            if not line or line.isspace():
                continue
            frame = parse_line(line)
            if frame is None or (not ends_whole and index == len(lines) - 1 and looks_cut(frame, lines[:-1])):
                damage.line(number + index + 1)
            else:
                frames.append(frame)
        number += len(lines) - 1
        if frames:
            yield frames


def parse_line(line: bytes) -> LogFrame | None:
    """The frame of a line, or None."""
    words = line.decode("latin-1").split()
    if len(words) == 4 and words[3] in ("R", "T"):
        words.pop()
    if len(words) != 3:
        return None
    stamp, bus, frame = words
    name, mark, payload = frame.partition("#")
    if not (bus.isascii() and bus.isprintable()):
        return None
    try:
        can_id, extended, kind = _identity(name)
        seconds, fraction = _clock(stamp)
        if not mark:
            return None
        if kind == DATA and payload[:1] not in ("#", "R", "r"):
            data = bytes.fromhex(payload)
            return _new((seconds + fraction, bus, can_id, extended, data, DATA)) if len(data) <= 8 else None
        return _rarer_frame(seconds + fraction, bus, can_id, extended, kind, payload)
    except ValueError:
        return _with_length_code(line) if "_" in payload else None


def looks_cut(frame: LogFrame, lines_before: list[bytes]) -> bool:
    """Whether a last line without its line end holds less data than the frame of the same id before it.

    candump ends every line, so such a line is where the log was cut; with as much data as ever it lost nothing.
    """
    digits = f"{frame.can_id:08X}" if frame.extended else f"{frame.can_id:03X}"
    mark = f" {digits}#".encode()
    for line in reversed(lines_before):
        if mark in line.upper():
            before = parse_line(line)
            return before is not None and len(before.data) > len(frame.data)
    return False


@lru_cache(maxsize=4096)
def _identity(name: str) -> tuple[int, bool, int]:
    """Id, whether it is a 29-bit one, and DATA or ERROR. Raises ValueError for what is no id."""
    if len(name) == 3:
        can_id = int.from_bytes(bytes.fromhex("0" + name))
        if can_id <= _STANDARD_BITS:
            return can_id, False, DATA
    elif len(name) == 8:
        can_id = int.from_bytes(bytes.fromhex(name))
        if can_id & _ERROR_FLAG:
            return can_id & _ID_BITS, True, ERROR
        if can_id <= _ID_BITS:
            return can_id, True, DATA
    raise ValueError(name)


def _clock(stamp: str) -> tuple[int, int]:
    """Whole seconds and fraction of a stamp in parentheses, both in ns. Raises ValueError for no or an absurd one."""
    seconds, _, fraction = stamp[1:-1].partition(".")
    # isdecimal() first, because int() alone would take "1_0" and "+1".
    if stamp[0] != "(" or stamp[-1] != ")" or not (seconds.isdecimal() and fraction.isdecimal()):
        raise ValueError(stamp)
    whole_ns = int(seconds) * 1_000_000_000
    if whole_ns >= MOST_TIME_NS:
        raise ValueError(stamp)
    return whole_ns, int(fraction[:9].ljust(9, "0"))


def _rarer_frame(time_ns: int, bus: str, can_id: int, extended: bool, kind: int, payload: str) -> LogFrame | None:
    """An error, remote or CAN FD frame. Raises ValueError for what is no hex."""
    if kind == ERROR:
        return LogFrame(time_ns, bus, can_id, extended, b"", ERROR)
    if payload[0] in "Rr":
        remote = len(payload) == 1 or (len(payload) == 2 and payload[1] in _HEX_DIGITS)
        return LogFrame(time_ns, bus, can_id, extended, b"", REMOTE) if remote else None
    data = bytes.fromhex(payload[2:])
    valid = len(data) in _FD_LENGTHS and len(payload) > 1 and payload[1] in _HEX_DIGITS
    return LogFrame(time_ns, bus, can_id, extended, data, DATA) if valid else None


def _with_length_code(line: bytes) -> LogFrame | None:
    """A line whose data end in "_9" to "_F", the raw length code that some controllers send with 8 bytes."""
    plain, _, code = line.rstrip().partition(b"_")
    return parse_line(plain) if len(code) == 1 and code in b"9ABCDEFabcdef" else None
