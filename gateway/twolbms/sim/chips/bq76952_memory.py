"""The data memory of a simulated BQ76952: every setting its simulator looks at, with the maker's defaults."""

from __future__ import annotations

import struct

MEMORY = 0x9000  # first address kept; all settings lie below 0x9400
PINS = ("CFETOFF", "DFETOFF", "ALERT", "TS1", "TS2", "TS3", "HDQ", "DCHG", "DDSG")
CELL_THERMISTOR, FET_THERMISTOR = 0x07, 0x0F

_U8 = {
    0x9261: 0x88, 0x9262: 0, 0x9263: 0, 0x9265: 0x98, 0x9266: 0xD5, 0x9267: 0x56, 0x9269: 0xE4, 0x926A: 0xE6,
    0x926B: 0xE2, 0x9275: 50, 0x9278: 86, 0x927B: 2, 0x927C: 2, 0x9280: 2, 0x9281: 4, 0x9282: 4, 0x9283: 1, 0x9284: 3,
    0x9285: 7, 0x9286: 0, 0x9287: 2, 0x9294: 5, 0x929A: 55, 0x929B: 2, 0x929C: 50, 0x929D: 60, 0x929E: 2, 0x929F: 55,
    0x92A0: 80, 0x92A1: 2, 0x92A2: 65, 0x92A3: 85, 0x92A4: 2, 0x92A5: 80, 0x92A6: 0, 0x92A7: 2, 0x92A8: 5, 0x92A9: 0,
    0x92AA: 2, 0x92AB: 5, 0x92AF: 3, 0x92FD: 0x07, 0x9303: 0x05, 0x9308: 0x0D, 0x930E: 5, 0x930F: 50, 0x9314: 5,
    0x9336: 0xEC, 0x9337: 60, 0x9338: 70, 0x9339: 20, 0x933A: 1}
_U16 = {0x9234: 0x2982, 0x926D: 0xF800, 0x9273: 50, 0x9276: 74, 0x9279: 74, 0x92B2: 60, 0x9304: 0}
_CC_GAIN = 0x91A8
_SLOT_US = 3_000  # one measurement


class DataMemory:
    """`ram` is what stands from MEMORY on; `holds` are addresses that take no write."""

    def __init__(self) -> None:
        self.holds: set[int] = set()
        self.forget_settings()

    def forget_settings(self) -> None:
        self.ram = bytearray(0x400)
        for address, value in _U8.items():
            self.ram[address - MEMORY] = value
        for address, value in _U16.items():
            self.ram[address - MEMORY : address - MEMORY + 2] = value.to_bytes(2, "little")
        self.ram[_CC_GAIN - MEMORY : _CC_GAIN - MEMORY + 4] = struct.pack("<f", 7.4768)

    def settings(self, address: int) -> bytes:
        """A block of 32 bytes."""
        return bytes(self.ram[address - MEMORY : address - MEMORY + 32]).ljust(32, b"\0")

    def write_settings(self, address: int, data: bytes) -> None:
        for n, value in enumerate(data):
            if address + n not in self.holds:
                self.ram[address + n - MEMORY] = value

    def u8(self, address: int) -> int:
        return self.ram[address - MEMORY]

    def i8(self, address: int) -> int:
        return int.from_bytes(self.ram[address - MEMORY : address - MEMORY + 1], "little", signed=True)

    def u16(self, address: int) -> int:
        return int.from_bytes(self.ram[address - MEMORY : address - MEMORY + 2], "little")

    @property
    def connected(self) -> list[int]:
        """Inputs that carry a cell, from 0."""
        mask = self.u16(0x9304) or 0xFFFF
        return [n for n in range(16) if mask >> n & 1]

    def sensors(self, function: int) -> list[str]:
        return [pin for n, pin in enumerate(PINS) if self.u8(0x92FA + n) == function]

    @property
    def scan_us(self) -> int:
        """16 cells, two others and up to three thermistors a loop."""
        thermistors = len(self.sensors(CELL_THERMISTOR)) + len(self.sensors(FET_THERMISTOR))
        return _SLOT_US * (18 + min(3, thermistors))

    def gain_error(self, shunt_ohm: float) -> float:
        """What CC gain makes of the current through the real shunt."""
        gain: float = struct.unpack("<f", self.ram[_CC_GAIN - MEMORY : _CC_GAIN - MEMORY + 4])[0]
        return gain * shunt_ohm * 1000 / 7.5684
