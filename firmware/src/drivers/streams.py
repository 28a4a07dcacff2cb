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
        """Bytes read; None when there are none now (not blocking), 0 when there will be no more.

        Raises OSError when the connection has broken.
        """
        if hasattr(self._socket, "readinto"):
            return self._socket.readinto(buffer)
        try:
            return self._socket.recv_into(buffer)
        except BlockingIOError:
            return None

    def write(self, data):
        """Bytes taken; fewer than given, or None, when the other side does not read. Raises OSError."""
        if hasattr(self._socket, "write"):
            return self._socket.write(data)
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return None

    def close(self):
        self._socket.close()


class BusStream:
    """A connection to a bus that may go away and come back: it never raises, and is opened again now and then."""

    RETRY_READS = 20

    def __init__(self, address):
        self.address = address
        self.lives = 0  # connections made; whoever speaks on it sees a new one by this
        self._stream = None
        self._wait = 0
        self._connect()

    def readinto(self, buffer):
        if self._stream is None:
            self._wait -= 1
            if self._wait <= 0:
                self._connect()
            return None
        try:
            got = self._stream.readinto(buffer)
        except OSError:
            got = 0
        if got == 0:
            self._lose()
        return got

    def write(self, data):
        if self._stream is None:
            return None
        try:
            return self._stream.write(data)
        except OSError:
            self._lose()
            return None

    def _connect(self):
        self._wait = self.RETRY_READS
        try:
            self._stream = TcpStream(self.address, blocking=False)
            self.lives += 1
        except OSError:
            self._stream = None

    def _lose(self):
        self._wait = self.RETRY_READS
        try:
            self._stream.close()
        except OSError:
            pass  # it had gone already
        self._stream = None


class StandardStream:
    """Standard input and output as one byte stream."""

    def readinto(self, buffer):
        return sys.stdin.buffer.readinto(buffer)

    def write(self, data):
        sys.stdout.buffer.write(data)
        if hasattr(sys.stdout.buffer, "flush"):
            sys.stdout.buffer.flush()
        return len(data)
