"""One text for viper and for plain Python: what machine code casts with, where there is no such code.

A function under a line `@micropython.viper` is machine code on a board. Elsewhere, and in a portable image, the same
text runs as it stands, on small integers: it must not rely on wrapping at 32 bits.
"""

try:
    import micropython
    from micropython import const
except ImportError:  # CPython
    def const(value):
        """`value`, which MicroPython writes in where the name stands."""
        return value

    class micropython:
        """Stands for the module of that name."""

        @staticmethod
        def viper(function):
            """Leaves `function` as it is."""
            return function


def ptr8(buffer):
    """Bytes of `buffer`."""
    return buffer


def ptr16(words):
    """Numbers of `words`, an array of unsigned 16-bit integers."""
    return words


def ptr32(numbers):
    """Numbers of `numbers`, an array of 32-bit integers."""
    return numbers
