"""Byte streams of the unix port: TCP sockets and standard input and output, with one way to read and write."""

import sys

try:
    import select
    import socket
except ImportError:  # a board without sockets
    socket = None


class TcpStream:
    """A TCP connection. Blocking, or reading only what is there when `poll` is set."""

    def __init__(self, address, poll=False):
        host, port = address.rsplit(":", 1)
        self._socket = socket.socket()
        self._socket.connect(socket.getaddrinfo(host, int(port))[0][-1])
        try:
            self._socket.setsockopt(6, 1, 1)  # TCP_NODELAY
        except OSError:
            pass  # not on this socket: only slower
        self._poll = None
        if poll:
            self._poll = select.poll()
            self._poll.register(self._socket, select.POLLIN)

    def readinto(self, buffer):
        if self._poll is not None and not self._poll.poll(0):
            return 0
        return self._socket.readinto(buffer) if hasattr(self._socket, "readinto") else self._socket.recv_into(buffer)

    def write(self, data):
        return self._socket.write(data) if hasattr(self._socket, "write") else self._socket.send(data)


class StandardStream:
    """Standard input and output as one byte stream."""

    def readinto(self, buffer):
        return sys.stdin.buffer.readinto(buffer)

    def write(self, data):
        sys.stdout.buffer.write(data)
        if hasattr(sys.stdout.buffer, "flush"):
            sys.stdout.buffer.flush()
        return len(data)
