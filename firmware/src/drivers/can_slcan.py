"""CAN over slcan text, as a USB stick or a UART speaks it: 29-bit data frames of eight bytes in and out."""

from drivers.can_queue import SendQueue

_LINE = 27  # T, 8 digits of id, 8, 16 digits of data, CR
_HEX = b"0123456789ABCDEF"
_CR = 13
_T = 84
_ROOM = 2048


def _digit(c):
    if 48 <= c <= 57:
        return c - 48
    if 65 <= c <= 70:
        return c - 55
    if 97 <= c <= 102:
        return c - 87
    return -1


class SlcanCan:
    """`stream` neither blocks on reading (None or 0 when empty) nor on writing."""

    def __init__(self, stream):
        self.stream = stream
        self.rx_id = 0
        self.rx_data = bytearray(8)
        self.bad = 0
        self._queue = SendQueue()
        self._lines = bytearray(_LINE * self._queue.most)
        self._views = [memoryview(self._lines)[: _LINE * n] for n in range(self._queue.most + 1)]
        self._in = bytearray(_ROOM)
        self._view = memoryview(self._in)
        self._have = self._at = 0
        self._lives = 0

    @property
    def dropped(self):
        return self._queue.dropped

    def open(self):
        """500 kbit/s, then on the bus; again after the stream came back."""
        self._lives = getattr(self.stream, "lives", 0)
        self.stream.write(b"C\rS6\rO\r")

    def send(self, can_id, d):
        self._queue.put(can_id, d)

    def pump_in(self):
        """Takes what has come; the oldest unread text is dropped when there is no room."""
        if self._at:
            left = self._have - self._at
            for i in range(left):
                self._in[i] = self._in[self._at + i]
            self._have = left
            self._at = 0
        if self._have == _ROOM:
            self._have = 0
            self.bad += 1
        got = self.stream.readinto(self._view[self._have:])
        if getattr(self.stream, "lives", self._lives) != self._lives:
            self._have = 0
            self.open()
            return
        if got:
            self._have += got

    def receive(self):
        """True when a frame for a 29-bit id with eight bytes is in rx_id and rx_data; other lines are passed over."""
        while True:
            end = self._at
            while end < self._have and self._in[end] != _CR:
                end += 1
            if end >= self._have:
                return False
            start = self._at
            self._at = end + 1
            if end - start == _LINE - 1 and self._in[start] == _T and self._parse(start):
                return True
            if end > start:
                self.bad += 1

    def _parse(self, start):
        b = self._in
        can_id = 0
        for i in range(start + 1, start + 9):
            digit = _digit(b[i])
            if digit < 0 or (i == start + 1 and digit > 1):
                return False
            can_id = can_id << 4 | digit
        if b[start + 9] != 56:
            return False
        at = start + 10
        for i in range(8):
            high = _digit(b[at])
            low = _digit(b[at + 1])
            if high < 0 or low < 0:
                return False
            self.rx_data[i] = high << 4 | low
            at += 2
        self.rx_id = can_id
        return True

    def pump_out(self):
        """Writes the queued frames as one piece; a stream that takes nothing loses them, counted."""
        queue = self._queue
        count = queue.count
        if count == 0:
            return
        at = 0
        for n in range(count):
            at = self._line(at, queue.ids[n], n)
        queue.count = 0
        written = self.stream.write(self._views[count])
        if written != at:
            queue.dropped += count if not written else (at - written + _LINE - 1) // _LINE

    def _line(self, at, can_id, n):
        out = self._lines
        out[at] = _T
        for i in range(8):
            out[at + 1 + i] = _HEX[can_id >> 28 - 4 * i & 15]
        out[at + 9] = 56
        at += 10
        data = self._queue.data
        for i in range(8 * n, 8 * n + 8):
            out[at] = _HEX[data[i] >> 4]
            out[at + 1] = _HEX[data[i] & 15]
            at += 2
        out[at] = _CR
        return at + 1
