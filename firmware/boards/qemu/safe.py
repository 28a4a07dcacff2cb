"""Everything off, before anything else is known; the jumpers; reset. Never updated in the field.

The emulated board's output pins are the low bits of its MISC register; its jumpers are files.
"""

import machine

__all__ = ["BOARD", "arming", "drop", "outputs_open", "reset", "service"]

BOARD = b"qemu"
MISC = 0x4002804C
reset = machine.reset


def drop():
    """Every output off."""
    machine.mem32[MISC] = 0


def outputs_open():
    """True when every output is measured off."""
    return machine.mem32[MISC] & 15 == 0


def _there(name):
    try:
        with open(name):
            return True
    except OSError:
        return False


def service():
    """Whether the service jumper is in."""
    return _there("/service_jumper")


def arming():
    """Whether the arming input is held."""
    return _there("/arming_jumper")
