"""What a DBC says about one signal, freed from cantools: place, scale, unit, names of values.

`scale` and `offset` keep the type cantools gives them (int stays int), because the decoded type follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cantools.database.can import Signal as CantoolsSignal

Order = Literal["little", "big"]
Rounding = Literal["nearest", "toward_zero"]

_FLOAT_BITS = (16, 32, 64)


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal. `start` is the bit of a DBC file; `not_available` are the raw values that mean "no value"."""

    name: str
    start: int
    length: int
    order: Order
    signed: bool
    is_float: bool
    scale: int | float
    offset: int | float
    minimum: float | None
    maximum: float | None
    unit: str
    comment: str
    choices: Mapping[int, str]
    not_available: tuple[int, ...]
    rounding: Rounding

    @property
    def bits(self) -> range:
        """The bits in stream order: from the least significant one for little, from the most for big endian."""
        first = self.start if self.order == "little" else 8 * (self.start // 8) + 7 - self.start % 8
        return range(first, first + self.length)

    @property
    def raw_range(self) -> range:
        """The raw integers that fit (meaningless for a float signal)."""
        if self.signed:
            return range(-(1 << (self.length - 1)), 1 << (self.length - 1))
        return range(1 << self.length)

    @property
    def identity(self) -> bool:
        """The value is the raw number itself."""
        return self.scale == 1 and self.offset == 0

    def without_codes(self) -> Signal:
        """The same signal, of which every raw value is a value."""
        return replace(self, not_available=())


def means_not_available(text: str) -> bool:
    """Whether the name of a value says that there is no value: "not available", "NotAvailable", "NOT_AVAILABLE"."""
    return "".join(letter for letter in text.casefold() if letter.isalpha()) == "notavailable"


def from_cantools(signal: CantoolsSignal) -> Signal:
    """Take over a signal as cantools parsed it. Raises ValueError for a float of a width that does not exist."""
    conversion = signal.conversion
    if conversion.is_float and signal.length not in _FLOAT_BITS:
        raise ValueError(f"signal {signal.name}: a float of {signal.length} bits; expected 16, 32 or 64")
    scale, offset = _exact_numbers(conversion.scale, conversion.offset, conversion.is_float)
    choices = {int(raw): str(text) for raw, text in (conversion.choices or {}).items()}
    return Signal(
        name=signal.name,
        start=signal.start,
        length=signal.length,
        order="little" if signal.byte_order == "little_endian" else "big",
        signed=bool(signal.is_signed),
        is_float=conversion.is_float,
        scale=scale,
        offset=offset,
        minimum=signal.minimum,
        maximum=signal.maximum,
        unit=signal.unit or "",
        comment=signal.comment or "",
        choices=choices,
        not_available=tuple(raw for raw, text in choices.items() if means_not_available(text)),
        rounding=_rounding(signal),
    )


def _exact_numbers(scale: float, offset: float, is_float: bool) -> tuple[int | float, int | float]:
    """cantools computes in ints when both numbers are whole and the raw value is an int: so do we."""
    if not is_float and float(scale).is_integer() and float(offset).is_integer():
        return int(scale), int(offset)
    return scale, offset


def _rounding(signal: CantoolsSignal) -> Rounding:
    """The DBC attribute "Rounding" of our own files; files without it round to nearest."""
    attributes = signal.dbc.attributes if signal.dbc else {}
    value = attributes["Rounding"].value if "Rounding" in attributes else 0
    return "toward_zero" if value in (1, "TowardZero") else "nearest"
