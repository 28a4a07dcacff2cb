"""Makes what takes a new version over CAN, when a node has gone into service. Loaded for that only."""

import sys

from running.forget import forget


def make_update(real, memory):
    """A store.update.Update on the node's bus; its modules leave with it."""
    import slot_record
    from store.image import ImageWriter
    from store.transfer import Transfer
    from store.update import Update

    board = real.board
    made = Update(Transfer(slot_record, ImageWriter, board.name.encode(), board.SLOT_BYTES), real.can,
                  memory.config.number)
    forget("store", "update", "transfer", "image")
    for name in ("slot_record", "version"):
        if sys.implementation.name == "micropython":
            sys.modules.pop(name, None)
    return made
