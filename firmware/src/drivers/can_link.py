"""CAN frames carried by the plant link, in lockstep with the readings: what scenarios use instead of a bus."""

from drivers.can_queue import SendQueue


class LinkCan:
    """Loses nothing and is always there. `filters` as with a bus; without it all frames come."""

    def __init__(self, link):
        self.link = link
        self.rx_id = 0
        self.rx_data = bytearray(8)
        self.state = 1  # active: nothing is lost on this link
        self.tec = self.rec = self.bus_offs = self.restarts = self.overruns = 0
        self._queue = SendQueue()
        self.send_all = self._queue.put_all  # many at once, as node.frames makes them
        self._ids = None
        self._taken = 0

    @property
    def dropped(self):
        return self._queue.dropped

    @property
    def stale(self):
        return self._queue.stale

    def open(self):
        self.state = 1
        return True

    def close(self):
        self._queue.count = 0
        self.state = 0

    def self_test(self):
        """None: there is nothing to test."""

    def filters(self, ids):
        self._ids = tuple(ids)

    def send(self, can_id, d, latest=False):
        self._queue.put(can_id, d, latest)

    def send_all(self, ids, data, count):
        """Queues `count` frames as node.frames makes them."""
        self._queue.put_all(ids, data, count)

    def receive(self):
        """True when a frame is in rx_id and rx_data."""
        while self._taken < self.link.frame_count:
            b = self.link.frames
            at = 12 * self._taken
            self._taken += 1
            self.rx_id = b[at] | b[at + 1] << 8 | b[at + 2] << 16 | (b[at + 3] & 0x1F) << 24
            if self._ids is None or self.rx_id in self._ids:
                for i in range(8):
                    self.rx_data[i] = b[at + 4 + i]
                return True
        self._taken = 0
        self.link.frame_count = 0
        return False

    def pump_in(self):
        """Nothing: the frames came with the reading."""

    def pump_out(self):
        """Sends what the cycle queued."""
        queue = self._queue
        for i in range(queue.count):
            self.link.send_frame(queue.ids[i], queue.data[8 * i:8 * i + 8])
        queue.count = 0

    def service(self):
        """Nothing."""
