"""A bank of divider taps on a 12-bit converter: cells, wires, resistors, reference and noise as they really are.

Its inputs have the method of MicroPython's `machine.ADC`. Every part can be off by as much as its data sheet allows;
what a driver makes of that is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

REFERENCE_V = 3.0
KNOWN_V = 1.212  # the bandgap the microcontroller brings along
BOTTOM_OHM = 10_000.0
TOP_OHM = (4_990.0, 18_700.0, 31_600.0, 44_200.0, 57_600.0, 69_800.0, 84_500.0, 97_600.0)  # E96
R25_OHM = 10_000.0


def full_mv(top_ohm: float) -> int:
    """What a tap with this upper resistor shows at full scale, by its nominal parts."""
    return round(REFERENCE_V * 1000 * (top_ohm + BOTTOM_OHM) / BOTTOM_OHM)


def ntc_ohm(celsius: float, beta: float) -> float:
    """The reference page's equation."""
    return R25_OHM * math.exp(beta * (1 / (celsius + 273.15) - 1 / 298.15))


class AdcInput:
    """One channel: `machine.ADC.read_u16` of whatever `volts` says, or OSError while `broken`."""

    def __init__(self, bank: DividerBank, volts: Callable[[], float]) -> None:
        self.bank = bank
        self.volts = volts
        self.offset_lsb = 0.0  # non-linearity and offset at this channel's point of the curve
        self.broken = False

    def read_u16(self) -> int:
        if self.broken:
            raise OSError(5)
        if self.bank.repeats is not None:
            return self.bank.repeats
        return self.bank.convert(self.volts(), self.offset_lsb)


@dataclass(slots=True)
class DividerTap:
    """One divider: how far its resistors are off (1.0 is nominal), its wire, and the leakage into the input."""

    top_ohm: float
    top: float = 1.0
    bottom: float = 1.0
    wire_ohm: float = 0.0  # math.inf: off
    leakage_a: float = 0.0
    bottom_open: bool = False

    def pin_v(self, volts: float) -> float:
        """What the input sees of `volts` at the cell."""
        upper = self.top_ohm * self.top + self.wire_ohm
        if self.bottom_open:
            return volts
        lower = BOTTOM_OHM * self.bottom
        if math.isinf(upper):
            return max(0.0, self.leakage_a * lower)
        return (volts / upper + self.leakage_a) / (1 / upper + 1 / lower)


@dataclass(slots=True)
class DividerBank:
    """`cells_v` and `temps_c` are the truth; `taps`, `ntcs`, `pack`, `link` and `known` are what a driver gets."""

    cells_v: list[float]
    temps_c: list[float]
    beta: float = 3435.0
    bits: int = 12
    noise_lsb: float = 0.0
    reference: float = 1.0  # of the nominal reference
    link_v: float = 0.0
    seed: int = 1
    repeats: int | None = None  # a converter that gives the same count whatever is asked
    ntc_fault: dict[int, str] = field(default_factory=dict)  # "open" or "short"
    dividers: list[DividerTap] = field(init=False)
    taps: list[AdcInput] = field(init=False)
    ntcs: list[AdcInput] = field(init=False)
    pack: AdcInput = field(init=False)
    link: AdcInput = field(init=False)
    known: AdcInput = field(init=False)
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self.dividers = [DividerTap(ohm) for ohm in (*TOP_OHM[: len(self.cells_v)], TOP_OHM[-1], TOP_OHM[-1])]
        count = len(self.cells_v)
        self.taps = [AdcInput(self, self._tap(k)) for k in range(count)]
        self.pack = AdcInput(self, lambda: self.dividers[count].pin_v(sum(self.cells_v)))
        self.link = AdcInput(self, lambda: self.dividers[count + 1].pin_v(self.link_v))
        self.ntcs = [AdcInput(self, self._ntc(n)) for n in range(len(self.temps_c))]
        self.known = AdcInput(self, lambda: KNOWN_V)

    def _tap(self, k: int) -> Callable[[], float]:
        return lambda: self.dividers[k].pin_v(sum(self.cells_v[: k + 1]))

    def _ntc(self, n: int) -> Callable[[], float]:
        def volts() -> float:
            fault = self.ntc_fault.get(n)
            ohm = {"open": 1e9, "short": 1.0}.get(fault or "", ntc_ohm(self.temps_c[n], self.beta))
            return REFERENCE_V * self.reference * ohm / (ohm + R25_OHM)
        return volts

    def convert(self, volts: float, offset_lsb: float) -> int:
        """One conversion as read_u16 gives it: the count's bits repeated into 16."""
        top = (1 << self.bits) - 1
        noise = self._random.gauss(0.0, self.noise_lsb) if self.noise_lsb else 0.0
        count = math.floor(volts / (REFERENCE_V * self.reference) * (top + 1) + offset_lsb + noise)
        count = max(0, min(top, count))
        return count << 16 - self.bits | count >> max(0, 2 * self.bits - 16)


def meter_sums(cells_v: Sequence[float], gain_ppm: float, digits_v: Sequence[float]) -> list[float]:
    """The sums of cells 1 to k as a meter with these errors reads the cells one by one."""
    read = [v * (1 + gain_ppm * 1e-6) + d for v, d in zip(cells_v, digits_v, strict=True)]
    return [sum(read[: k + 1]) for k in range(len(read))]
