"""Takes a new version of the application as a stream of bytes and writes it into the other slot.

Used by whatever brings the bytes, CAN or a console. Needs the files of `firmware/boot/` beside it; knows no bus. It is
for the service state, outside the cycle: it allocates, and flash takes its time.
"""

from version import HASH, HEAD, Check, Version

NOTHING = 0
ON_TRIAL = 2  # these are UpdateStatus's UpdateError
TOO_LARGE = 3
NOT_FOR_THIS_NODE = 4
DAMAGED = 5
WRITE_FAILED = 6


class ImageWriter:
    """`feed` the bytes in order, then `step` until it returns True: what lies in flash has then been read again.

    `board` and `most` (bytes) say what is taken; `path` is what `slot_record.make_room()` gave.
    """

    def __init__(self, path, board, most):
        self.version = None  # once all is there and right
        self.left = HEAD  # bytes still missing; until the head is there, of the head
        self._path = path
        self._board = board
        self._most = most
        self._head = bytearray()
        self._check = None
        self._file = open(path, "wb")  # noqa: SIM115 - it stays open between the pieces

    def feed(self, data):
        """NOTHING, or why the version is refused; then the file is closed and never valid."""
        try:
            self._file.write(data)
        except OSError:
            return self._refuse(WRITE_FAILED)
        if len(self._head) < HEAD:
            self._head.extend(data)
            if len(self._head) < HEAD:
                self.left = HEAD - len(self._head)
                return NOTHING
            return self._judge(len(self._head))
        self.left -= len(data)
        if self.left < 0:
            return self._refuse(DAMAGED)
        return NOTHING

    def _judge(self, taken):
        """The head is there: is this for us?"""
        try:
            new = Version(bytes(self._head[:HEAD]))
        except ValueError:
            return self._refuse(NOT_FOR_THIS_NODE)
        if not new.fits(self._board):
            return self._refuse(NOT_FOR_THIS_NODE)
        if new.size > self._most:
            return self._refuse(TOO_LARGE)
        self.left = new.size - taken
        return NOTHING if self.left >= 0 and new.size > HEAD + HASH else self._refuse(DAMAGED)

    def _refuse(self, why):
        self.close()
        self.left = 0
        return why

    def close(self):
        """Also when it was broken off: what was written so far is no version."""
        try:
            self._file.close()
        except OSError:
            pass

    def step(self):
        """After the last byte: reads 2 KB of what was written. True at the end, with `version` or None."""
        try:
            if self._check is None:
                self._file.close()
                self._check = Check(self._path)
            if not self._check.step():
                return False
            self.version = self._check.version
        except OSError:
            self.version = None
        return True
