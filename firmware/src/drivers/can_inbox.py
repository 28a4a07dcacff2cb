"""What a CAN back end has received and the cycle has not yet taken: a bounded ring, used without allocating."""

from array import array


class Inbox:
    """Frames that came in and wait for the cycle, at most `most`; ask `full` before `put`."""

    def __init__(self, most):
        self.most = most
        self.count = 0
        self._ids = array("i", [0] * most)
        self._data = bytearray(8 * most)
        self._first = 0

    def full(self):
        return self.count == self.most

    def put(self, can_id, d):
        """Keeps the id and the first eight bytes of `d`."""
        at = (self._first + self.count) % self.most
        self._ids[at] = can_id
        at *= 8
        for i in range(8):
            self._data[at + i] = d[i]
        self.count += 1

    def take_into(self, d):
        """Puts the oldest frame's data into `d`; its id, or -1 when there is none."""
        if self.count == 0:
            return -1
        at = self._first
        can_id = self._ids[at]
        self._first = (at + 1) % self.most
        self.count -= 1
        at *= 8
        for i in range(8):
            d[i] = self._data[at + i]
        return can_id
