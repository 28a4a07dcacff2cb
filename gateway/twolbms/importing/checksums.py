"""Checksums of CAN frames by name: a byte table each. Knows no message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Checksum:
    """A CRC-8 without reflection: `table[crc ^ byte]` is the next crc."""

    table: tuple[int, ...]
    start: int
    final_xor: int

    def of(self, data: Iterable[int]) -> int:
        """The checksum of bytes."""
        table, crc = self.table, self.start
        for byte in data:
            crc = table[crc ^ byte]
        return crc ^ self.final_xor


def _table(polynomial: int) -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte << 1 ^ (polynomial if byte & 0x80 else 0)
            byte &= 0xFF
        rows.append(byte)
    return tuple(rows)


CHECKSUMS = {
    # Nissan Leaf battery controller: polynomial 0x85, start 0, no final xor; right on every frame of ten logs.
    "crc8_0x85": Checksum(_table(0x85), start=0, final_xor=0),
    # SAE J1850, as in AUTOSAR profile 1 (CRC library, CRC-8): polynomial 0x1D, start and final xor 0xFF.
    "crc8_sae_j1850": Checksum(_table(0x1D), start=0xFF, final_xor=0xFF),
}
