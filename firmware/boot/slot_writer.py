"""Writes a version into raw flash as its bytes come, erasing each page when it is reached. For outside the cycle."""

_WORD = 8  # what an STM32G4 programs at once, and only once after an erase
_EIO, _ENOSPC = 5, 28


class SlotWriter:
    """A file of a slot, open for writing from its beginning; its first page is erased already."""

    def __init__(self, flash, page_bytes, first, pages):
        self._flash = flash
        self._page_bytes = page_bytes
        self._first = first
        self._pages = pages
        self._at = 0
        self._rest = b""  # of a word that is not whole

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()

    def write(self, data):
        """All of it. Raises OSError when there is no room, or flash refuses."""
        text = self._rest + bytes(data)
        whole = len(text) - len(text) % _WORD
        self._rest = b""  # after an error there is nothing to end
        self._program(memoryview(text)[:whole])
        self._rest = text[whole:]
        return len(data)

    def close(self):
        """Fills the last word up."""
        rest, self._rest = self._rest, b""
        if rest:
            self._program(rest + b"\xff" * (_WORD - len(rest)))

    def _program(self, data):
        done = 0
        while done < len(data):
            page, offset = divmod(self._at, self._page_bytes)
            if page >= self._pages:
                raise OSError(_ENOSPC)
            n = min(len(data) - done, self._page_bytes - offset)
            page += self._first
            if offset == 0 and self._at and self._flash.ioctl(6, page):
                raise OSError(_EIO)
            if self._flash.writeblocks(page, data[done : done + n], offset):
                raise OSError(_EIO)
            self._at += n
            done += n
