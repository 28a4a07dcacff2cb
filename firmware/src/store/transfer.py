"""A new version of the application over CAN, into the other slot, five bytes a frame, in the service state only.

A window of frames may be under way; what comes out of order is dropped and asked for again. What is called in the cycle
allocates nothing; `pump` does the work on flash, between cycles, a little at a time. Knows no frame layout and no chip.
"""

IDLE, PREPARING, RECEIVING, CHECKING, VERIFIED, STARTING, STARTS, FAILED = range(8)  # UpdateStatus's UpdateState
NOTHING, NOT_IN_SERVICE, ON_TRIAL, TOO_LARGE, NOT_FOR_THIS_NODE, DAMAGED, WRITE_FAILED, FAILED_TWICE, SEND_TWICE, \
    WRONG_ORDER = range(10)  # UpdateStatus's UpdateError
BEGIN, START, ABANDON = 0, 1, 2  # UpdateBegin's Operation

DATA = 5  # bytes a block
_ROOM = 512  # bytes that wait for flash
_INDEX = 0xFFF  # twelve bits of a block's number are sent
_HALF = 0x800
_SECOND = 10  # cycles
_PAIR_CYCLES = 20  # the second of two starts must come within 2 s, as for a close


class Transfer:
    """`slots` is the module slot_record, `writer` the class ImageWriter; `board` this node's name as bytes, `most` the
    bytes that a version may have.

    `window` is how many blocks may come between two cycles: what the bus driver can hold. A status is to be sent when
    `status_due`; `reset_due` says that the node is to reset, outputs open, into the new version.
    """

    def __init__(self, slots, writer, board, most, window=12):
        self.state = IDLE
        self.error = NOTHING
        self.next_block = 0  # number of the block that is wanted now
        self.window = window
        self.check_low = self.check_high = 0  # first four bytes of the version's SHA-256, as two numbers
        self.status_due = False
        self.reset_due = False
        self._slots = slots
        self._make_writer = writer
        self._board = board
        self._most = most
        self._writer = None
        self._size = 0
        self._buffer = bytearray(_ROOM)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._told_block = 0
        self._silent = 0
        self._first_counter = 15
        self._first_age = _PAIR_CYCLES
        self._close = False

    # In the cycle.

    def begin(self, operation, size, check_low, check_high, counter, may):
        """An UpdateBegin. `may`: the node is in service and its outputs are measured open."""
        self.status_due = True
        if not may:
            self.error = NOT_IN_SERVICE
        elif operation == BEGIN:
            self._begin(size, check_low, check_high)
        elif operation == START:
            self._start(check_low, check_high, counter)
        elif operation == ABANDON and self.state != STARTING and self.state != STARTS:
            self._fail(NOTHING)
            self.state = IDLE
        else:
            self.error = WRONG_ORDER

    def block(self, index, d):
        """An UpdateBlock: the low twelve bits of its number, and the frame, whose first five bytes are the data."""
        if self.state != RECEIVING or index != self.next_block & _INDEX:
            if (index - self.next_block) & _INDEX < _HALF:
                self.status_due = True  # one before it is missing, or nothing is wanted
            return
        at = self._filled
        n = min(DATA, self._size - DATA * self.next_block)
        if n <= 0 or at + n > _ROOM:
            return  # flash is behind: this one will be asked for again
        for i in range(n):
            self._buffer[at + i] = d[i]
        self._filled = at + n
        self.next_block += 1

    def step(self, may, periods):
        """Once a cycle, after the frames."""
        if self._first_age < _PAIR_CYCLES:
            self._first_age += periods
        if self.state == IDLE:
            return
        if not may and PREPARING <= self.state <= VERIFIED:
            self._fail(NOT_IN_SERVICE)
        self._silent += periods
        if self._silent >= _SECOND or self.next_block != self._told_block:
            self.status_due = True

    def told(self):
        """A status with the present `state`, `error`, `window` and `next_block` was queued."""
        self.status_due = False
        self._silent = 0
        self._told_block = self.next_block

    def _begin(self, size, check_low, check_high):
        same = size == self._size and check_low == self.check_low and check_high == self.check_high
        if same and PREPARING <= self.state <= STARTS:
            return  # the sender has begun anew: it goes on where this node is
        if self.state == STARTING or self.state == STARTS:
            self.error = WRONG_ORDER
            return
        self._close = self._writer is not None
        self._size = size
        self.check_low = check_low
        self.check_high = check_high
        self.next_block = self._told_block = self._filled = 0
        self.error = NOTHING
        self.state = PREPARING
        if size > self._most:
            self._fail(TOO_LARGE)
        elif size == 0:
            self._fail(DAMAGED)

    def _start(self, check_low, check_high, counter):
        if self.state == STARTING or self.state == STARTS:
            return
        if self.state != VERIFIED or check_low != self.check_low or check_high != self.check_high:
            self.error = WRONG_ORDER
        elif self._first_age < _PAIR_CYCLES and (counter - self._first_counter) % 15 == 1:
            self.error = NOTHING
            self.state = STARTING
        else:
            self.error = SEND_TWICE
            self._first_counter = counter
            self._first_age = 0

    def _fail(self, why):
        self.state = FAILED
        self.error = why
        self.status_due = True
        self._close = self._writer is not None

    # Between cycles.

    def pump(self):
        """A little work on flash: at most one buffer written, or 2 KB read again."""
        if self._close:
            self._close = False
            self._writer.close()
            self._writer = None
        state = self.state
        if state == PREPARING:
            self._prepare()
        elif state == RECEIVING:
            self._write()
        elif state == CHECKING:
            self._verify()
        elif state == STARTING:
            self._offer()

    def _prepare(self):
        try:
            path = self._slots.make_room()
            if path is None:
                self._fail(ON_TRIAL)
                return
            self._writer = self._make_writer(path, self._board, self._most)
            self._to(RECEIVING)
        except OSError:
            self._fail(WRITE_FAILED)

    def _write(self):
        n = self._filled
        if n == 0:
            return
        refused = self._writer.feed(self._view[:n])
        self._filled = 0
        if refused:
            self._fail(refused)
        elif DATA * self.next_block >= self._size:
            if self._writer.left == 0:
                self._to(CHECKING)
            else:
                self._fail(DAMAGED)

    def _verify(self):
        if not self._writer.step():
            return
        new = self._writer.version
        self._writer = None
        if new and new.id[0] | new.id[1] << 8 == self.check_low and new.id[2] | new.id[3] << 8 == self.check_high:
            self._to(VERIFIED)
        else:
            self._fail(DAMAGED)

    def _offer(self):
        try:
            answer = self._slots.start_other(self._board)
        except OSError:
            self._fail(WRITE_FAILED)
            return
        if answer == self._slots.TRIED or answer == self._slots.WAITING:
            self._to(STARTS)
            self.reset_due = True
        else:
            self._fail(FAILED_TWICE if answer == self._slots.FAILED_TWICE else DAMAGED)

    def _to(self, state):
        self.state = state
        self.status_due = True
