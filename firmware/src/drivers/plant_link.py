"""The byte stream between a simulated pack and a node: readings in, outputs out, CAN frames too when asked.

Packets: 0xB5, type, length u16, payload, 8-bit sum of all before it; little-endian. Works on any stream with
`readinto` and `write`. The clock of a simulated node is the time in each reading.
"""

from node.machine_code import micropython, ptr8

START = 0xB5
READING = 0x52
OUTPUT = 0x4F
HELLO = 0x48
FRAME = 0x43
_HEAD = 4
READING_HEAD = 36  # bytes of a reading before its cells
_OUTPUT_BYTES = 17
_FRAME_BYTES = 12


@micropython.viper
def _sum(buffer: ptr8, count: int) -> int:
    """The check of the first `count` bytes."""
    total = 0
    i = 0
    while i < count:
        total += buffer[i]
        i += 1
    return total & 0xFF


@micropython.viper
def _copy(source: ptr8, start: int, target: ptr8, at: int, count: int):
    """Copies `count` bytes, the first one first."""
    i = 0
    while i < count:
        target[at + i] = source[start + i]
        i += 1


def i32(b, at):
    """Signed 32-bit, small integers only: |value| below 2^30."""
    high = b[at + 3]
    if high > 127:
        high -= 256
    return (high << 24) + (b[at] | b[at + 1] << 8 | b[at + 2] << 16)


class PlantLink:
    """`reading` is the payload of the last READING; `frames` of `frame_count` FRAME payloads came before it."""

    MOST_FRAMES = 16

    def __init__(self, stream, number, cells, sensors):
        self.stream = stream
        self.reading = bytearray(READING_HEAD + 2 * (cells + sensors))
        self.frames = bytearray(self.MOST_FRAMES * _FRAME_BYTES)
        self.frame_count = 0
        self.bad = 0
        self.lost = 0  # frames that came with no room left
        self._in = bytearray(_HEAD + len(self.reading) + 1 + _FRAME_BYTES)
        self._view = memoryview(self._in)
        self._have = 0  # bytes of _in that are read
        self._out = bytearray(_HEAD + _OUTPUT_BYTES + 1)
        self._out_view = memoryview(self._out)
        self._hello = (number, cells, sensors)

    def hello(self):
        packet = bytearray((START, HELLO, 3, 0) + self._hello + (0,))
        packet[7] = _sum(packet, 7)
        self.stream.write(packet)

    def wait(self):
        """Blocks until the next READING is in `reading`; False when the other side has gone."""
        self.frame_count = 0
        while True:
            kind = self._packet()
            if kind < 0:
                return False
            if kind == READING:
                return True

    def _packet(self):
        """Reads one packet; its type, 0 for bytes that were dropped, -1 at the end of the stream."""
        if not self._fill(_HEAD):
            return -1
        kind = self._in[1]
        count = self._in[2] | self._in[3] << 8
        fits = (kind == READING and count == len(self.reading)) or (kind == FRAME and count == _FRAME_BYTES)
        if self._in[0] != START or not fits:
            return self._skip()
        if not self._fill(_HEAD + count + 1):
            return -1
        if _sum(self._in, _HEAD + count) != self._in[_HEAD + count]:
            return self._skip()
        self._keep(kind, count)
        self._drop(_HEAD + count + 1)
        return kind

    def _skip(self):
        """Drops what is no packet, up to the next byte that may open one: garbage never hides what comes after it."""
        self.bad += 1
        at = 1
        while at < self._have and self._in[at] != START:
            at += 1
        self._drop(at)
        return 0

    def _drop(self, count):
        """Forgets the first `count` bytes that were read."""
        self._have -= count
        _copy(self._in, count, self._in, 0, self._have)

    def _keep(self, kind, count):
        if kind == READING:
            _copy(self._in, _HEAD, self.reading, 0, count)
        elif self.frame_count < self.MOST_FRAMES:
            _copy(self._in, _HEAD, self.frames, self.frame_count * _FRAME_BYTES, count)
            self.frame_count += 1
        else:
            self.lost += 1

    def _fill(self, count):
        """Reads until `count` bytes are there; False at the end of the stream."""
        while self._have < count:
            got = self.stream.readinto(self._view[self._have:count])
            if not got:
                return False
            self._have += got
        return True

    def time_ms(self):
        return i32(self.reading, 0) & 0x3FFFFFFF

    def answer(self, outputs, mask):
        """Sends the outputs and the balancing mask."""
        out = self._out
        out[0] = START
        out[1] = OUTPUT
        out[2] = _OUTPUT_BYTES
        out[3] = 0
        out[4] = outputs
        _copy(mask, 0, out, 5, 16)
        out[21] = _sum(out, 21)
        self.stream.write(out)

    def send_frame(self, can_id, data):
        """Sends one CAN frame over the link instead of a bus."""
        packet = bytearray(_HEAD + _FRAME_BYTES + 1)
        packet[0] = START
        packet[1] = FRAME
        packet[2] = _FRAME_BYTES
        for i in range(4):
            packet[4 + i] = can_id >> 8 * i & 0xFF
        packet[8:16] = data
        packet[16] = _sum(packet, 16)
        self.stream.write(packet)
