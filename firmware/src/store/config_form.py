"""A configuration as bytes, and what is out of its bounds: those of the pack's row, and the limits it was made for.

One that is missing, damaged, out of bounds or made for other limits is not sound: the node stays open.
"""

import struct

from store.config import Config

LOWEST_NUMBER = 1
HIGHEST_NUMBER = 127
SERIAL_LENGTH = 16
_FORMAT = 2
# format, number, serial, limit hash low and high, cells, sensors, current gain and offset, commissioning record
_HEAD = "<BB16sHHBBih4s"
_HEAD_BYTES = 34
_CELL = "<ih"
_CELL_BYTES = 6
_SENSOR = "<h"
_SENSOR_BYTES = 2

# key: (column with its bound, "" for one value or the column that says how many there are)
CALIBRATION = {
    "cell_gain_ppm": ("CAL_GAIN_PPM_MAX", "CELLS"),
    "cell_offset_mv": ("CAL_OFFSET_MV_MAX", "CELLS"),
    "current_gain_ppm": ("CAL_CURRENT_PPM_MAX", ""),
    "current_offset_ma": ("CAL_CURRENT_MA_MAX", ""),
    "temp_offset_dc": ("CAL_TEMP_DC_MAX", "SENSORS"),
}


def bound(limits, key):
    """The largest |value| the pack's row allows for `key`; a row without that column allows none."""
    return getattr(limits, CALIBRATION[key][0], 0)


def values(config, key):
    """The calibration under `key` as a list, also where it is one value."""
    value = getattr(config, key)
    return list(value) if CALIBRATION[key][1] else [value]


def wrong(config, only=""):
    """What is out of range, in words, or "" when all is within; `only` looks at one key."""
    if only in ("", "number") and not LOWEST_NUMBER <= config.number <= HIGHEST_NUMBER:
        return f"number: from {LOWEST_NUMBER} to {HIGHEST_NUMBER}"
    serial = config.serial
    if only in ("", "serial") and (len(serial) > SERIAL_LENGTH or serial != serial.strip()
                                   or not all(32 <= ord(letter) < 127 for letter in serial)):
        return f"serial: at most {SERIAL_LENGTH} printable ASCII characters, no space at its ends"
    for key in CALIBRATION:
        most = bound(config.limits, key)
        if only in ("", key) and any(abs(value) > most for value in values(config, key)):
            return f"{key}: the pack's row allows {most}"
    return ""


def copy(config, other):
    """Takes over number, serial, commissioning and calibration of `other`, which is for the same pack."""
    config.number = other.number
    config.serial = other.serial
    config.commissioned = other.commissioned
    for key in CALIBRATION:
        if CALIBRATION[key][1]:
            getattr(config, key)[:] = getattr(other, key)
        else:
            setattr(config, key, getattr(other, key))
    config.arm()


def same(config, other):
    """Whether number, serial, commissioning and calibration are equal."""
    return (config.number == other.number and config.serial == other.serial
            and config.commissioned == other.commissioned
            and all(values(config, key) == values(other, key) for key in CALIBRATION))


def pack(config):
    """The record's payload, stamped with the hash of the limits in this image."""
    limits = config.limits
    config.hash_low = limits.HASH_LOW
    config.hash_high = limits.HASH_HIGH
    serial = config.serial.encode()
    data = struct.pack(_HEAD, _FORMAT, config.number, serial + bytes(SERIAL_LENGTH - len(serial)), config.hash_low,
                       config.hash_high, limits.CELLS, limits.SENSORS, config.current_gain_ppm,
                       config.current_offset_ma, config.commissioned or bytes(4))
    for i in range(limits.CELLS):
        data += struct.pack(_CELL, config.cell_gain_ppm[i], config.cell_offset_mv[i])
    for i in range(limits.SENSORS):
        data += struct.pack(_SENSOR, config.temp_offset_dc[i])
    return data


def unpack(config, data):
    """Takes a payload as far as it can be used, and judges it: `sound` and `reason`. Never raises."""
    limits = config.limits
    config.sound = False
    config.commissioned = b""
    config.reset()
    config.reason = _take(config, data)
    if config.reason:
        config.commissioned = b""
        config.reset()
    elif config.hash_low != limits.HASH_LOW or config.hash_high != limits.HASH_HIGH:
        config.commissioned = b""  # under other limits: it is checked again
        config.reason = f"made for other limits ({config.hash_high:04X}{config.hash_low:04X}): save it again for these"
    else:
        config.sound = True
    config.arm()


def _take(config, data):
    limits = config.limits
    if len(data) < _HEAD_BYTES or data[0] != _FORMAT:
        return "of another format"
    (_, config.number, serial, config.hash_low, config.hash_high, cells, sensors, config.current_gain_ppm,
     config.current_offset_ma, record) = struct.unpack(_HEAD, data[:_HEAD_BYTES])
    config.serial = "".join([chr(byte) for byte in serial if byte])
    if not LOWEST_NUMBER <= config.number <= HIGHEST_NUMBER:
        config.number = 0
    if cells != limits.CELLS or sensors != limits.SENSORS:
        return f"made for {cells} cells and {sensors} sensors"
    if len(data) != _HEAD_BYTES + _CELL_BYTES * cells + _SENSOR_BYTES * sensors:
        return "of another length"
    config.commissioned = record if any(record) else b""
    at = _HEAD_BYTES
    for i in range(cells):
        config.cell_gain_ppm[i], config.cell_offset_mv[i] = struct.unpack_from(_CELL, data, at)
        at += _CELL_BYTES
    for i in range(sensors):
        config.temp_offset_dc[i] = struct.unpack_from(_SENSOR, data, at)[0]
        at += _SENSOR_BYTES
    return wrong(config)


def load(limits, record):
    """The stored configuration; one that is not sound has what could be taken, and number 0 where there is none."""
    config = Config(limits)
    data = record.read()
    if data is not None:
        unpack(config, data)
    elif record.bad:
        config.reason = "the stored configuration is damaged"
    return config
