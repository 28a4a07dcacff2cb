"""Takes many datagrams with their kernel time stamps out of a socket at once, into records one behind the other.

A record is `frame_bytes` of room for the datagram and 32 for the control message that holds its stamp, so that one
`struct.iter_unpack` reads a whole batch. With recvmmsg(2) a batch is one system call; without, it is one a datagram.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from typing import Protocol

from twolbms.sources.can_frames import STAMP_BYTES

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python's socket module has no name for it
_HEADER_BYTES = 64  # struct mmsghdr of a 64-bit Linux
_SIZE_AT = 56  # its msg_len
_TIMESPEC = struct.Struct("=qq")


class BatchReceiver(Protocol):
    """What both ways offer."""

    def receive(self) -> int:
        """Takes what waits, without waiting; how many datagrams that were. Raises OSError."""

    def taken(self, count: int) -> tuple[bytes, bytes]:
        """The first `count` records of the last `receive`, and the size of each datagram in one byte."""


def batch_receiver(sock: socket.socket, frame_bytes: int, most: int) -> BatchReceiver:
    """The best way that this machine has; switches the kernel's time stamps on."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    library = ctypes.CDLL(None, use_errno=True)
    if struct.calcsize("P") == 8 and hasattr(library, "recvmmsg"):
        return ByRecvmmsg(sock, frame_bytes, most, library)
    return ByRecvmsg(sock, frame_bytes, most)


class _IoVector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct mmsghdr: recvmsg(2), recvmmsg(2)."""

    _fields_ = (("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("vectors", ctypes.c_void_p),
                ("vector_count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("gap", ctypes.c_int), ("size", ctypes.c_uint32))


class ByRecvmmsg:
    """One system call a batch."""

    def __init__(self, sock: socket.socket, frame_bytes: int, most: int, library: ctypes.CDLL) -> None:
        self._call = library.recvmmsg
        self._call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._fd = sock.fileno()
        self._most = most
        self._stride = stride = frame_bytes + STAMP_BYTES
        self._room = ctypes.create_string_buffer(most * stride)
        room = ctypes.addressof(self._room)
        self._vectors = (_IoVector * most)(*(_IoVector(room + stride * i, frame_bytes) for i in range(most)))
        vectors = ctypes.addressof(self._vectors)
        self._headers = (_Header * most)(
            *(_Header(None, 0, vectors + ctypes.sizeof(_IoVector) * i, 1, room + stride * i + frame_bytes, STAMP_BYTES)
              for i in range(most)))
        assert ctypes.sizeof(_Header) == _HEADER_BYTES and _Header.size.offset == _SIZE_AT
        self._at = ctypes.addressof(self._headers)
        self._bytes = memoryview(self._headers).cast("B")
        self._fresh = bytes(self._bytes)
        self._records = memoryview(self._room).cast("B")
        self._empty = bytes(len(self._records))

    def receive(self) -> int:
        """See BatchReceiver."""
        count = int(self._call(self._fd, self._at, self._most, socket.MSG_DONTWAIT, None))
        if count >= 0:
            return count
        number = ctypes.get_errno()
        error = OSError(number, os.strerror(number))
        if isinstance(error, BlockingIOError | InterruptedError):
            return 0
        raise error

    def taken(self, count: int) -> tuple[bytes, bytes]:
        """See BatchReceiver. Call it once: the headers, and stamps that may fail to come, are reset for the next."""
        used, end = count * _HEADER_BYTES, count * self._stride
        sizes, records = bytes(self._bytes[_SIZE_AT:used:_HEADER_BYTES]), bytes(self._records[:end])
        self._bytes[:used] = self._fresh[:used]
        self._records[:end] = self._empty[:end]
        return records, sizes


class ByRecvmsg:
    """One system call a datagram: for a C library without recvmmsg."""

    def __init__(self, sock: socket.socket, frame_bytes: int, most: int) -> None:
        self._socket = sock
        self._frame_bytes = frame_bytes
        self._stride = frame_bytes + STAMP_BYTES
        self._room = bytearray(most * self._stride)
        view = memoryview(self._room)
        self._slots = [view[start:start + frame_bytes] for start in range(0, len(self._room), self._stride)]
        self._sizes = b""
        self._error: OSError | None = None

    def receive(self) -> int:
        """See BatchReceiver."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        sizes = bytearray()
        for number, slot in enumerate(self._slots):
            try:
                size, control, _, _ = self._socket.recvmsg_into([slot], 64, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if not sizes:
                    raise
                self._error = error  # the kernel says it once; what came before it is not lost
                break
            sizes.append(size)
            _TIMESPEC.pack_into(self._room, (number + 1) * self._stride - _TIMESPEC.size, *_stamp(control))
        self._sizes = bytes(sizes)
        return len(sizes)

    def taken(self, count: int) -> tuple[bytes, bytes]:
        """See BatchReceiver."""
        return bytes(self._room[:count * self._stride]), self._sizes[:count]


def _stamp(control: list[tuple[int, int, bytes]]) -> tuple[int, int]:
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("@ll", data[:struct.calcsize("@ll")])
            return seconds, nanoseconds
    return 0, 0  # in 1970, which nobody believes
