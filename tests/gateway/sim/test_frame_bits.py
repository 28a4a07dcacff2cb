"""Frame lengths on the wire, against worked examples and an implementation that goes bit by bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolbms.sim.frame_bits import crc15, frame_bits, longest_frame_bits


def bits_of(value: int, count: int) -> list[int]:
    return [value >> shift & 1 for shift in range(count - 1, -1, -1)]


def slow_frame_bits(can_id: int, extended: bool, data: bytes, remote: bool, length: int) -> int:
    """Bosch CAN 2.0 read literally: build the bits, divide, stuff."""
    if extended:
        head = [0, *bits_of(can_id >> 18, 11), 1, 1, *bits_of(can_id & 0x3FFFF, 18), int(remote), 0, 0]
    else:
        head = [0, *bits_of(can_id, 11), int(remote), 0, 0]
    bits = head + bits_of(length, 4) + [bit for byte in data for bit in bits_of(byte, 8)]
    register = 0
    for bit in bits:
        top = register >> 14 & 1
        register = register << 1 & 0x7FFF
        if bit ^ top:
            register ^= 0x4599
    wire: list[int] = []
    for bit in bits + bits_of(register, 15):
        wire.append(bit)
        if len(wire) >= 5 and len(set(wire[-5:])) == 1:
            wire.append(1 - bit)
    return len(wire) + 13


@pytest.mark.parametrize(("can_id", "extended", "data", "bits"), [
    (0x000, False, "00 00 00 00 00 00 00 00", 127),
    (0x7FF, False, "FF FF FF FF FF FF FF FF", 126),
    (0x1DB, False, "00 60 C1 6A 00 00 03 91", 119),
    (0x0CFF5001, True, "01 02 03 04 05 06 07 08", 143),
])
def test_worked_examples(can_id: int, extended: bool, data: str, bits: int) -> None:
    """The worked frames of the layout notes have their bits."""
    assert frame_bits(can_id, extended, bytes.fromhex(data)) == bits


@given(st.booleans(), st.integers(0, 0x1FFFFFFF), st.binary(max_size=8), st.booleans())
def test_same_as_bit_by_bit(extended: bool, can_id: int, data: bytes, remote: bool) -> None:
    """Tables and literal reading agree on every frame, and none is longer than the worst case."""
    can_id &= 0x1FFFFFFF if extended else 0x7FF
    length, data = len(data), b"" if remote else data
    bits = frame_bits(can_id, extended, data, remote=remote, dlc=length)
    assert bits == slow_frame_bits(can_id, extended, data, remote, length)
    assert bits <= longest_frame_bits(extended, len(data))


@pytest.mark.parametrize(("extended", "data_bytes", "bits"), [
    (False, 0, 55), (False, 4, 95), (False, 8, 135), (True, 0, 80), (True, 4, 120), (True, 8, 160),
])
def test_worst_case(extended: bool, data_bytes: int, bits: int) -> None:
    """The worst case is that of the layout notes."""
    assert longest_frame_bits(extended, data_bytes) == bits


def test_crc_check_value() -> None:
    """CRC-15/CAN of the digits 1 to 9 is its published check value."""
    assert crc15(b"123456789") == 0x059E
