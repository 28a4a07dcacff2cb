"""End-to-end protection of frames: CRC and alive counter, judged on receiving, put in on sending.

Rules: the receiver table of the node's CAN layout. Knows neither what a message says nor which node exists.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

FRAME_LENGTH = 8
COUNTS = 15  # the counter runs 0 to 14; 15 is never sent
_MOST_STEP = 3  # up to two frames may be lost without a doubt about the sender
_GOOD_TO_TRUST = 2  # good frames in a row after a wrong sequence
_WINDOW = 5  # judged frames that the failure rule looks at
_BAD_TO_FAIL = 3
_GOOD_TO_RECOVER = 3
_CLASHES_WITHIN_NS = 10_000_000_000  # a second one so soon is no restart that hit the old counter by chance


class BusFrame(NamedTuple):
    """One data frame on a named bus."""

    bus: str
    can_id: int
    extended: bool
    data: bytes


Received = tuple[BusFrame, int]
"""A frame and when it came, in nanoseconds of the gateway's clock."""


class Verdict(Enum):
    """What becomes of a received frame; only USE lets its values in. NOT_YET is a good frame of a doubtful sender."""

    USE = "use"
    REPEATED = "repeated"
    WRONG_SEQUENCE = "wrong_sequence"
    NOT_YET = "not_yet"
    BAD_CHECK = "bad_check"


def crc_table() -> tuple[int, ...]:
    """CRC-8 SAE J1850 (polynomial 0x1D) of each byte."""
    entries = []
    for value in range(256):
        for _ in range(8):
            value = (value << 1 ^ 0x1D) & 0xFF if value & 0x80 else value << 1
        entries.append(value)
    return tuple(entries)


_CRC = crc_table()


def crc_start(message: int, node: int) -> int:
    """The CRC's register after the message number (id bits 15-8) and the node number (id bits 7-0)."""
    return _CRC[_CRC[0xFF ^ message] ^ node]


def crc8(start: int, data: bytes | bytearray) -> int:
    """CRC-8 SAE J1850 of bytes 0 to 6 of a frame, from `crc_start` of its id."""
    table = _CRC
    crc = start
    for byte in data[:7]:
        crc = table[crc ^ byte]
    return crc ^ 0xFF


def check_of(can_id: int, data: bytes | bytearray) -> int:
    """The CRC that a frame of this id with these bytes 0 to 6 carries in byte 7."""
    return crc8(crc_start(can_id >> 8 & 0xFF, can_id & 0xFF), data)


class Receiver:
    """Judges the frames of one message of one node.

    `timeout_s` is the silence after which the next frame is a first one: three cycles, 1 s for messages without one.
    """

    __slots__ = ("_clash_ns", "_counter", "_data", "_good", "_quarantine", "_start", "_time_ns", "_timeout_ns",
                 "_window", "bad_check", "failed", "good", "lost", "repeated", "two_senders_ns", "wrong_sequence")

    def __init__(self, message: int, node: int, cycle_s: float | None) -> None:
        self._start = crc_start(message, node)
        self._timeout_ns = int((3 * cycle_s if cycle_s else 1.0) * 1e9)
        self._counter: int | None = None
        self._data = b""
        self._time_ns = 0
        self._clash_ns: int | None = None  # when a counter came again with other bytes
        self.two_senders_ns: int | None = None  # when that had happened before not long ago
        self._quarantine = 0  # good frames still wanted after a wrong sequence
        self._window = 0  # one bit a judged frame, 1 is bad
        self._good = 0  # good frames in a row
        self.failed = False  # qualified: 3 bad of the last 5, until 3 good in a row; nothing is used meanwhile
        self.good = self.lost = self.repeated = self.wrong_sequence = self.bad_check = 0

    def judge(self, data: bytes, now_ns: int) -> Verdict:
        """The verdict on a frame of eight bytes received at `now_ns`."""
        if crc8(self._start, data) != data[7]:
            self.bad_check += 1
            return self._bad(Verdict.BAD_CHECK)
        counter = data[6] & 0x0F
        if counter == COUNTS:
            self.wrong_sequence += 1
            return self._bad(Verdict.WRONG_SEQUENCE)
        last, silent_ns, before = self._counter, now_ns - self._time_ns, self._data
        self._counter, self._time_ns, self._data = counter, now_ns, data
        if last is None or silent_ns > self._timeout_ns:
            self._quarantine = 0
            return self._sound()
        step = (counter - last) % COUNTS
        if step == 0 and data != before:
            self._note_clash(now_ns)
        elif step == 0:
            self.repeated += 1
            self._time_ns = now_ns - silent_ns  # a repeated frame is no sign of life
            return Verdict.REPEATED
        if step == 0 or step > _MOST_STEP:
            self.wrong_sequence += 1
            self._quarantine = _GOOD_TO_TRUST
            return self._bad(Verdict.WRONG_SEQUENCE)
        self.lost += step - 1
        return self._sound()

    def _note_clash(self, now_ns: int) -> None:
        """One sender never gives one counter to two contents."""
        if self._clash_ns is not None and now_ns - self._clash_ns <= _CLASHES_WITHIN_NS:
            self.two_senders_ns = now_ns
        self._clash_ns = now_ns

    def _sound(self) -> Verdict:
        self._window = self._window << 1 & (1 << _WINDOW) - 1
        self._good += 1
        if self.failed and self._good >= _GOOD_TO_RECOVER:
            self.failed = False
        if self._quarantine:
            self._quarantine -= 1
            if self._quarantine:
                return Verdict.NOT_YET
        if self.failed:
            return Verdict.NOT_YET
        self.good += 1
        return Verdict.USE

    def _bad(self, verdict: Verdict) -> Verdict:
        self._window = (self._window << 1 | 1) & (1 << _WINDOW) - 1
        self._good = 0
        if self._quarantine:
            self._quarantine = _GOOD_TO_TRUST
        if self._window.bit_count() >= _BAD_TO_FAIL:
            self.failed = True
        return verdict


class Sender:
    """Puts counter and CRC into the frames of one message to one address."""

    def __init__(self, bus: str, can_id: int, encode: Callable[[dict[str, int | float | str | None]], bytes]) -> None:
        self._bus = bus
        self._can_id = can_id
        self._encode = encode
        self._start = crc_start(can_id >> 8 & 0xFF, can_id & 0xFF)
        self._counter = 0

    def frame(self, values: dict[str, int | float | str | None]) -> BusFrame:
        """The next frame with these signals, counter and CRC left out of them."""
        data = bytearray(self._encode(values | {"Counter": 0, "Crc8": 0}))
        data[6] |= self._counter
        data[7] = crc8(self._start, data)
        self._counter = (self._counter + 1) % COUNTS
        return BusFrame(self._bus, self._can_id, True, bytes(data))
