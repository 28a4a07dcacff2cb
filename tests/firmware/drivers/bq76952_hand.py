"""A simulated BQ76952 spoken to by hand, frame by frame, without a driver."""

from __future__ import annotations

from twolbms.sim.chips.bq76952 import Bq76952Chip
from twolbms.sim.chips.bq76952_bus import Bq76952Bus


class Hand:
    """A chip that is awake, and raw frames to and from it."""

    def __init__(self, crc: bool = False) -> None:
        self.chip = Bq76952Chip(crc)
        self.bus = Bq76952Bus(self.chip)
        self.chip.advance_us(500_000)
        self.chip.first_nack = False

    def write(self, text: str) -> int:
        """Register and bytes as on the wire; how many were acknowledged."""
        return self.bus.writeto(8, bytes.fromhex(text))

    def read(self, register: int, count: int) -> bytes:
        buffer = bytearray(count)
        self.bus.readfrom_mem_into(8, register, buffer)
        return bytes(buffer)

    def command(self, code: int, ms: float = 3) -> None:
        self.write("3E" + code.to_bytes(2, "little").hex())
        self.chip.advance_us(1000 * ms)

    def setting(self, address: int, data: bytes) -> None:
        """In CONFIG_UPDATE and out again."""
        self.command(0x0090)
        head = address.to_bytes(2, "little")
        self.write("3E" + (head + data).hex())
        self.write("60" + bytes((~sum(head + data) & 0xFF, len(data) + 4)).hex())
        self.chip.advance_us(1_000)
        self.command(0x0092)

    def close(self) -> None:
        """FETs in the chip's control and allowed; protections that come up on a bench pushed aside by the caller."""
        self.command(0x0022)
        self.command(0x0096)
