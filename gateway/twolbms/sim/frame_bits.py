"""How long a classic CAN frame is on the wire: exact bits, from start of frame to the end of the inter-frame space.

Counts the CRC-15 and the stuff bits of the very frame; knows no bit rate.
"""

from __future__ import annotations

_CRC15_POLYNOMIAL = 0x4599  # Bosch CAN 2.0, 3.1.1
_UNSTUFFED_TAIL = 13  # CRC delimiter 1, ACK slot 1, ACK delimiter 1, end of frame 7, inter-frame space 3
_STANDARD_BITS = 34  # start of frame to the end of the CRC without data
_EXTENDED_BITS = 54


def _crc_row(byte: int) -> int:
    crc = byte << 7
    for _ in range(8):
        crc = (crc << 1) ^ (_CRC15_POLYNOMIAL if crc & 0x4000 else 0)
    return crc & 0x7FFF


def _stuff_row(state: int, byte: int) -> int:
    """Walks eight bits from `state` (0 start, else 1 + 4 * last bit + run - 1): next state * 256 << 3 | stuff bits."""
    bit, run = ((state - 1) >> 2, ((state - 1) & 3) + 1) if state else (-1, 0)
    stuffed = 0
    for shift in range(7, -1, -1):
        now = byte >> shift & 1
        run = run + 1 if now == bit else 1
        bit = now
        if run == 5:
            bit, run, stuffed = 1 - bit, 1, stuffed + 1
    return (1 + 4 * bit + run - 1) << 8 << 3 | stuffed


_CRC = tuple(_crc_row(byte) for byte in range(256))
_STUFF = tuple(_stuff_row(state, byte) for state in range(9) for byte in range(256))


def crc15(message: bytes) -> int:
    """CRC-15 of a message; leading zero bits do not count (the register starts at 0)."""
    crc = 0
    for byte in message:
        crc = (crc << 8 & 0x7FFF) ^ _CRC[crc >> 7 ^ byte]
    return crc


def _stuff_bits(bits: bytes) -> int:
    state = count = 0
    for byte in bits:
        row = _STUFF[state | byte]
        state = row >> 3
        count += row & 7
    return count


def frame_bits(can_id: int, extended: bool, data: bytes, *, remote: bool = False, dlc: int | None = None) -> int:
    """Exact bits of a frame on the wire, inter-frame space included; `dlc` is for remote frames, they carry no data."""
    length = len(data) if dlc is None else dlc
    if extended:
        head = (can_id >> 18) << 27 | 0x6000000 | (can_id & 0x3FFFF) << 7 | remote << 6 | length
        message = head.to_bytes(5, "big") + data
        body, padding, whole = _EXTENDED_BITS + 8 * len(data), 0b01, 7
    else:
        message = (can_id << 7 | remote << 6 | length).to_bytes(3, "big") + data
        body, padding, whole = _STANDARD_BITS + 8 * len(data), 0b010101, 5
    # Padding to whole bytes alternates and ends recessive, like the idle bus, so it makes no stuff bit of its own.
    bits = padding << body | int.from_bytes(message, "big") << 15 | crc15(message)
    return body + _UNSTUFFED_TAIL + _stuff_bits(bits.to_bytes(whole + len(data), "big"))


def longest_frame_bits(extended: bool, data_bytes: int) -> int:
    """Worst case of any frame with so many data bytes: a stuff bit after every fourth bit from the fifth on."""
    body = (_EXTENDED_BITS if extended else _STANDARD_BITS) + 8 * data_bytes
    return body + _UNSTUFFED_TAIL + (body - 1) // 4
