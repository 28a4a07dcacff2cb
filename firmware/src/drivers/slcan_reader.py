"""The reading half of slcan: text that comes in any pieces becomes frames for this node, answers and status."""

from drivers.can_inbox import Inbox

_LINE = 27  # T, 8 digits of id, 8, 16 digits of data, CR
_END = b"\r"
_BELL = 7
_T = 84
_F = 70
_DATA_OVERRUN = 0x08  # Lawicel status bits
_WARNING_BIT = 0x04
_PASSIVE_BIT = 0x20
_COMMANDS = 3  # answers to what opens an adapter; they say nothing about frames
_LONGEST_WAIT = 50
_CHUNK = 256  # what a TCP or USB stream has at once is seldom more
_READS = 32  # 8 KiB a cycle


def _digit(c):
    if 48 <= c <= 57:
        return c - 48
    if 65 <= c <= 70:
        return c - 55
    if 97 <= c <= 102:
        return c - 87
    return -1


class SlcanReader:
    """`stream` does not block. Frames come into `inbox`, at most `most` at a time; more text waits."""

    def __init__(self, stream, most):
        self.stream = stream
        self.inbox = Inbox(most)
        self.wanted = None  # the ids' eight small hex digits, one after the other; None for all
        self.bad = 0
        self.accepted = 0
        self.refused = 0
        self.state = 0  # as the adapter told last, 0 when it has not
        self.overruns = 0
        self.errors = 0
        self.restarts = 0  # times that the adapter had to be opened anew because it accepted nothing
        self._buffer = bytearray(_CHUNK)
        self._at = self._have = 0
        self._line = bytearray(_LINE)  # a line that is not whole yet
        self._length = 0
        self._frame = bytearray(8)
        self._lives = getattr(stream, "lives", 0)
        self._commands = 0
        self._accepted = self._refused = 0  # up to the last cycle
        self._wait = 0
        self._next_wait = 1

    def begin(self):
        """The adapter was opened: the text so far is of no use."""
        self._lives = getattr(self.stream, "lives", 0)
        self._at = self._have = self._length = 0
        self._commands = _COMMANDS
        self.state = 0

    def pump(self):
        """Once a cycle: takes what has come; True when the adapter is to be opened anew."""
        if self._read():
            return True
        lost = self._lost()
        self.restarts += lost
        return lost

    def _read(self):
        """True when the stream has another life than when it was opened."""
        for _ in range(_READS):
            if not self._scan():
                return False  # the rest in the next cycle
            try:
                got = self.stream.readinto(self._buffer)
            except OSError:
                self.errors += 1
                return False
            if getattr(self.stream, "lives", 0) != self._lives:
                return True
            if not got:
                return False
            self._at = 0
            self._have = got
        self._scan()
        return False

    def _lost(self):
        """Whether it accepts nothing, and it is time."""
        accepted = self.accepted - self._accepted
        refused = self.refused - self._refused
        self._accepted = self.accepted
        self._refused = self.refused
        commands = min(self._commands, accepted)
        self._commands -= commands
        if accepted > commands:
            self._wait = 0
            self._next_wait = 1
        elif self._wait > 0:
            self._wait -= 1
            return self._wait == 0
        elif refused:
            self._wait = self._next_wait
            self._next_wait = min(2 * self._next_wait, _LONGEST_WAIT)
        return False

    def _scan(self):
        """Reads lines until the text is used up; False when the inbox is full before."""
        b = self._buffer
        while self._at < self._have:
            if self.inbox.full():
                return False
            if b[self._at] == _BELL:  # a refusal has no end of its own
                if self._length:
                    self._length = 0
                    self.bad += 1
                self.refused += 1
                self._at += 1
                continue
            end = b.find(_END, self._at, self._have)
            if end < 0:
                self._keep(self._have)
            elif self._length:
                self._keep(end)
                length = self._length
                self._length = 0
                self._understand(self._line, 0, length)
            else:
                self._understand(b, self._at, end)
            self._at = self._have if end < 0 else end + 1
        return True

    def _keep(self, end):
        """Adds the text up to `end` to the line that is not whole; what cannot be a line is only counted once."""
        for i in range(self._at, end):
            if self._length >= _LINE:
                return
            self._line[self._length] = self._buffer[i]
            self._length += 1

    def _understand(self, b, at, end):
        """A line without its end."""
        length = end - at
        if length == _LINE - 1 and b[at] == _T:
            if self.wanted is None or self._is_wanted(b, at):
                self._parse(b, at)
        elif length <= 1 and (length == 0 or b[at] | 0x20 == 0x7A):
            self.accepted += 1
        elif length == 3 and b[at] == _F and _digit(b[at + 1]) >= 0 and _digit(b[at + 2]) >= 0:
            self._note(_digit(b[at + 1]) << 4 | _digit(b[at + 2]))
        else:
            self.bad += 1

    def _note(self, flags):
        if flags & _DATA_OVERRUN:
            self.overruns += 1
        self.state = 3 if flags & _PASSIVE_BIT else 2 if flags & _WARNING_BIT else 1

    def _is_wanted(self, b, at):
        """Compares the id's digits from the last, where ids of others differ."""
        wanted = self.wanted
        for last in range(7, len(wanted), 8):
            i = 0
            while i < 8 and b[at + 8 - i] | 0x20 == wanted[last - i]:
                i += 1
            if i == 8:
                return True
        return False

    def _parse(self, b, at):
        can_id = 0
        good = b[at + 9] == 56 and _digit(b[at + 1]) <= 1
        for i in range(at + 1, at + 9):
            digit = _digit(b[i])
            good = good and digit >= 0
            can_id = (can_id & 0x1FFFFFF) << 4 | digit & 15
        at += 10
        for i in range(8):
            high = _digit(b[at])
            low = _digit(b[at + 1])
            good = good and high >= 0 and low >= 0
            self._frame[i] = high << 4 & 0xF0 | low & 15
            at += 2
        if good:
            self.inbox.put(can_id, self._frame)
        else:
            self.bad += 1
