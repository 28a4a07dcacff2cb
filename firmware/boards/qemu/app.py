"""The application of the emulated board: the same node as everywhere, with UARTs for its plant and its bus.

The plant is UART 1. The bus is slcan on UART 2, or, without one, frames go over the plant's link as in a scenario.
"""

import built
from board import SimulatedBoard
from drivers.uart_mps2 import BusUart, PlantUart
from main import load_limits
from main import run as run_node
from node.cycle import Node


def make(number, with_bus):
    """The board and the node of the pack that this version was built for."""
    limits = load_limits(built.PACK)
    bus = BusUart()
    board = SimulatedBoard(limits, number, PlantUart(bus), bus if with_bus else None)
    free = board.free_heap() if with_bus else 0
    return board, Node(limits, number, board.afe, board.pins, board.can, board.store, board.boot_id(),
                       board.reset_cause, free)


def run(number, with_bus):
    """Runs it until a byte comes on the console."""
    run_node(*make(number, with_bus))


def main():
    """What the boot starts."""
    run(1, True)
