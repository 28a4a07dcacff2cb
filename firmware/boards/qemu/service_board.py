"""The emulated board on the builder's bench: what a tool brings to the prompt of the service state for readings.

It has no backup memory.
"""


def bench(limits):
    """The board as its cycle has it; the plant is UART 1."""
    from board import SimulatedBoard
    from drivers.uart_mps2 import BusUart, PlantUart

    board = SimulatedBoard(limits, 1, PlantUart(BusUart()))
    board.link.hello()
    return board
