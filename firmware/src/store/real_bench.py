"""A real board on the builder's bench: what a tool brings to the prompt of the service state for its readings.

A board with a service_board.py of its own, such as the emulated one, does not need it.
"""


def backup():
    """What outlives a reset beside the flash."""
    from board import Board

    return Board().backup()


def bench(limits):
    """The board as its cycle has it, its sensors started, its readings not corrected, nothing on the bus."""
    from board import Board
    from real_board import RealBoard

    real = RealBoard(limits, Board())
    code = real.afe.start(limits)
    if code:
        raise OSError("the sensors do not start: error " + str(code))
    return real
