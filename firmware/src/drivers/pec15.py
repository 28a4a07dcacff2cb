"""PEC15, the check of LTC681x and ADBMS181x frames: x15+x14+x10+x8+x7+x4+x3+1, start 0x0010, shifted left by one.

On MicroPython the two loops are viper code, compiled where they run, so that an .mpy file stays good for every core;
elsewhere, and on a build without a native emitter, the plain functions beside them give the same numbers.
"""

from array import array


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


def pec15_plain(data, start, count):
    """The PEC of data[start:start + count] as the 16 bits that go on the wire, high byte first."""
    rest = 16
    for i in range(start, start + count):
        rest = (rest << 8 ^ TABLE[(rest >> 7 ^ data[i]) & 0xFF]) & 0x7FFF
    return rest << 1


def check_plain(data, chips, good):
    """Sets good[chip] to 1 where its 6 bytes in `data` agree with the 2 that follow, else to 0; how many do not."""
    bad = 0
    for chip in range(chips):
        at = 8 * chip
        good[chip] = 1 if pec15_plain(data, at, 6) == data[at + 6] << 8 | data[at + 7] else 0
        bad += 1 - good[chip]
    return bad


_VIPER = """
@micropython.viper
def pec15(data: ptr8, start: int, count: int) -> int:
    table = ptr16(TABLE)
    rest = 16
    for i in range(start, start + count):
        rest = (rest << 8 ^ table[(rest >> 7 ^ data[i]) & 0xFF]) & 0x7FFF
    return rest << 1

@micropython.viper
def check(data: ptr8, chips: int, good: ptr8) -> int:
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
"""

try:
    _names = {"TABLE": TABLE}
    exec(_VIPER, _names)
    pec15 = _names["pec15"]
    check = _names["check"]
    VIPER = True
except (NameError, SyntaxError):  # CPython knows no viper; a MicroPython without native code refuses it
    pec15 = pec15_plain
    check = check_plain
    VIPER = False
