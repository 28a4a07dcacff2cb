"""One cell: charge balance, open-circuit voltage, series resistance and one R-C pair, one thermal lump.

Simpler than the truth files of the estimator tests on purpose: no hysteresis, no ageing of the curve's shape. It is
there to bring a node to its limits in the right order and at about the right speed.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

_KELVIN = 273.15
_REFERENCE_K = 298.15
COLD_LIMIT_C = -60.0  # the exponent of the resistance stays finite whatever a story sets


@dataclass(frozen=True, slots=True)
class Chemistry:
    """What all cells of a kind share; resistances at 25 °C for `reference_ah`, scaled by capacity.

    `below_v` and `above_v` are the volts per unit of SoC beyond the ends of the curve.
    """

    soc: tuple[float, ...]
    ocv_v: tuple[float, ...]
    below_v: float
    above_v: float
    reference_ah: float
    r0_ohm: float
    r1_ohm: float
    tau_s: float
    arrhenius_k: float
    heat_capacity_j_per_k: float
    heat_transfer_w_per_k: float

    def ocv(self, soc: float) -> float:
        """Open-circuit voltage, V, at any SoC: straight lines between the points, steep ones beyond the ends."""
        if soc <= self.soc[0]:
            return self.ocv_v[0] - (self.soc[0] - soc) * self.below_v
        if soc >= self.soc[-1]:
            return self.ocv_v[-1] + (soc - self.soc[-1]) * self.above_v
        after = bisect_right(self.soc, soc)
        low, high = self.soc[after - 1], self.soc[after]
        share = (soc - low) / (high - low)
        return self.ocv_v[after - 1] + share * (self.ocv_v[after] - self.ocv_v[after - 1])

    def cold_factor(self, temp_c: float) -> float:
        """How much higher the resistance is at a temperature than at 25 °C."""
        kelvin = max(temp_c, COLD_LIMIT_C) + _KELVIN
        return math.exp(self.arrhenius_k * (1 / kelvin - 1 / _REFERENCE_K))


# Measured C/27 branches of an A123 cell at 25 °C (estimation.md, section 4); the curve is their mean.
_LFP_SOC = (0.0, 0.05, 0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 0.95, 1.0)
_LFP_DISCHARGE_V = (2.000, 2.987, 3.151, 3.220, 3.250, 3.282, 3.291, 3.297, 3.310, 3.332, 3.340, 3.353, 3.580)
_LFP_CHARGE_V = (2.321, 3.063, 3.206, 3.269, 3.310, 3.320, 3.325, 3.337, 3.351, 3.359, 3.364, 3.385, 3.600)

LFP = Chemistry(
    soc=_LFP_SOC,
    ocv_v=tuple((low + high) / 2 for low, high in zip(_LFP_DISCHARGE_V, _LFP_CHARGE_V, strict=True)),
    below_v=40.0, above_v=30.0,
    # CATL 320 Ah: 0.40..0.45 mohm at 10 s and 25 °C, about 1.7 times that at 0 °C; heat figures of the lfp320 truth.
    reference_ah=320, r0_ohm=0.30e-3, r1_ohm=0.20e-3, tau_s=10.0, arrhenius_k=1730,
    heat_capacity_j_per_k=5775, heat_transfer_w_per_k=0.495,
)

LEAF_LMO = Chemistry(
    # Leaf 2013 blend, mean branch (estimation.md, section 4); 0 and 5 % from the measured C/15 table.
    soc=(0.0, 0.05, 0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 1.0),
    ocv_v=(3.25, 3.56, 3.69, 3.75, 3.84, 3.88, 3.92, 3.96, 3.99, 4.04, 4.08, 4.17),
    below_v=40.0, above_v=10.0,
    # 1.67 / 2.03 / 2.53 mohm at 1 / 10 / 30 s and 25 °C, 2.70 at 1 s and 10 °C, for one 33 Ah cell.
    reference_ah=33, r0_ohm=1.62e-3, r1_ohm=1.20e-3, tau_s=25.0, arrhenius_k=2700,
    # No thermal figures of this cell: those of the 65 Ah NMC truth (1450 J/K, 0.36 W/K), by capacity.
    heat_capacity_j_per_k=736, heat_transfer_w_per_k=0.18,
)

CHEMISTRIES = {"lfp": LFP, "leaf_lmo": LEAF_LMO}


class Cell:
    """The state of one cell: `soc` 0 to 1 of its own capacity (it may leave that range), `temp_c`."""

    __slots__ = ("_a_ohm", "_chemistry", "_r0", "_r1", "capacity_ah", "heat_capacity", "heat_transfer", "ocv_v",
                 "resistance_ohm", "soc", "temp_c", "v1")

    def __init__(self, chemistry: Chemistry, nominal_ah: float, *, soc: float, temp_c: float,
                 resistance_factor: float = 1.0, capacity_factor: float = 1.0,
                 heat_capacity_j_per_k: float | None = None) -> None:
        scale = chemistry.reference_ah / nominal_ah
        self._chemistry = chemistry
        self._r0 = chemistry.r0_ohm * scale * resistance_factor
        self._r1 = chemistry.r1_ohm * scale * resistance_factor
        self.capacity_ah = nominal_ah * capacity_factor
        self.heat_capacity = heat_capacity_j_per_k or chemistry.heat_capacity_j_per_k / scale
        self.heat_transfer = chemistry.heat_transfer_w_per_k / scale
        self.soc = soc
        self.temp_c = temp_c
        self.v1 = 0.0
        self._refresh()

    def _refresh(self) -> None:
        cold = self._chemistry.cold_factor(self.temp_c)
        self.ocv_v = self._chemistry.ocv(self.soc)
        self.resistance_ohm = self._r0 * cold
        self._a_ohm = self._r1 * cold

    @property
    def emf_v(self) -> float:
        """Voltage at no current now: OCV and what the R-C pair still holds, V."""
        return self.ocv_v + self.v1

    def voltage_v(self, current_a: float) -> float:
        """Terminal voltage under a current (positive charges), V."""
        return self.ocv_v + self.v1 + self.resistance_ohm * current_a

    def loss_w(self, current_a: float) -> float:
        """Heat made inside by a current, W."""
        return current_a * current_a * self.resistance_ohm + self.v1 * self.v1 / self._a_ohm

    def step(self, current_a: float, heat_w: float, ambient_c: float, elapsed_s: float, decay: float) -> None:
        """Moves the cell on; `decay` is exp(-elapsed / tau), the same for all cells of a pack."""
        heat_w += self.loss_w(current_a) - self.heat_transfer * (self.temp_c - ambient_c)
        self.soc += current_a * elapsed_s / (3600 * self.capacity_ah)
        self.v1 += (self._a_ohm * current_a - self.v1) * (1 - decay)
        self.temp_c += heat_w * elapsed_s / self.heat_capacity
        self._refresh()

    def place(self, *, soc: float | None = None, temp_c: float | None = None) -> None:
        """Puts the cell into another state, as a story wants it."""
        self.soc = self.soc if soc is None else soc
        self.temp_c = self.temp_c if temp_c is None else temp_c
        self._refresh()
