"""Starts a node and runs its cycle with the heap locked. Ends, with outputs dropped, when anything goes wrong."""

import sys

try:
    from micropython import heap_lock, heap_unlock
except ImportError:  # CPython
    def heap_lock():
        pass

    def heap_unlock():
        pass

from board import SimulatedBoard
from drivers.streams import BusStream, StandardStream, TcpStream
from node.cycle import Node


def option(name, default=""):
    """The word after `--name` on the command line."""
    return sys.argv[sys.argv.index("--" + name) + 1] if "--" + name in sys.argv else default


def load_limits(pack):
    """The generated limits of `pack`; a pack that is not ours lies beside, on the import path."""
    try:
        return getattr(__import__("generated.limits_" + pack), "limits_" + pack)
    except ImportError:
        return __import__("limits_" + pack)


def build():
    """The board and the node that the command line asks for."""
    limits = load_limits(option("pack"))
    number = int(option("node", "1"))
    plant, bus = option("plant", "-"), option("can")
    board = SimulatedBoard(limits, number, StandardStream() if plant == "-" else TcpStream(plant),
                           BusStream(bus) if bus else None)
    free = board.free_heap() if bus else 0
    return board, Node(limits, number, board.afe, board.pins, board.can, board.store, board.boot_id(),
                       board.reset_cause, free)


def cycle(board, node, now_ms):
    """One cycle, from sense to the last frame queued, without allocating."""
    heap_lock()
    try:
        node.step(now_ms)
    finally:
        heap_unlock()
    board.finish()


def run(board, node):
    """Introduces the node to its plant and runs it until the plant has gone."""
    board.link.hello()
    now_ms = board.wait()
    while now_ms >= 0:
        cycle(board, node, now_ms)
        now_ms = board.wait()


def main():
    board, node = build()
    if option("plant", "-") != "-":
        print("node", option("node", "1"), "running")
    run(board, node)


if __name__ == "__main__":
    main()
