"""An update over CAN: its frames for the Transfer, the Transfer's status for the bus. Imported only in service.

Knows the frames, no step of the update and no flash. In the cycle it allocates nothing.
"""

from array import array

from generated.update_codec import ID_UPDATE_BEGIN, ID_UPDATE_BLOCK, TABLE, read_update_begin, read_update_block
from node.frames import fill

_NEVER = 15  # a counter that is not sent
_HEARD = 3
_STATUS = bytes(2)  # a plan: the first row of the table


class Update:
    """`can` is the node's bus and `node` its number there.

    `refused` counts frames to this node with a wrong CRC or counter. `reset_due`: open, then reset into the new
    version.
    """

    def __init__(self, transfer, can, node):
        self.transfer = transfer
        self.refused = 0
        self._can = can
        self._node = node
        self._begin_id = ID_UPDATE_BEGIN | node
        self._block_id = ID_UPDATE_BLOCK | node
        self._values = array("i", [0] * 7)
        self._counters = bytearray(1)
        self._ids = array("i", [0])
        self._data = bytearray(8)
        self._may = False
        self._told = 0  # cycles since the last status: a reset waits until that is on the bus

    @property
    def reset_due(self):
        return self.transfer.reset_due and self._told >= _HEARD

    def frame(self, can_id, d):
        """Takes one received frame; False when it is none of an update of this node."""
        v = self._values
        if can_id == self._block_id:
            if self._sound(read_update_block(d, self._node, v), d):
                self.transfer.block(v[5] | v[6] << 8, d)
        elif can_id == self._begin_id:
            if self._sound(read_update_begin(d, self._node, v), d):
                self.transfer.begin(v[4], v[2] | v[3] << 16, v[0], v[1], d[6] & 15, self._may)
        else:
            return False
        return True

    def _sound(self, right, d):
        if right and d[6] & 15 != _NEVER:
            return True
        self.refused += 1
        return False

    def step(self, may, periods):
        """Once a cycle, after the frames. `may`: the node is in service and its outputs are measured open."""
        t = self.transfer
        self._may = may
        t.step(may, periods)
        if t.status_due:
            v = self._values
            v[0] = t.state
            v[1] = t.error
            v[2] = t.window
            v[3] = t.next_block
            v[4] = t.check_low
            fill(TABLE, v, self._data, _STATUS, 1, self._counters, self._node, self._ids)
            self._can.send(self._ids[0], self._data, True)
            t.told()
            self._told = 0
        else:
            self._told = min(_HEARD, self._told + 1)

    def pump(self):
        """Between cycles: a little work on flash. Allocates."""
        self.transfer.pump()
