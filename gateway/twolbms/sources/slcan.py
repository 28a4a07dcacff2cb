"""python-can's slcan bus, reading whatever has come at once instead of byte by byte.

Same class interface; the adapter's dialect (commands, opening, sending) stays python-can's.
"""

from __future__ import annotations

import os
import select
import time
from binascii import unhexlify
from collections import deque
from contextlib import suppress
from typing import Any

import can
from can.exceptions import CanError, CanOperationError
from can.interfaces.slcan import slcanBus

_CHUNK = 4096  # a serial driver's buffer; 136 extended frames
_LONGEST_LINE = 64  # a frame with a time stamp has 30 characters; more without an end is noise
_FRAME_LETTERS = (b"T", b"t")


class ChunkedSlcanBus(slcanBus):
    """An slcan adapter on a serial port, a pty or `socket://host:port`.

    `bad_lines` counts what claimed to be a frame and was none; remote frames are left out.
    """

    def __init__(self, channel: str, **settings: Any) -> None:
        self._frames: deque[can.Message] = deque()
        self._rest = b""
        self.bad_lines = 0
        super().__init__(channel, **settings)
        self._fd = self.serialPortOrig.fileno()

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        frames = self._frames
        if not frames:
            self._read_chunk(timeout)
        return (frames.popleft(), False) if frames else (None, False)

    def _read_chunk(self, timeout: float | None) -> None:
        """Waits at most `timeout` seconds and takes everything that is there."""
        try:
            if not select.select([self._fd], [], [], timeout)[0]:
                return
            chunk = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile
            raise CanOperationError(f"could not read: {error}") from error
        if not chunk:
            raise CanOperationError("the adapter has gone")
        self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        lines = (self._rest + chunk).replace(b"\a", b"\r").split(b"\r")
        self._rest = lines.pop()
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
            self.bad_lines += 1
        now = time.time()
        for line in lines:
            if line[:1] in _FRAME_LETTERS:
                try:
                    self._frames.append(_message(line, now))
                except ValueError:
                    self.bad_lines += 1

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        """Sends a frame; a write that takes longer than `timeout` seconds raises CanOperationError."""
        try:
            super().send(msg, timeout)
        except OSError as error:
            raise CanOperationError(f"could not write: {error}") from error

    def shutdown(self) -> None:
        """Closes the channel and the port, also when the adapter has gone."""
        with suppress(CanError, OSError):
            super().shutdown()
        with suppress(OSError):
            self.serialPortOrig.close()


def _message(line: bytes, now: float) -> can.Message:
    """The frame of a data frame's line; ValueError for any other text."""
    extended = line[:1] == b"T"
    end = 9 if extended else 4
    length = int(line[end:end + 1])
    data = unhexlify(line[end + 1:end + 1 + 2 * length])
    if len(data) != length or length > 8:
        raise ValueError("cut short")
    return can.Message(timestamp=now, arbitration_id=int(line[1:end], 16), is_extended_id=extended, dlc=length,
                       data=bytearray(data))
