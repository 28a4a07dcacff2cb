"""Frames to send where each cycle empties the queue: a plain bounded one, filled without allocating."""

from array import array


class SendQueue:
    """Frames to send as they came: 29-bit ids in `ids[0:count]`, eight bytes each in `data`.

    A frame put as `latest` takes the place of a waiting one of its id, which nobody needs any more: it counts as
    `stale`. Only the caller knows that, because groups and pages of one id (CellVoltages, NodeFaults, NodeInfo) say
    different things and must never replace each other. What does not fit is `dropped`.
    """

    def __init__(self, most=48):
        self.most = most
        self.ids = array("i", [0] * most)
        self.data = bytearray(8 * most)
        self.count = 0
        self.dropped = 0
        self.stale = 0
        self._latest = bytearray(most)

    def put(self, can_id, d, latest=False):
        place = self._find_latest(can_id) if latest else -1
        if place >= 0:
            self.stale += 1
        elif self.count == self.most:
            self.dropped += 1
            return
        else:
            place = self.count
            self.count += 1
        self.ids[place] = can_id
        self._latest[place] = latest
        place *= 8
        for i in range(8):
            self.data[place + i] = d[i]

    def _find_latest(self, can_id):
        for place in range(self.count):
            if self.ids[place] == can_id and self._latest[place]:
                return place
        return -1
