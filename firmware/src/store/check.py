"""CRC-16 (polynomial 0x1021, start 0xFFFF), four bits at a time, for the few bytes of the backup memory.

A CRC-32 would allocate: its value leaves MicroPython's small integers.
"""

_NIBBLES = (0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7,
            0x8108, 0x9129, 0xA14A, 0xB16B, 0xC18C, 0xD1AD, 0xE1CE, 0xF1EF)


def crc16(data, count):
    """The check of the first `count` bytes."""
    rest = 0xFFFF
    for i in range(count):
        byte = data[i]
        rest = (rest << 4 & 0xFFFF) ^ _NIBBLES[rest >> 12 ^ byte >> 4]
        rest = (rest << 4 & 0xFFFF) ^ _NIBBLES[rest >> 12 ^ byte & 15]
    return rest
