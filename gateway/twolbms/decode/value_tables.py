"""Ready values of short signals, looked up by their raw bits instead of being computed for every frame.

A list index costs half of a multiplication in CPython 3.11, and takes the sign and the "not available" codes with it.
Tables are shared by all signals that would have the same one, and bounded for the whole database.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from twolbms.decode.signals import Signal

_LONGEST = 14
_MOST_ENTRIES = 1 << 17  # 4 MB of floats
_MOST_GROUPS = 1024  # of about 1 kB: flags that change more often than that are no flags

_FLOAT_FORMS = {16: "<e", 32: "<f", 64: "<d"}

Number = int | float


def value_of(signal: Signal) -> Callable[[int], Number | None]:
    """The physical value of raw bits, which come unsigned; None at a "not available" code.

    Operation by operation as cantools computes it.
    """
    raw_of, missing = _raw_of(signal), signal.not_available
    if signal.identity and not missing:
        return raw_of
    scale, offset, identity = signal.scale, signal.offset, signal.identity

    def value(bits: int) -> Number | None:
        raw = raw_of(bits)
        if raw in missing:
            return None
        return raw if identity else raw * scale + offset

    return value


def _raw_of(signal: Signal) -> Callable[[int], Number]:
    if signal.is_float:
        return float_of(signal.length)
    sign = 1 << (signal.length - 1) if signal.signed else 0
    return lambda bits: (bits ^ sign) - sign


def float_of(length: int) -> Callable[[int], float]:
    """The float that some bits are."""
    unpack, size = struct.Struct(_FLOAT_FORMS[length]).unpack, length // 8
    return lambda bits: unpack(bits.to_bytes(size, "little"))[0]


class ValueTables:
    """The tables of one database; `table(...)` is None where a value is better computed."""

    def __init__(self) -> None:
        self._tables: dict[tuple[Any, ...], list[Number | None]] = {}
        self._entries = 0

    def table(self, signal: Signal) -> list[Number | None] | None:
        """Values by raw bits. A negative index finds the value of a negative raw number."""
        missing = signal.not_available
        nothing_to_do = signal.identity and not missing and not signal.signed
        if signal.length > _LONGEST or signal.is_float or nothing_to_do:
            return None
        key = (signal.length, signal.signed, repr(signal.scale), repr(signal.offset), missing)
        if key not in self._tables:
            if self._entries + (1 << signal.length) > _MOST_ENTRIES:
                return None
            value = value_of(signal)
            self._tables[key] = [value(bits) for bits in range(1 << signal.length)]
            self._entries += 1 << signal.length
        return self._tables[key]


class Group:
    """Whole dicts of a message by the number that holds its flags: to be copied, and completed with what is no flag.

    Flags seldom change, so the dict of a frame is nearly always `known`. Bits that change so often that the memory is
    full are no flags: then `noisy` is no longer empty, and the message is read without it.
    """

    def __init__(self) -> None:
        self.known: dict[int, dict[str, Number | None]] = {}
        self.noisy: list[bool] = []

    def learn(self, number: int, values: dict[str, Number | None]) -> None:
        """Keeps the dict of a frame; what is no flag in it does not count."""
        self.known[number] = values.copy()
        if len(self.known) >= _MOST_GROUPS:
            self.noisy.append(True)
            self.known.clear()
