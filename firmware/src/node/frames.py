"""Makes a frame of integers and reads one back, by the rows of a generated table. Machine code; knows no message.

A table (generated.codec.TABLE) has a row for every frame, and after them one for every signal. A frame's row: highest
byte of its id, message number, its first signal's row in units of four bytes, how many such rows, place of its first
value, kind, number of its counter, how many values a page or group has. A signal's row: first bit, bits, kind, divisor,
or how many codes one after the other. Values are integers in the order of the DBC; NA stands for one that is not
available.
"""

from node.machine_code import const, micropython, ptr8, ptr32

WINDOW = const(4)  # groups of one kind in a cycle, at most
LATEST = const(1 << 29)  # set in an id: an older frame of this id that still waits is not needed any more
_NA = const(-(1 << 28))
_OTHERS = const(0xFF0000)  # in the id of every message
_FRAME_BYTES = const(8)
_SIGNAL_BYTES = const(4)
_LATEST = const(1)  # kinds of a frame
_GROUP = const(2)  # of cells or sensors, in byte 0; without counter and CRC; there is room for WINDOW groups
_STRIDE = const(4)  # the values of its pages follow each other
_CODES = const(0)  # kinds of a signal; several codes of one width, none over the end of a byte
_VALUE = const(1)  # held in range, and with a raw value for NA
_SIGNED = const(2)
_NEAREST = const(4)  # rounded so, else down
_LAST_COUNT = const(14)


def _crc_table():
    """CRC-8 SAE J1850 (polynomial 0x1D) of each byte."""
    table = bytearray(256)
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc << 1 ^ 0x1D) & 0xFF if crc & 0x80 else crc << 1
        table[value] = crc
    return table


CRC = _crc_table()


@micropython.viper
def fill(table: ptr8, values: ptr32, data: ptr8, plan: ptr8, count: int, counters: ptr8, node: int, ids: ptr32):
    """Makes the frames of a plan, which has two bytes for each: its row in the table, and its page or group. Their ids
    go into ids, eight bytes each into data."""
    crc = ptr8(CRC)
    n = 0
    while n < count:
        row = _FRAME_BYTES * plan[2 * n]
        page = plan[2 * n + 1]
        out = 8 * n
        data[out] = data[out + 1] = data[out + 2] = data[out + 3] = 0
        data[out + 4] = data[out + 5] = data[out + 6] = data[out + 7] = 0
        signal = _SIGNAL_BYTES * table[row + 2]
        last = signal + _SIGNAL_BYTES * table[row + 3]
        at = table[row + 4]
        kind = table[row + 5]
        if kind & _GROUP:
            at += (page & WINDOW - 1) * table[row + 7]
        elif kind & _STRIDE:
            at += page * table[row + 7]
        while signal < last:
            byte = out + (table[signal] >> 3)
            shift = table[signal] & 7
            bits = table[signal + 1]
            mask = (1 << bits) - 1
            how = table[signal + 2]
            if how == _CODES:
                many = table[signal + 3]
                while many:
                    data[byte] = data[byte] | (values[at] & mask) << shift
                    at += 1
                    shift += bits
                    if shift == 8:
                        shift = 0
                        byte += 1
                    many -= 1
                signal += _SIGNAL_BYTES
                continue
            raw = values[at]
            if how & _VALUE:
                low = 0
                high = mask - 1
                if how & _SIGNED:
                    high = high >> 1
                    low = 0 - high
                if raw == _NA:
                    raw = low - 1
                else:
                    divisor = table[signal + 3]
                    if divisor > 1:
                        if how & _NEAREST:
                            raw += divisor >> 1
                        raw = raw // divisor
                    if raw < low:
                        raw = low
                    elif raw > high:
                        raw = high
            raw = raw & mask
            data[byte] = data[byte] | ((raw & 0xFF) << shift & 0xFF)
            raw = raw >> 8 - shift
            while raw:
                byte += 1
                data[byte] = data[byte] | (raw & 0xFF)
                raw = raw >> 8
            signal += _SIGNAL_BYTES
            at += 1
        can_id = table[row] << 24 | _OTHERS | table[row + 1] << 8 | node
        if kind & _GROUP:
            data[out] = page
        else:
            counter = table[row + 6]
            sent = counters[counter]
            data[out + 6] = data[out + 6] | sent | page << 4
            if sent == _LAST_COUNT:
                sent = 0 - 1
            counters[counter] = sent + 1
            check = crc[crc[0xFF ^ table[row + 1]] ^ node]
            check = crc[check ^ data[out]]
            check = crc[check ^ data[out + 1]]
            check = crc[check ^ data[out + 2]]
            check = crc[check ^ data[out + 3]]
            check = crc[check ^ data[out + 4]]
            check = crc[check ^ data[out + 5]]
            data[out + 7] = crc[check ^ data[out + 6]] ^ 0xFF
            if kind & _LATEST:
                can_id = can_id | LATEST
        ids[n] = can_id
        n += 1


@micropython.viper
def read(table: ptr8, frame: int, d: ptr8, node: int, values: ptr32) -> int:
    """1 when d has the CRC of this row's message and of `node`, and its values are in `values` now; else 0."""
    crc = ptr8(CRC)
    row = _FRAME_BYTES * frame
    check = crc[0xFF ^ table[row + 1]]
    check = crc[check ^ node]
    i = 0
    while i < 7:
        check = crc[check ^ d[i]]
        i += 1
    if check ^ 0xFF != d[7]:
        return 0
    signal = _SIGNAL_BYTES * table[row + 2]
    i = 0
    while i < table[row + 3]:
        byte = table[signal] >> 3
        bits = table[signal + 1]
        have = 8 - (table[signal] & 7)
        raw = d[byte] >> 8 - have
        while have < bits:
            byte += 1
            raw = raw | d[byte] << have
            have += 8
        raw = raw & (1 << bits) - 1
        if table[signal + 2] & _VALUE and raw == (1 << bits) - 1:
            values[i] = _NA
        else:
            values[i] = raw * table[signal + 3]
        signal += _SIGNAL_BYTES
        i += 1
    return 1
