"""CRC-8 of TI's monitors against the vectors of the reference page, and as machine code on the 32-bit runtime."""

from __future__ import annotations

import random

import pytest
from drivers.crc8 import crc8, unpack

from firmware.drivers.two_runtimes import on_cpython, on_micropython

VECTORS = {  # afe_chips.md, "Checks and CRCs"; the last four are the maker's own examples (SLUAA11B)
    "313233343536373839": 0xF4, "103E22": 0x63, "00": 0x00, "100540": 0x24, "1140": 0x85, "10141168": 0x33, "0B": 0x31}

STORY = """
from drivers.crc8 import TABLE, crc8, unpack
try:
    from micropython import heap_lock, heap_unlock
except ImportError:
    heap_lock = heap_unlock = int
state = 1
raw = bytearray(84)
data = bytearray(42)
told = []
for turn in range(400):
    rest = turn & 0xFF
    for i in range(42):
        state = (state * 1103 + 12345) & 0xFFFFF
        raw[2 * i] = state >> 8 & 0xFF
        raw[2 * i + 1] = TABLE[(rest if i == 0 else 0) ^ raw[2 * i]]
    if turn % 3 == 0:
        raw[turn % 84] ^= 1 << turn % 8
    good = unpack(raw, 42, rest, data)
    assert good == (1 if turn % 3 else 0)
    told.append(bytes(data))
view = memoryview(raw)
heap_lock()
unpack(raw, 42, 0, data)
unpack(view, 42, 0, data)
crc8(raw, 3, 9)
heap_unlock()
print(told)
"""


def by_the_polynomial(data: bytes) -> int:
    """x8 + x2 + x + 1, the remainder of a division done by hand."""
    bits = int.from_bytes(data, "big") << 8
    for n in range(bits.bit_length() - 1, 7, -1):
        if bits >> n & 1:
            bits ^= 0x107 << n - 8
    return bits


@pytest.mark.parametrize("text", VECTORS)
def test_vectors(text: str) -> None:
    """Every vector of the reference page comes out."""
    data = bytes.fromhex(text)
    assert crc8(data, 0, len(data)) == VECTORS[text] == by_the_polynomial(data)


def test_any_bytes() -> None:
    """Any bytes, anywhere in a buffer, give the remainder of the long division."""
    chance = random.Random("crc8")
    for _ in range(500):
        data = chance.randbytes(14)
        at, count = chance.randrange(9), chance.randrange(6)
        assert crc8(data, at, count) == by_the_polynomial(data[at : at + count])


def test_the_makers_read() -> None:
    """Cell 1 of the maker's example, 68 0B with its checks 33 and 31, is 2920 mV."""
    data = bytearray(2)
    assert unpack(bytes.fromhex("68330B31"), 2, crc8(bytes.fromhex("101411"), 0, 3), data) == 1
    assert int.from_bytes(data, "little") == 2920


@pytest.mark.parametrize("bit", range(32))
def test_each_bit_counts(bit: int) -> None:
    """One bit changed in data or checks is refused."""
    raw = bytearray.fromhex("68330B31")
    raw[bit // 8] ^= 1 << bit % 8
    assert unpack(raw, 2, crc8(bytes.fromhex("101411"), 0, 3), bytearray(2)) == 0


@pytest.mark.need("micropython32")
def test_viper_gives_the_same() -> None:
    """Machine code on 32-bit MicroPython gives what the same text gives on CPython, and takes no memory."""
    assert on_micropython(STORY) == on_cpython(STORY)
