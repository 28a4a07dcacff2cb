"""PEC15 against the vectors of the reference page, bit by bit, and as machine code on the 32-bit runtime."""

from __future__ import annotations

import random

import pytest
from drivers.pec15 import check, pec15

from firmware.drivers.two_runtimes import on_cpython, on_micropython

VECTORS = {  # afe_chips.md, "Checks and CRCs"
    "0001": 0x3D6E, "0002": 0x2B0A, "0004": 0x07C2, "0006": 0x9A94, "0008": 0x5E52, "000A": 0xC304, "0009": 0xD560,
    "000B": 0x4836, "0360": 0xF46C, "0711": 0xC9C0, "0714": 0xF36C, "000000000000": 0xC212}

STORY = """
from drivers.pec15 import check, pec15
try:
    from micropython import heap_lock, heap_unlock
except ImportError:
    heap_lock = heap_unlock = int
state = 1
data = bytearray(96)
good = bytearray(12)
told = []
for turn in range(300):
    for i in range(96):
        state = (state * 1103 + 12345) & 0xFFFFF
        data[i] = state >> 8 & 0xFF
    for chip in range(turn % 13):
        pec = pec15(data, 8 * chip, 6)
        data[8 * chip + 6] = pec >> 8
        data[8 * chip + 7] = pec & 0xFF
        told.append(pec)
    told.append((check(data, 12, good), bytes(good)))
    assert sum(good) >= turn % 13
view = memoryview(data)
heap_lock()
check(data, 12, good)
check(view, 12, good)
pec15(data, 8, 6)
heap_unlock()
print(told)
"""


def by_the_polynomial(data: bytes) -> int:
    """x15 + x14 + x10 + x8 + x7 + x4 + x3 + 1, the remainder of a division done by hand."""
    polynomial = sum(1 << n for n in (15, 14, 10, 8, 7, 4, 3, 0))
    bits = int.from_bytes(data, "big") << 15 ^ 0x10 << 8 * len(data)
    for n in range(bits.bit_length() - 1, 14, -1):
        if bits >> n & 1:
            bits ^= polynomial << n - 15
    return bits << 1


@pytest.mark.parametrize("text", VECTORS)
def test_vectors(text: str) -> None:
    """Every vector of the reference page comes out."""
    data = bytes.fromhex(text)
    assert pec15(data, 0, len(data)) == VECTORS[text] == by_the_polynomial(data)


def test_any_bytes() -> None:
    """Any six bytes, anywhere in a buffer, give the remainder of the long division."""
    chance = random.Random("pec15")
    for _ in range(500):
        data = chance.randbytes(14)
        at = chance.randrange(9)
        assert pec15(data, at, 6) == by_the_polynomial(data[at : at + 6])


@pytest.mark.parametrize("bit", range(64))
def test_each_bit_of_a_group_counts(bit: int) -> None:
    """One bit changed in a group or its PEC is refused, on that chip and no other."""
    group = bytes.fromhex("1234567890AB")
    data = bytearray(3 * (group + by_the_polynomial(group).to_bytes(2, "big")))
    good = bytearray(3)
    assert check(data, 3, good) == 0 and good == b"\x01\x01\x01"
    data[8 + bit // 8] ^= 0x80 >> bit % 8
    assert check(data, 3, good) == 1 and good == b"\x01\x00\x01"


@pytest.mark.parametrize("level", [0x00, 0xFF])
def test_a_dead_line_is_no_data(level: int) -> None:
    """A line stuck low or high never passes the check."""
    good = bytearray(b"\x01\x01")
    assert check(bytes((level,)) * 16, 2, good) == 2 and good == b"\x00\x00"


@pytest.mark.need("micropython32")
def test_viper_gives_the_same() -> None:
    """Machine code on 32-bit MicroPython gives what the same text gives on CPython, and takes no memory."""
    assert on_micropython(STORY) == on_cpython(STORY)
