"""`const` of MicroPython, where there is one; elsewhere the value itself."""

try:
    from micropython import const
except ImportError:  # CPython
    def const(value):
        return value
