"""A bench for the LTC681x driver: simulated chips, the driver on their bus, and readings to fill, cycle by cycle."""

from __future__ import annotations

from array import array
from types import SimpleNamespace

from drivers.ltc681x import Ltc681x
from node.measure import NA

from twolbms.sim.chips.ltc681x import Chain, Flip

CYCLE_US = 100_000
# 10 kohm at 25 degC, beta 3435, 10 kohm up to VREF2: parts in 10,000 of R / (R + 10 kohm) by the resistances of
# afe_chips.md at -20, -10, 0, 5, 10, 25, 45, 55, 60 and 80 degC, the hottest first
NTC = (
    (1425, 2296, 2586, 3265, 5000, 6480, 6960, 7416, 8223, 8857),
    (800, 600, 550, 450, 250, 100, 50, 0, -100, -200))


class Bench:
    """`per_chip` cells on each of `chips`; cell k holds 3500 + k mV. Thermistors as (chip, gpio)."""

    def __init__(self, chips: int = 3, inputs: int = 12, per_chip: int = 12,
                 sensors: tuple[tuple[int, int], ...] = (), start: bool = True, **options: object) -> None:
        self.table = tuple((chip, pin) for chip in range(chips) for pin in range(1, per_chip + 1))
        self.chain = Chain(chips, inputs)
        for cell in range(len(self.table)):
            self.put(cell, 3500 + cell)
        self.driver = Ltc681x(self.chain.spi, self.chain.cs, chips, inputs, self.table, sensors, NTC,
                              clock=self.chain.clock, **options)
        self.limits = SimpleNamespace(CELLS=len(self.table), SENSORS=len(sensors), TRIP=(4200, 2500))
        self.m = SimpleNamespace(cell_mv=array("i", [0] * len(self.table)), temp_dc=array("i", [0] * len(sensors)),
                                 pack_mv=NA, link_mv=NA, current_ma=NA)
        self.cycle_us = self.cycle_bytes = 0
        if start:
            assert self.driver.start(self.limits) == 0

    def put(self, cell: int, mv: float) -> None:
        chip, pin = self.table[cell]
        self.chain.chips[chip].cells_mv[pin - 1] = mv

    def flip(self, code: int, bit: int, times: int = 1, of: str = "read", chip: int = 0) -> None:
        """`chip` of a group read is where the bit lies; of a command or written data the first to see it so."""
        self.chain.flips.append(Flip(code, bit + (64 * chip if of == "read" else 0), times, of, chip * (of != "read")))

    def cycle(self, pause_us: int = CYCLE_US) -> bool:
        """One cycle of the node: a pause, then the readings. True when the driver says they are new."""
        self.chain.advance_us(pause_us - self.cycle_us)
        time, count = self.chain.now_us, self.chain.bytes
        fresh: bool = self.driver.read_into(self.m)
        self.cycle_us, self.cycle_bytes = self.chain.now_us - time, self.chain.bytes - count
        assert self.chain.cs.level == 1
        return fresh

    def balance(self, *cells: int) -> None:
        mask = bytearray(16)
        for cell in cells:
            mask[cell >> 3] |= 1 << (cell & 7)
        self.driver.balance(mask)

    @property
    def bled(self) -> set[int]:
        """Cells whose discharge is configured."""
        return {cell for cell, (chip, pin) in enumerate(self.table) if self.chain.chips[chip].dcc >> pin - 1 & 1}

    @property
    def unknown(self) -> set[int]:
        """Cells that are not available."""
        return {cell for cell, mv in enumerate(self.m.cell_mv) if mv == NA}

    def true(self) -> bool:
        """Whether every cell that is available reads what lies at the chip."""
        return all(mv in (NA, round(self.chain.chips[chip].cells_mv[pin - 1]))
                   for mv, (chip, pin) in zip(self.m.cell_mv, self.table, strict=True))
