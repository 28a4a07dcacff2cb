"""Parts of a line of line protocol, byte for byte as influxdb-client's `Point` writes them.

Where `Point` would write what no server takes, the field is left out (NaN, infinity; and "not available": unknown is
absence), and an integer beyond 64 bits is written as a float. Knows signals and syntax, no frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twolbms.decode.signals import Signal
from twolbms.decode.value_tables import Number, value_of

_INT64 = 1 << 63
_ESCAPE_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ ", "\n": r"\n", "\t": r"\t", "\r": r"\r", "\0": None})
_ESCAPE_KEY = _ESCAPE_MEASUREMENT | str.maketrans({"=": r"\="})


def prefix(measurement: str, tags: Mapping[str, str]) -> str:
    """Measurement and tags in the order of their keys, with the blank that ends them; an empty tag is left out."""
    listed = "".join(f",{_escape_key(key)}={_tag_value(value)}" for key, value in sorted(tags.items()) if value)
    return f"{measurement.translate(_ESCAPE_MEASUREMENT)}{listed} "


def field_key(name: str) -> str:
    """A field's name as a line spells it."""
    return _escape_key(name)


def text_of(signal: Signal) -> Callable[[int], str]:
    """The text of a signal's value by its raw bits, which come unsigned; empty where there is no value."""
    value = value_of(signal)
    return lambda bits: number_text(value(bits))


def number_text(value: Number | None) -> str:
    """A field's value: `3i`, `2.5`, `3` for 3.0; empty for what cannot be written."""
    if value is None:
        return ""
    if isinstance(value, int):
        if -_INT64 <= value < _INT64:
            return f"{value}i"
        try:
            value = float(value)
        except OverflowError:
            return ""
    return "" if value - value != 0.0 else repr(value).removesuffix(".0")


def in_order(signals: Sequence[Signal]) -> list[Signal]:
    """The signals in the order of their fields."""
    return sorted(signals, key=lambda signal: signal.name)


def always_written(signal: Signal) -> bool:
    """Every raw value gives a text."""
    if signal.is_float or signal.not_available:
        return False
    return abs(signal.scale) < 1e100 and signal.length <= 64 and abs(signal.offset) < 1e100


def _escape_key(text: str) -> str:
    return text.translate(_ESCAPE_KEY)


def _tag_value(text: str) -> str:
    escaped = _escape_key(text)
    return escaped + " " if escaped.endswith("\\") else escaped  # a last backslash would swallow the separator
