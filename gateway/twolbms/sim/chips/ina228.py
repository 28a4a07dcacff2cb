"""An INA228 by its registers, on an I2C bus with the method names of MicroPython's `machine.I2C`.

Time is handed in by `advance`; conversions happen there, in the rhythm ADC_CONFIG asks for. It knows no driver.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

CONFIG, ADC_CONFIG, SHUNT_CAL, VSHUNT, VBUS, DIETEMP, CURRENT = 0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x07
DIAG_ALRT, SOVL, SUVL, BOVL, BUVL = 0x0B, 0x0C, 0x0D, 0x0E, 0x0F
MANUFACTURER, DEVICE = 0x3E, 0x3F
ALATCH, MATHOF, SHNTOL, SHNTUL, CNVRF, MEMSTAT = 0x8000, 0x0200, 0x0040, 0x0020, 0x0002, 0x0001

_DEFAULTS = {CONFIG: 0, ADC_CONFIG: 0xFB68, SHUNT_CAL: 0x1000, DIAG_ALRT: 0x0001, SOVL: 0x7FFF, SUVL: 0x8000,
             BOVL: 0x7FFF, BUVL: 0, 0x03: 0, 0x10: 0x7FFF, 0x11: 0xFFFF}
_LONG = {VSHUNT: 3, VBUS: 3, CURRENT: 3, 0x08: 3, 0x09: 5, 0x0A: 5}
_TIMES_US = (50, 84, 150, 280, 540, 1052, 2074, 4120)
_AVERAGES = (1, 4, 16, 64, 128, 256, 512, 1024)
_END = 0x7FFFF


class I2cChip(Protocol):
    """What a chip on the bus can be asked."""

    def read(self, register: int, count: int) -> bytes: ...

    def write(self, register: int, data: bytes) -> None: ...


class I2cBus:
    """`machine.I2C` with chips by address. `mishap` sees every read's bytes and may change them or raise OSError."""

    def __init__(self, chips: dict[int, I2cChip]) -> None:
        self.chips = chips
        self.mishap: Callable[[int, bytes], bytes] | None = None
        self.nacks = 0  # so many transfers to come are not acknowledged

    def _chip(self, address: int) -> I2cChip:
        if self.nacks:
            self.nacks -= 1
            raise OSError(5)
        if address not in self.chips:
            raise OSError(19)
        return self.chips[address]

    def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
        data = self._chip(address).read(register, len(buffer))
        buffer[:] = self.mishap(register, data) if self.mishap else data

    def writeto_mem(self, address: int, register: int, data: bytes | bytearray) -> None:
        self._chip(address).write(register, bytes(data))


class AlertPin:
    """The open-drain ALERT line with its pull-up, as `machine.Pin` reads it."""

    def __init__(self, chip: Ina228Chip) -> None:
        self.chip = chip

    def value(self) -> int:
        return 0 if self.chip.alerting else 1


