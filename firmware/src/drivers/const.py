"""`const` of MicroPython, where there is one; elsewhere the value itself."""

from node.machine_code import const as const
