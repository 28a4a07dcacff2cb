"""A bench for the BQ76952 driver: simulated chip, bus and lines, the driver, and readings to fill, cycle by cycle."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

from drivers.bq76952 import Bq76952
from drivers.bq76952_memory import Settings
from drivers.i2c_bus import BusRecovery
from generated import limits_lfp_8s_320ah
from node.measure import NA

from twolbms.sim.chips.bq76952 import Bq76952Chip
from twolbms.sim.chips.bq76952_bus import Bq76952Bus, Clock

CYCLE_US = 100_000
DONE_US = 200  # after a cycle: its last command has been carried out
EIGHT = (1, 2, 3, 4, 5, 6, 7, 16)
SENSORS = (3, 5, 6, 7)  # TS1, TS3, HDQ, DCHG
SENSOR_NAMES = ("TS1", "TS3", "HDQ", "DCHG")
NEVER = (1 << 28) - 1


def limits(**changes: Any) -> SimpleNamespace:
    """The eight LiFePO4 cells' columns; `TRIP={0: 3700}` changes single rows, other names are scalars."""
    values = {name: getattr(limits_lfp_8s_320ah, name) for name in dir(limits_lfp_8s_320ah) if name.isupper()}
    for name, change in changes.items():
        if isinstance(change, dict):
            row = list(values[name])
            for n, value in change.items():
                row[n] = value
            change = tuple(row)
        values[name] = change
    return SimpleNamespace(**values)


class Bench:
    """Eight cells of 3.3 V on 0.25 mOhm, FETs settled, unless told otherwise. `m` is what the driver fills."""

    def __init__(self, crc: bool = True, inputs: tuple[int, ...] = EIGHT, sensors: tuple[int, ...] = SENSORS,
                 micro_ohm: int = 250, rows: SimpleNamespace | None = None, start: bool = True,
                 i2c: Any = None, **options: Any) -> None:
        self.chip = Bq76952Chip(crc, micro_ohm / 1e6)
        self.bus = Bq76952Bus(self.chip)
        self.clock = Clock(self.chip)
        self.inputs = inputs
        for n, pin in enumerate(inputs):
            self.chip.cells_mv[pin - 1] = 3300 + n
        self.chip.link_mv = self.chip.load_mv = sum(3300 + n for n in range(len(inputs)))
        self.limits = rows or limits()
        self.recovery = BusRecovery(self.bus.lines.scl, self.bus.lines.sda, clock=self.clock)
        options.setdefault("recovery", self.recovery)
        self.driver = Bq76952(i2c(self.bus) if i2c else self.bus, inputs, sensors, micro_ohm, crc=crc,
                              clock=self.clock, **options)
        self.m = SimpleNamespace(cell_mv=array("i", [0] * len(inputs)), temp_dc=array("i", [0] * len(sensors)),
                                 pack_mv=0, link_mv=0, current_ma=0)
        self.paths = self.precharge = 0
        self.mask = bytearray(16)
        self.spent_us = self.spent_transfers = 0
        if start:
            self.code = self.driver.start(self.limits)
            assert self.code == 0

    def read(self) -> bool:
        """The driver's reading alone, without the pause."""
        return bool(self.driver.read_into(self.m))

    def cycle(self, paths: int | None = None, precharge: int | None = None, count: int = 1) -> bool:
        """`count` cycles of the node: the rest of 100 ms, then reading, FETs, balancing. The last one's freshness."""
        self.paths = self.paths if paths is None else paths
        self.precharge = self.precharge if precharge is None else precharge
        fresh = False
        for _ in range(count):
            self.chip.advance_us(CYCLE_US - self.spent_us - DONE_US)
            began, transfers = self.chip.now_us, self.bus.transfers
            fresh = self.read()
            self.driver.allow(self.paths, self.precharge)
            self.driver.balance(self.mask)
            self.spent_us, self.spent_transfers = self.chip.now_us - began, self.bus.transfers - transfers
            self.chip.advance_us(DONE_US)
        return fresh

    def close(self) -> None:
        """Both paths, seen closed."""
        self.cycle(3, 0, count=3)
        assert self.driver.fets == 3 and self.driver.fets_known

    def cells(self, *cells: int) -> None:
        """Cells to balance, from 0."""
        self.mask = bytearray(16)
        for cell in cells:
            self.mask[cell >> 3] |= 1 << (cell & 7)

    @property
    def items(self) -> list[tuple[int, bytes]]:
        """What a start writes, (address, bytes)."""
        d = self.driver
        settings = Settings(d.inputs, d.sensors, d.shunt_micro_ohm, **d.options)
        assert settings.plan(self.limits, d.gain_ppm) == 0
        return list(settings.items)

    @property
    def bled(self) -> set[int]:
        """Cells that the chip balances."""
        return {n for n, pin in enumerate(self.inputs) if self.chip.balanced >> (pin - 1) & 1}

    @property
    def nothing_known(self) -> bool:
        m = self.m
        return {*m.cell_mv, *m.temp_dc, m.pack_mv, m.link_mv, m.current_ma} == {NA}
