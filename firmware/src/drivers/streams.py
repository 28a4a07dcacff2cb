"""Byte streams of the unix port: TCP sockets and standard input and output, with one way to read and write."""

import sys

try:
    import socket
except ImportError:  # a board without sockets
    socket = None


class TcpStream:
    """A TCP connection; with `blocking` False it reads only what is there and writes only what fits."""

    def __init__(self, address, blocking=True):
        host, port = address.rsplit(":", 1)
        self._socket = socket.socket()
        self._socket.connect(socket.getaddrinfo(host, int(port))[0][-1])
        try:
            self._socket.setsockopt(6, 1, b"\x01\x00\x00\x00")  # TCP_NODELAY: a cycle's answer must not wait
        except OSError:
            pass  # not on this socket: only slower
        self._socket.setblocking(blocking)

    def readinto(self, buffer):
        """Bytes read; 0 or None when there are none now (not blocking) or no more (blocking)."""
        if hasattr(self._socket, "readinto"):
            return self._socket.readinto(buffer)
        try:
            return self._socket.recv_into(buffer)
        except BlockingIOError:
            return None

    def write(self, data):
        """Bytes taken; fewer than given, or None, when the other side does not read."""
        if hasattr(self._socket, "write"):
            return self._socket.write(data)
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return None


class StandardStream:
    """Standard input and output as one byte stream."""

    def readinto(self, buffer):
        return sys.stdin.buffer.readinto(buffer)

    def write(self, data):
        sys.stdout.buffer.write(data)
        if hasattr(sys.stdout.buffer, "flush"):
            sys.stdout.buffer.flush()
        return len(data)
