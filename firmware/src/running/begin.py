"""From reset to the first cycle: memory, sensors, node, bus, in the order in which each finds the room it needs."""

import gc
import time

from store.memory import Memory

from running.forget import forget


def run(board, clock=time):
    """Runs the node of this version until it is to be reset; outputs are off whenever this returns or raises."""
    loop = make(board, clock)
    try:
        loop.run()
    finally:
        loop.real.pins.drop()


def make(board, clock=time):
    """The loop, with sensors started where they start. A node without a number stays off the bus."""
    import built

    try:
        from micropython import alloc_emergency_exception_buf

        alloc_emergency_exception_buf(100)  # the text of an error in a locked cycle
    except ImportError:  # CPython
        pass
    limits = getattr(__import__("generated.limits_" + built.PACK), "limits_" + built.PACK)
    cause = board.reset_cause()
    memory = Memory(limits, board.FOLDER, board.backup())
    memory.start(cause)
    from real_board import RealBoard

    real = RealBoard(limits, board, memory.config, clock)
    code = real.afe.start(limits)
    gc.collect()
    return _loop(limits, real, memory, cause, code)


def _loop(limits, real, memory, cause, code):
    from generated.codec import ID_GATEWAY_HEARTBEAT, ID_NODE_REQUEST
    from node.cycle import Node
    from store.trial import Trial

    from running.loop import Loop

    number = memory.config.number
    node = Node(limits, number, real.afe, real.pins, real.can, memory, memory.boot_id, cause)
    heard = real.open_bus(_ids(number, ID_GATEWAY_HEARTBEAT, ID_NODE_REQUEST) if number else ())
    loop = Loop(limits, real, memory, node, Trial(*real.board.slot_state()), _update, heard, code)
    gc.collect()
    node.report.free_heap = gc.mem_free() if hasattr(gc, "mem_free") else 0
    return loop


def _ids(number, heartbeat, request):
    """What the node listens to; the frames of an update come to it always, it takes them in service."""
    from generated.update_codec import ID_UPDATE_BEGIN, ID_UPDATE_BLOCK

    forget("generated", "update_codec")
    return (heartbeat, request | number, ID_UPDATE_BEGIN | number, ID_UPDATE_BLOCK | number)


def _update(real, memory):
    from running.updating import make_update

    forget("running", "updating")
    return make_update(real, memory)
