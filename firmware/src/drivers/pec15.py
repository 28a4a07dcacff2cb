"""PEC15, the check of LTC681x and ADBMS181x frames: x15+x14+x10+x8+x7+x4+x3+1, start 0x0010, shifted left by one."""

from array import array

from node.machine_code import micropython, ptr8, ptr16


def _table():
    """The remainder of each byte; 512 bytes."""
    table = array("H", [0] * 256)
    for value in range(256):
        rest = value << 7
        for _ in range(8):
            rest = rest << 1 ^ (0x4599 if rest & 0x4000 else 0)
        table[value] = rest & 0x7FFF
    return table


TABLE = _table()


@micropython.viper
def pec15(data: ptr8, start: int, count: int) -> int:
    """The PEC of data[start:start + count] as the 16 bits that go on the wire, high byte first."""
    table = ptr16(TABLE)
    rest = 16
    for i in range(start, start + count):
        rest = (rest << 8 ^ table[(rest >> 7 ^ data[i]) & 0xFF]) & 0x7FFF
    return rest << 1


@micropython.viper
def check(data: ptr8, chips: int, good: ptr8) -> int:
    """Sets good[chip] to 1 where its 6 bytes in `data` agree with the 2 that follow, else to 0; how many do not."""
    table = ptr16(TABLE)
    bad = 0
    at = 0
    for chip in range(chips):
        rest = 16
        for i in range(at, at + 6):
            rest = (rest << 8 ^ table[(rest >> 7 ^ data[i]) & 0xFF]) & 0x7FFF
        if rest << 1 == (data[at + 6] << 8 | data[at + 7]):
            good[chip] = 1
        else:
            good[chip] = 0
            bad += 1
        at += 8
    return bad
