"""Everything off, before anything else is known; the jumpers; reset. Never updated in the field.

board.py has the same pins. Each driver of a coil or gate has a pull-down of its own: before this runs, and during a
reset, the pins float.
"""

from machine import Pin, reset

__all__ = ["AUX", "BOARD", "OUTPUTS", "arming", "drop", "outputs_open", "reset", "service"]

BOARD = b"pico_mcp2515"
OUTPUTS = (10, 11, 12, 13)  # charge, discharge, precharge, heater: high is on
AUX = (6, 7, 8, 9)  # their auxiliary contacts to 3.3 V: high is closed, not fitted is low
_SERVICE = 14  # jumpers to ground
_ARMING = 15


def drop():
    """Every output off; a pin that cannot be set keeps no other on."""
    for number in OUTPUTS:
        try:
            Pin(number, Pin.OUT, value=0)
        except Exception:
            continue


def outputs_open():
    """True when every output's pin is low and no auxiliary contact says closed."""
    for number in OUTPUTS:
        if Pin(number).value():
            return False
    return not any(Pin(number, Pin.IN, Pin.PULL_DOWN).value() for number in AUX)


def service():
    """Whether the service jumper is in."""
    return not Pin(_SERVICE, Pin.IN, Pin.PULL_UP).value()


def arming():
    """Whether the arming input is held."""
    return not Pin(_ARMING, Pin.IN, Pin.PULL_UP).value()
