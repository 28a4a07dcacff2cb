"""Frames to send where each cycle empties the queue: a plain bounded one, filled without allocating."""

from array import array

from node.machine_code import const, micropython, ptr8, ptr32

LATEST = const(1 << 29)  # as in node.frames


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
        self.latest = bytearray(most)
        self._one = array("i", [0])

    def put(self, can_id, d, latest=False):
        """Takes one frame."""
        self._one[0] = can_id | LATEST if latest else can_id
        self.put_all(self._one, d, 1)

    @micropython.viper
    def put_all(self, new_ids: ptr32, new_data: ptr8, many: int):
        """Takes frames as node.frames makes them: LATEST in an id is that mark, and none of these comes twice."""
        ids = ptr32(self.ids)
        data = ptr8(self.data)
        marks = ptr8(self.latest)
        most = int(self.most)
        count = waiting = int(self.count)
        stale = dropped = n = 0
        while n < many:
            can_id = new_ids[n]
            mark = can_id >> 29
            place = count
            if mark:
                can_id = can_id ^ LATEST
                place = 0
                while place < waiting and (ids[place] != can_id or marks[place] == 0):
                    place += 1
                if place == waiting:
                    place = count
            if place < count:
                stale += 1
            elif count < most:
                count += 1
            else:
                dropped += 1
                place = 0 - 1
            if place >= 0:
                ids[place] = can_id
                marks[place] = mark
                to = 8 * place
                at = 8 * n
                data[to] = new_data[at]
                data[to + 1] = new_data[at + 1]
                data[to + 2] = new_data[at + 2]
                data[to + 3] = new_data[at + 3]
                data[to + 4] = new_data[at + 4]
                data[to + 5] = new_data[at + 5]
                data[to + 6] = new_data[at + 6]
                data[to + 7] = new_data[at + 7]
            n += 1
        self.count = count
        if stale:
            self.stale = int(self.stale) + stale
        if dropped:
            self.dropped = int(self.dropped) + dropped
