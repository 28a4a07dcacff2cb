"""The part every CAN back end shares: a bounded queue of frames to send, filled inside the cycle without allocating."""

from array import array


class SendQueue:
    """`ids[0:count]` and `data[8*i:8*i+8]` are waiting; what does not fit is dropped and counted."""

    def __init__(self, most=48):
        self.most = most
        self.ids = array("i", [0] * most)
        self.data = bytearray(8 * most)
        self.count = 0
        self.dropped = 0

    def put(self, can_id, d):
        if self.count >= self.most:
            self.dropped += 1
            return
        self.ids[self.count] = can_id
        at = 8 * self.count
        for i in range(8):
            self.data[at + i] = d[i]
        self.count += 1
