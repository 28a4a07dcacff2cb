"""CAN over slcan text, as a USB stick or a UART speaks it: 29-bit data frames of eight bytes in and out."""

from drivers.can_queue import SendQueue

_OPENING = b"C\rS6\rO\r"
_CLOSING = b"C\r"
_STATUS = b"F\r"
_ASK_CYCLES = 10


class SlcanCan:
    """`stream` neither blocks on reading (None or 0 when empty) nor on writing.

    Each cycle reads at most 8 KiB of text, twice what a bus takes in 100 ms with 16 nodes of 128 cells (153 frames of
    27 characters, 4.1 kB, at 48.9 % of 500 kbit/s), and keeps at most MOST_IN frames; more text waits for the next
    cycle. `filters` is done here, since few adapters have filters: lines of other ids are passed over unread.

    An adapter tells no missing acknowledgement, so nothing here gets stale: what the stream does not take at once is
    dropped, and what is in the adapter is out of reach. `accepted` and `refused` count its answers (CR or z, bell);
    when it refuses every frame it has lost its settings, or its queue is full because nobody listens: either way it is
    opened anew, which empties it, after 1, 2, 4 ... 50 cycles, counted in `restarts`. With `ask_status` its
    F flags give `state` and `overruns`; without, `state` is 1 while the stream takes what is written.
    """

    MOST_IN = 16

    def __init__(self, stream, ask_status=False):
        # Imported here: a board that carries its frames otherwise knows this class and needs no more of it.
        from drivers.slcan_reader import SlcanReader
        from drivers.slcan_writer import SlcanWriter
        self.rx_id = 0
        self.rx_data = bytearray(8)
        self.tec = self.rec = self.bus_offs = 0  # no adapter tells them
        self._queue = SendQueue()
        self.send_all = self._queue.put_all  # many at once, as node.frames makes them
        self._reader = SlcanReader(stream, self.MOST_IN)
        self._writer = SlcanWriter(stream)
        self._asks = 0 if ask_status else -1
        self._there = False

    @property
    def dropped(self):
        return self._queue.dropped

    @property
    def stale(self):
        return self._queue.stale

    @property
    def state(self):
        """0 when the stream is away or closed, else what the adapter told last, 1 before."""
        return (self._reader.state or 1) if self._there else 0

    @property
    def restarts(self):
        return self._reader.restarts

    @property
    def overruns(self):
        return self._reader.overruns

    @property
    def errors(self):
        """OSErrors of the stream."""
        return self._reader.errors + self._writer.errors

    @property
    def bad(self):
        return self._reader.bad

    @property
    def accepted(self):
        return self._reader.accepted

    @property
    def refused(self):
        return self._reader.refused

    def open(self):
        """500 kbit/s, then on the bus; again after the stream came back."""
        self._reader.begin()
        self._writer.say(_OPENING)
        self._there = True
        return True

    def close(self):
        self._writer.say(_CLOSING)
        self._queue.count = self._reader.inbox.count = 0
        self._there = False

    def self_test(self):
        """None: an adapter has no test of itself."""

    def filters(self, ids):
        """The 29-bit ids to receive; without it all are."""
        self._reader.wanted = "".join([f"{can_id:08x}" for can_id in ids]).encode()

    def send(self, can_id, d, latest=False):
        self._queue.put(can_id, d, latest)

    def send_all(self, ids, data, count):
        """Queues `count` frames as node.frames makes them."""
        self._queue.put_all(ids, data, count)

    def receive(self):
        """True when a frame for a 29-bit id with eight bytes is in rx_id and rx_data."""
        can_id = self._reader.inbox.take_into(self.rx_data)
        if can_id < 0:
            return False
        self.rx_id = can_id
        return True

    def service(self):
        """Nothing: all is done once a cycle."""

    def pump_in(self):
        """Takes what has come: frames for this node, and the adapter's answers."""
        if self._reader.pump():
            self.open()

    def pump_out(self):
        """Writes the queued frames; what the stream does not take at once is lost, counted."""
        if self._asks >= 0:
            self._asks += 1
            if self._asks == _ASK_CYCLES:
                self._asks = 0
                self._writer.say(_STATUS)
        if self._queue.count:
            self._writer.say_all(self._queue)
            self._there = self._writer.taken > 0
