"""The writing half of slcan: queued frames become lines on a stream, eight lines at a time."""

_LINE = 27  # T, 8 digits of id, 8, 16 digits of data, CR
_PIECE = 8
_HEX = b"0123456789ABCDEF"
_CR = 13
_T = 84
_END = b"\r"


class SlcanWriter:
    """`stream` does not block: it takes what fits, and None or 0 when nothing does."""

    def __init__(self, stream):
        self.stream = stream
        self.errors = 0
        self.taken = 0  # bytes that the stream took of the last text
        self._lines = bytearray(_LINE * _PIECE)
        self._views = [memoryview(self._lines)[: _LINE * n] for n in range(_PIECE + 1)]
        self._cut = False

    def say(self, text):
        """True when the stream took all of it."""
        try:
            self.taken = self.stream.write(text) or 0
        except OSError:
            self.errors += 1
            self.taken = 0
        return self.taken == len(text)

    def say_all(self, queue):
        """Empties the queue; what the stream does not take at once is dropped and counted there."""
        done = 0
        while done < queue.count:
            lines = min(_PIECE, queue.count - done)
            whole = self._say_lines(queue, done, lines)
            done += whole
            if whole < lines:
                break
        queue.dropped += queue.count - done
        queue.count = 0

    def _say_lines(self, queue, first, lines):
        """How many lines the stream took as a whole."""
        if self._cut:  # ends the line of which it took only a part
            self._cut = not self.say(_END)
        at = 0
        for n in range(first, first + lines):
            at = self._line(at, queue.ids[n], queue.data, 8 * n)
        self.say(self._views[lines])
        self._cut = self._cut or self.taken % _LINE > 0
        return self.taken // _LINE

    def _line(self, at, can_id, data, start):
        out = self._lines
        out[at] = _T
        for i in range(8):
            out[at + 1 + i] = _HEX[can_id >> 28 - 4 * i & 15]
        out[at + 9] = 56
        at += 10
        for i in range(start, start + 8):
            out[at] = _HEX[data[i] >> 4]
            out[at + 1] = _HEX[data[i] & 15]
            at += 2
        out[at] = _CR
        return at + 1
