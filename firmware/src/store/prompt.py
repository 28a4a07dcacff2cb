"""The last of what a tool brings to the prompt of the service state: answer(text), over the node's own memory.

The tool runs store/service.py, store/bench.py and the board's service_board.py at the prompt before this, in one
namespace; what those import is the version's on the node.
"""

import built
import safe
import slot_record

from store import startup
from store.memory import Memory


def _begin():
    limits = getattr(__import__("generated.limits_" + built.PACK), "limits_" + built.PACK)
    names = globals()
    backup = names["backup"]() if "backup" in names else None
    memory = Memory(limits, slot_record.FOLDER, backup)
    startup.recall(memory)  # not start(): this is none of the node's lives
    memory.wear_ppm = memory.faults.wear_ppm
    memory.judge()
    make = None
    if "bench" in names:
        def make():
            return names["Bench"](limits, names["bench"](limits), safe.arming)
    return names["Service"](memory, make)


_service = _begin()


def answer(text):
    """One line's answer, printed."""
    print(_service.line(text, safe.arming()))
