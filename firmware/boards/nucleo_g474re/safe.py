"""Everything off, before anything else is known; the jumpers; reset. Never updated in the field.

board.py has the same pins. Each driver of a coil or gate has a pull-down of its own: before this runs, and during a
reset, the pins float. The blue button is no input of the node: held at power-up it makes MicroPython skip boot.py and
main.py, or erase its file system.
"""

from machine import Pin, reset

__all__ = ["AUX", "BOARD", "OUTPUTS", "arming", "drop", "outputs_open", "reset", "service"]

BOARD = b"nucleo_g474re"
OUTPUTS = ("C6", "C7", "C8", "C9")  # charge, discharge, precharge, heater: high is on
AUX = ("B0", "B1", "B2", "B10")  # their auxiliary contacts to 3.3 V: high is closed, not fitted is low
_SERVICE = "C10"  # jumpers to ground
_ARMING = "C11"


def drop():
    """Every output off; a pin that cannot be set keeps no other on."""
    for name in OUTPUTS:
        try:
            Pin(name, Pin.OUT, value=0)
        except Exception:
            continue


def outputs_open():
    """True when every output's pin is low and no auxiliary contact says closed."""
    for name in OUTPUTS:
        if Pin(name).value():
            return False
    return not any(Pin(name, Pin.IN, Pin.PULL_DOWN).value() for name in AUX)


def service():
    """Whether the service jumper is in."""
    return not Pin(_SERVICE, Pin.IN, Pin.PULL_UP).value()


def arming():
    """Whether the arming input is held."""
    return not Pin(_ARMING, Pin.IN, Pin.PULL_UP).value()
