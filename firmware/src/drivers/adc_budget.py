"""How far a cell read by a divider bank can be off, from the parts it is made of. Used at start, never in a cycle.

All errors add up in the worst way. Every number's source stands in docs/measuring.md, whose table a test recomputes.
"""


class AdcBudget:
    """`full_mv[k]` is tap k's full scale and `top_ohm[k]` its upper resistor; the rest is data-sheet integers.

    adc_bits, inl_lsb10, offset_lsb10, noise_lsb10: the converter, tenths of its least significant bit
    tcr_ppm_k, ageing_ppm: each of a divider's two resistors; span_k: furthest from the calibration's temperature
    leakage_na: change of the input's leakage from the calibration's
    reference_ppm_k, reference_ageing_ppm; meter_ppm, meter_mv: the meter's error on one cell at calibration
    cell_mv: the highest cell voltage that is judged
    """

    def __init__(self, full_mv, top_ohm, adc_bits, inl_lsb10, offset_lsb10, noise_lsb10, tcr_ppm_k, ageing_ppm, span_k,
                 leakage_na, reference_mv, reference_ppm_k, reference_ageing_ppm, meter_ppm, meter_mv, cell_mv=3650):
        self.full_mv = full_mv
        self.top_ohm = top_ohm
        self.adc_bits = adc_bits
        self.inl_lsb10 = inl_lsb10
        self.offset_lsb10 = offset_lsb10
        self.noise_lsb10 = noise_lsb10
        self.tcr_ppm_k = tcr_ppm_k
        self.ageing_ppm = ageing_ppm
        self.span_k = span_k
        self.leakage_na = leakage_na
        self.reference_mv = reference_mv
        self.reference_ppm_k = reference_ppm_k
        self.reference_ageing_ppm = reference_ageing_ppm
        self.meter_ppm = meter_ppm
        self.meter_mv = meter_mv
        self.cell_mv = cell_mv

    def converter_uv(self, k):
        """Non-linearity where it is used and where it was calibrated, noise, half a count, and a quarter of the offset.

        A gain calibrated at 3.1 V a cell or more takes the rest of the offset; its own error grows by at most 1.2.
        """
        lsb10 = (22 * self.inl_lsb10 + 9) // 10 + (self.offset_lsb10 + 3) // 4 + self.noise_lsb10 + 5
        return lsb10 * self.full_mv[k] * 100 // (1 << self.adc_bits)

    def divider_uv(self, k):
        """Both resistors move against each other: by temperature and by age. The lower one's share is 1 - ratio."""
        ppm = 2 * (self.tcr_ppm_k * self.span_k + self.ageing_ppm)
        moving = self.full_mv[k] - self.reference_mv  # of full scale; the rest of the ratio is fixed
        return ppm * self.cell_mv * (k + 1) // 1000 * moving // self.full_mv[k]

    def leakage_uv(self, k):
        """The input's leakage through the upper resistor."""
        return self.leakage_na * self.top_ohm[k] // 1000

    def tap_uv(self, k):
        return self.converter_uv(k) + self.divider_uv(k) + self.leakage_uv(k)

    def shared_uv(self):
        """What moves all taps alike counts once, on the cell: reference, meter, and two roundings to 1 mV."""
        ppm = self.reference_ppm_k * self.span_k + self.reference_ageing_ppm + self.meter_ppm
        return ppm * self.cell_mv // 1000 + self.meter_mv * 1200 + 2000

    def error_mv(self, cell):
        """The most the reading of `cell` (from 0) can be off, mV, rounded up: the errors of its two taps add."""
        below = self.tap_uv(cell - 1) if cell else 0
        return (self.tap_uv(cell) + below + self.shared_uv() + 999) // 1000


def stm32g4(full_mv, top_ohm, tcr_ppm_k=10, ageing_ppm=100):
    """The G4's own 12-bit converter, 3.0 V reference of 10 ppm/K, thin-film resistors, -10 to 60 degC."""
    return AdcBudget(full_mv, top_ohm, 12, 34, 45, 15, tcr_ppm_k, ageing_ppm, 35, 100, 3000, 10, 100, 500, 3)


def external_16_bit(full_mv, top_ohm, tcr_ppm_k=10, ageing_ppm=100):
    """A 16-bit converter used single-ended, so 15 bits, behind the same dividers and reference."""
    return AdcBudget(full_mv, top_ohm, 15, 10, 30, 20, tcr_ppm_k, ageing_ppm, 35, 10, 3000, 10, 100, 500, 3)