class Ina228Chip:
    """`current_a` flows from IN+ to IN-. `wire` is "whole", "plus_off" (a bleed pulls IN+ up) or "dead" (exactly 0)."""

    def __init__(self, shunt_ohm: float) -> None:
        self.shunt_ohm = shunt_ohm
        self.current_a = 0.0
        self.bus_v = 0.0
        self.die_c = 25.0
        self.wire = "whole"
        self.noise: Sequence[int] = (0,)  # counts added to VSHUNT, one a conversion, over and over
        self.frozen = False
        self.memory_good = True
        self.device = 0x2281
        self.resets_slowly = 0  # reads of CONFIG in which RST still stands
        self.stuck: set[int] = set()  # settings that take no write
        self.registers: dict[int, int] = {}
        self.power_cycle()

    def power_cycle(self) -> None:
        """All settings back to their defaults, no conversion yet."""
        self.registers = dict(_DEFAULTS)
        self.results = {VSHUNT: 0, VBUS: 0, DIETEMP: 0, CURRENT: 0}
        self.conversions = 0
        self._waited_us = 0.0

    @property
    def alerting(self) -> bool:
        return self.registers[DIAG_ALRT] & (SHNTOL | SHNTUL) != 0

    @property
    def period_us(self) -> int:
        """One averaged set of the channels that are on; 0 when the chip is shut down."""
        config = self.registers[ADC_CONFIG]
        on = [config >> bit & 1 for bit in (12, 13, 14)]  # bus, shunt, temperature
        times = [_TIMES_US[config >> shift & 7] for shift in (9, 6, 3)]
        if not config >> 15:
            return 0
        return sum(t for t, enabled in zip(times, on, strict=True) if enabled) * _AVERAGES[config & 7]

    def advance(self, ms: float) -> None:
        """Lets time pass; the results are those of the last conversion in it."""
        period = self.period_us
        if self.frozen or not period:
            return
        self._waited_us += ms * 1000
        while self._waited_us >= period:
            self._waited_us -= period
            self._convert()

    def _convert(self) -> None:
        fine = 4 if self.registers[CONFIG] & 0x10 else 1
        volts = {"whole": self.current_a * self.shunt_ohm, "plus_off": 1.0, "dead": 0.0}[self.wire]
        counts = round(volts / (312.5e-9 / fine))
        if self.wire == "whole":
            counts += self.noise[self.conversions % len(self.noise)]
        shunt = _clamp(counts)
        current = math.floor(shunt * 4096 / max(1, self.registers[SHUNT_CAL]) + 0.5)
        self.results = {VSHUNT: shunt, VBUS: _clamp(round(self.bus_v / 195.3125e-6)),
                        DIETEMP: round(self.die_c / 7.8125e-3), CURRENT: _clamp(current)}
        self.conversions += 1
        self._flag(shunt, overflow=abs(current) > _END + 1)

    def _flag(self, shunt: int, overflow: bool) -> None:
        """The averaged value stands for every single one: the model's current does not move within a set."""
        flags = self.registers[DIAG_ALRT]
        keep = 0xF000 | (SHNTOL | SHNTUL if flags & ALATCH else 0)
        flags = flags & keep | CNVRF | (MEMSTAT if self.memory_good else 0) | (MATHOF if overflow else 0)
        if shunt >> 4 > _signed(self.registers[SOVL], 16):
            flags |= SHNTOL
        if shunt >> 4 < _signed(self.registers[SUVL], 16):
            flags |= SHNTUL
        self.registers[DIAG_ALRT] = flags

    def read(self, register: int, count: int) -> bytes:
        """`count` bytes of a register, high byte first."""
        size = _LONG.get(register, 2)
        data = self._value(register).to_bytes(size, "big")
        return (data + b"\xff" * count)[:count]

    def _value(self, register: int) -> int:
        if register in (VSHUNT, VBUS, CURRENT):
            return (self.results[register] & 0xFFFFF) << 4
        if register == DIETEMP:
            return self.results[DIETEMP] & 0xFFFF
        if register == MANUFACTURER:
            return 0x5449
        if register == DEVICE:
            return self.device
        value = self.registers.get(register, 0)
        if register == DIAG_ALRT:
            cleared = CNVRF | (SHNTOL | SHNTUL if value & ALATCH else 0)
            self.registers[DIAG_ALRT] = value & ~cleared
        elif register == CONFIG and self.resets_slowly:
            self.resets_slowly -= 1
            return value | 0x8000
        return value

    def write(self, register: int, data: bytes) -> None:
        """Two bytes to a setting; results and identities take none."""
        value = int.from_bytes(data, "big")
        if len(data) != 2 or register not in self.registers:
            return
        if register == CONFIG and value & 0x8000:
            self.power_cycle()
        elif register in self.stuck:
            return
        elif register == DIAG_ALRT:
            self.registers[DIAG_ALRT] = value & 0xF000 | self.registers[DIAG_ALRT] & 0x0FFF
        elif register == SHUNT_CAL:
            self.registers[SHUNT_CAL] = value & 0x7FFF
        else:
            self.registers[register] = value


def _clamp(counts: int) -> int:
    return max(-_END - 1, min(_END, counts))


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
