"""The application of the emulated board: the same node as everywhere, with UARTs for its plant and its bus.

The plant is UART 1. The bus is slcan on UART 2, or, without one, frames go over the plant's link as in a scenario.
"""

import gc

import built

RESET_POWER_ON = 1


def make(number, with_bus):
    """The board and the node of the pack that this version was built for, as a scenario has them."""
    from board import SimulatedBoard
    from drivers.uart_mps2 import BusUart, PlantUart
    from node.cycle import Node

    limits = _limits()
    bus = BusUart()
    board = SimulatedBoard(limits, number, PlantUart(bus), bus if with_bus else None)
    free = board.free_heap() if with_bus else 0
    return board, Node(limits, number, board.afe, board.pins, board.can, board.store, board.boot_id(),
                       board.reset_cause, free)


def run(number, with_bus):
    """Runs it until a byte comes on the console."""
    from main import run as run_node

    run_node(*make(number, with_bus))


def main():
    """What the boot starts: the node with its memory in flash and the loop of real boards. Ends to be reset."""
    make_loop().run()


def make_loop():
    """Without a number of its own in flash it is node 1."""
    import safe
    from running.loop import Loop
    from store.memory import Memory
    from store.trial import Trial

    from bench import Bench

    limits = _limits()
    memory = Memory(limits, "/")
    memory.start(RESET_POWER_ON)
    memory.config.number = number = memory.config.number or 1
    real = Bench(limits, number)
    from node.cycle import Node

    node = Node(limits, number, real.afe, real.pins, real.can, memory, memory.boot_id, RESET_POWER_ON)
    loop = Loop(limits, real, memory, node, Trial(*safe.slot_state), _update, True, 0)
    gc.collect()
    node.report.free_heap = gc.mem_free()
    return loop


def _limits():
    return getattr(__import__("generated.limits_" + built.PACK), "limits_" + built.PACK)


def _update(real, memory):
    from running.updating import make_update

    return make_update(real, memory)
