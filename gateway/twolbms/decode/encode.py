"""Physical values into data bytes: the way of the few messages a gateway sends. The numbers are those of cantools."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING

from twolbms.decode.signals import Rounding, Signal

if TYPE_CHECKING:
    from twolbms.decode.message import CompiledMessage, Page

Given = int | float | str | None


class EncodeRefused(ValueError):
    """A message cannot say these values; the text names message and signal."""


def encode(message: CompiledMessage, values: Mapping[str, Given], rounding: Rounding | None) -> bytes:
    """Data bytes of `message`. Bits of no signal are 0."""
    raws = {}
    try:
        for name in values:
            raws[name] = _raw(message.signals[name], values[name], rounding)
    except KeyError as error:
        raise EncodeRefused(f"{message.name} has no signal {error}") from None
    except EncodeRefused as error:
        raise EncodeRefused(f"{message.name}.{error}") from None
    page = _page(message, raws)
    names = {signal.name for signal in page.signals}
    if names != raws.keys():
        raise EncodeRefused(_difference(message.name, names, raws.keys()))
    total = 0
    for signal in page.signals:
        total |= _placed(signal, raws[signal.name], message.length)
    return total.to_bytes(message.length, "little")


def _raw(signal: Signal, value: Given, rounding: Rounding | None) -> int | float:
    """The raw number for a value. Raises EncodeRefused when it does not fit."""
    if value is None:
        return _not_available(signal)
    if isinstance(value, str):
        return _of_text(signal, value)
    raw = _unscaled(signal, value, rounding or signal.rounding)
    if signal.is_float:
        return raw
    if raw not in signal.choices:
        _check_range(signal, value)
    if raw not in signal.raw_range:
        raise EncodeRefused(f"{signal.name}: {value} {signal.unit} does not fit into {signal.length} bits")
    return raw


def _unscaled(signal: Signal, value: int | float, rounding: Rounding) -> int | float:
    if signal.is_float:
        return value if signal.identity else (value - signal.offset) / signal.scale
    if not math.isfinite(value):
        raise EncodeRefused(f"{signal.name}: {value} is no number to send; None says that there is no value")
    raw: int | float = value - signal.offset
    if signal.scale != 1:
        # A whole quotient is taken exactly, so that a large int does not lose its low bits in a float.
        whole = isinstance(signal.scale, int) and raw % signal.scale == 0
        raw = raw // signal.scale if whole else raw / signal.scale
    if rounding == "nearest":
        return round(raw)
    # 10.2 / 0.2 is 50.999...: a quotient within 1e-9 of a whole number is that number, not the next one below.
    near = round(raw)
    return near if abs(raw - near) <= 1e-9 * max(1.0, abs(raw)) else int(raw)


def _check_range(signal: Signal, value: int | float) -> None:
    slack = abs(signal.scale) * 1e-6  # as cantools allows
    low, high = signal.minimum, signal.maximum
    if (low is not None and value < low - slack) or (high is not None and value > high + slack):
        raise EncodeRefused(f"{signal.name}: {value} {signal.unit} is outside {low} to {high}")


def _not_available(signal: Signal) -> int:
    if not signal.not_available:
        raise EncodeRefused(f"{signal.name}: the DBC names no raw value for \"not available\"")
    return signal.not_available[0]


def _of_text(signal: Signal, text: str) -> int:
    for raw, name in signal.choices.items():
        if name == text:
            return raw
    names = ", ".join(signal.choices.values()) or "no text at all"
    raise EncodeRefused(f"{signal.name}: no value is named {text!r}; expected {names}")


def _page(message: CompiledMessage, raws: Mapping[str, int | float]) -> Page:
    """The page the multiplexers in the values choose."""
    for page in message.pages:
        if all(name in raws and _number(message.signals[name], raws[name]) == number for name, number in page.chosen):
            return page
    choices = sorted({f"{name} {number}" for page in message.pages for name, number in page.chosen})
    raise EncodeRefused(f"{message.name}: no page is chosen; expected one of {', '.join(choices)}")


def _number(selector: Signal, raw: int | float) -> int:
    """The number a multiplexer selects by is its scaled value made whole, as in cantools."""
    return int(raw * selector.scale + selector.offset)


def _placed(signal: Signal, raw: int | float, length: int) -> int:
    """The signal's bits at their place in the message read as one little-endian integer."""
    bits = _float_bits(signal.length, raw) if signal.is_float else int(raw) & ((1 << signal.length) - 1)
    if signal.order == "little":
        return bits << signal.start
    shift = 8 * length - signal.bits.stop
    return int.from_bytes((bits << shift).to_bytes(length, "big"), "little")


def _float_bits(length: int, value: float) -> int:
    form = {16: "<e", 32: "<f", 64: "<d"}[length]
    return int.from_bytes(struct.pack(form, value), "little")


def _difference(name: str, expected: set[str], given: object) -> str:
    have = set(given)  # type: ignore[call-overload]
    missing, extra = sorted(expected - have), sorted(have - expected)
    texts = [f"missing {', '.join(missing)}"] if missing else []
    texts += [f"not in this page {', '.join(extra)}"] if extra else []
    return f"{name}: {'; '.join(texts)}"
