"""CAN frames carried by the plant link, in lockstep with the readings: what scenarios use instead of a bus."""

from drivers.can_queue import SendQueue


class LinkCan:
    def __init__(self, link):
        self.link = link
        self.rx_id = 0
        self.rx_data = bytearray(8)
        self._queue = SendQueue()
        self._taken = 0

    @property
    def dropped(self):
        return self._queue.dropped

    def send(self, can_id, d):
        self._queue.put(can_id, d)

    def receive(self):
        """True when a frame is in rx_id and rx_data."""
        if self._taken >= self.link.frame_count:
            self._taken = 0
            self.link.frame_count = 0
            return False
        b = self.link.frames
        at = 12 * self._taken
        self.rx_id = b[at] | b[at + 1] << 8 | b[at + 2] << 16 | (b[at + 3] & 0x1F) << 24
        for i in range(8):
            self.rx_data[i] = b[at + 4 + i]
        self._taken += 1
        return True

    def pump_in(self):
        """Nothing: the frames came with the reading."""

    def pump_out(self):
        """Sends what the cycle queued."""
        queue = self._queue
        for i in range(queue.count):
            self.link.send_frame(queue.ids[i], queue.data[8 * i:8 * i + 8])
        queue.count = 0
