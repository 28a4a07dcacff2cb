"""What an unquoted YAML scalar means here: only what every YAML version and every reader takes it for.

YAML 1.1 (PyYAML, Ansible) and 1.2 disagree on `no`, `010`, `12:30`, `1e3`; each such spelling is a row that says what
to write instead. Knows single words, no files and no positions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from twolbms.config.errors import shown

Value = str | int | float | bool | None

_MOST_DIGITS = 20  # nanoseconds since 1970 have 19
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+")  # CAN ids and frames; read alike everywhere
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+][0-9]+)?")


class Surprise(Exception):
    """A spelling that is refused: what was expected instead, and why."""

    def __init__(self, expected: str, why: str) -> None:
        self.expected = expected
        self.why = why
        super().__init__(f"expected {expected} ({why})")


class _Row(NamedTuple):
    pattern: re.Pattern[str]
    instead: Callable[[str], str | None]  # what to write, besides the text in quotes
    why: str


def _row(pattern: str, why: str, instead: Callable[[str], str | None] = lambda text: None) -> _Row:
    return _Row(re.compile(pattern), instead, why)


def _in_full(text: str) -> str | None:
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent beyond what even Decimal takes
        return None
    full = f"{number:f}" if abs(number.adjusted()) < _MOST_DIGITS else ""
    return full if 0 < len(full) <= _MOST_DIGITS else None


def _radix(base: int) -> Callable[[str], str | None]:
    def instead(text: str) -> str | None:
        sign, digits = ("-", text[1:]) if text[0] == "-" else ("", text.lstrip("+"))
        try:
            return sign + str(int(digits.replace("_", ""), base))
        except ValueError:
            return None
    return instead


def _without_underscores(text: str) -> str | None:
    bare = text.replace("_", "")
    try:
        return bare if isinstance(read_plain(bare), int | float) else None
    except Surprise:
        return None


_ROWS = (
    _row(r"(?i:y|yes|on)", "YAML 1.1 takes it for true", lambda text: "true"),
    _row(r"(?i:n|no|off)", "YAML 1.1 takes it for false", lambda text: "false"),
    _row(r"(?i:true|false)", "truth values are written small here", str.lower),
    _row(r"~|(?i:null)", "it means no value", lambda text: "null"),
    _row(r"[-+]?[0-9][0-9_]*(:[0-9_]+)+(\.[0-9_]*)?", "YAML 1.1 takes it for a number to the base 60"),
    _row(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?", "YAML 1.1 takes it for a date"),
    _row(r"[-+]?\.?(?i:inf|infinity|nan)", "only finite numbers count here"),
    _row(r"[-+]?0+[0-9_]*[0-9]", "YAML 1.1 takes a leading zero for octal",
         lambda text: _radix(10)(text) if re.search("[1-9]", text) else "0"),
    _row(r"[-+]?0[oO][0-7_]+", "only some readers know octal numbers",
         lambda text: _radix(8)(re.sub("0[oO]", "", text, count=1))),
    _row(r"[-+]?0[bB][01_]+", "only some readers know binary numbers",
         lambda text: _radix(2)(re.sub("0[bB]", "", text, count=1))),
    _row(r"[-+]?0[xX][0-9a-fA-F_]+", "hexadecimal numbers are written 0x1F here",
         lambda text: None if text[0] in "-+" else "0x" + text[2:].replace("_", "")),
    _row(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?", "YAML 1.1 drops the underscores",
         _without_underscores),
    _row(r"[-+]?[0-9]*\.[0-9_]*_[0-9_]*([eE][-+]?[0-9]+)?", "YAML 1.1 drops the underscores",
         _without_underscores),
    _row(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+", "readers differ on an exponent without point and sign",
         _in_full),
    _row(r"[-+]?0[0-9]+\.[0-9]*", "readers differ on leading zeros", _in_full),
    _row(r"[-+]?([0-9]+\.|\.[0-9]+)", "a number has digits on both sides of the point here", _in_full),
    _row(r"=|<<", "it is a command of YAML 1.1"),
)


def read_plain(text: str) -> Value:
    """The value of an unquoted scalar. Raises Surprise for a spelling that readers take differently."""
    if text in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text]
    if text == "":
        raise Surprise("a value", "write null, or leave the key out, if none is meant")
    if _INTEGER.fullmatch(text) or _HEX.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    for row in _ROWS:
        if row.pattern.fullmatch(text):
            instead = row.instead(text)
            quoted = f"{shown(text)} in quotes"
            raise Surprise(f"{instead} or {quoted}" if instead else quoted, row.why)
    if "\t" in text:
        raise Surprise("spaces instead of the tab", "a tab looks like spaces and is not")
    return text


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise Surprise(f"a number of at most {_MOST_DIGITS} digits or text in quotes", "it is too long for a number")
    return int(text, 16 if text.startswith("0x") else 10)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Surprise("a smaller number or text in quotes", "it is too large for a number")
    return number
