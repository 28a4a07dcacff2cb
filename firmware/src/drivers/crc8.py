"""CRC-8 of TI's cell monitors: x8 + x2 + x + 1, start 0, not reflected; and the unpacking of what came with it."""

from node.machine_code import micropython, ptr8


def _table():
    """The remainder of each byte."""
    table = bytearray(256)
    for value in range(256):
        rest = value
        for _ in range(8):
            rest = rest << 1 ^ (0x107 if rest & 0x80 else 0)
        table[value] = rest
    return table


TABLE = _table()


def crc8(data, start, count):
    """The CRC of data[start:start + count]."""
    rest = 0
    for i in range(start, start + count):
        rest = TABLE[rest ^ data[i]]
    return rest


@micropython.viper
def unpack(raw: ptr8, count: int, rest: int, data: ptr8) -> int:
    """Copies `count` bytes out of `raw`, where each is followed by its check, into `data`; 1 when every check fits.

    The first check goes on from `rest`, each other one covers its own byte alone.
    """
    table = ptr8(TABLE)
    good = 1
    for i in range(count):
        value = raw[2 * i]
        data[i] = value
        if table[rest ^ value] != raw[2 * i + 1]:
            good = 0
        rest = 0
    return good
