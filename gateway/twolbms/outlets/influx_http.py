"""The lean write path to InfluxDB 2.x: one kept-alive connection, gzip level 1 off this machine, standard library only.

It posts lines and returns the answer; what an answer means it does not know.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from twolbms.outlets.influx_answers import Answer
from twolbms.outlets.influx_target import InfluxTarget, read_token

_PLAIN_BELOW = 1000  # bytes: below this gzip saves nothing
_LONGEST_ANSWER = 1024 * 1024  # a refusal quotes the line, which may be long


class Unreachable(Exception):
    """No whole answer came: refused, cut, too late, TLS, or no HTTP at all. The same lines may be stored already."""


class WriteConnection:
    """Posts lines over one connection, reconnecting and re-reading the token whenever the last one ended badly.

    `opened` counts the connections begun, `opened_s` is when the last was (monotonic): while the count stays, one and
    the same server process answers. One that only follows on an announced end (Connection: close) is not counted.
    """

    def __init__(self, target: InfluxTarget) -> None:
        self._target = target
        self._connection: http.client.HTTPConnection | None = None
        self._headers: dict[str, str] = {}
        self._overdue = False
        self.opened = 0
        self.opened_s = 0.0
        self._follows = False
        self._sent_s = 0.0

    def post(self, lines: Sequence[bytes]) -> Answer:
        """Sends one batch and waits for the answer; an item may be several lines. Raises Unreachable, TokenUnreadable.

        A server that drips its answer byte by byte is cut off after three times the timeout.
        """
        self._overdue = False
        self._sent_s = time.monotonic()
        watch = threading.Timer(3 * self._target.timeout_s, self._cut_overdue)
        watch.daemon = True
        watch.start()
        try:
            return self._exchange(b"\n".join(lines))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unreachable("the answer took too long" if self._overdue else _in_words(error)) from error
        finally:
            watch.cancel()

    @property
    def lived_s(self) -> float:
        """A time (monotonic) at which the process that answered last was surely alive: not later than its answer."""
        return max(self._sent_s, self.opened_s)

    def close(self) -> None:
        """Ends the connection; the next post makes a new one with the token as it then is."""
        self._follows = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abort(self) -> None:
        """Cuts off a post that another thread is waiting in."""
        sock = getattr(self._connection, "sock", None)
        if sock is not None:
            with suppress(OSError):  # it may have ended by itself
                sock.shutdown(socket.SHUT_RDWR)

    def _cut_overdue(self) -> None:
        self._overdue = True
        self.abort()

    def _exchange(self, body: bytes) -> Answer:
        connection = self._connection or self._connect()
        headers = dict(self._headers)
        if len(body) >= _PLAIN_BELOW and self._target.compresses:
            body = _gzip(body)
            headers["Content-Encoding"] = "gzip"
        connection.request("POST", self._target.write_path, body, headers)
        response = connection.getresponse()
        text = response.read(_LONGEST_ANSWER)
        more = response.read(1)
        if self._overdue or (response.length and not more):  # cut off by us, or by the far end in mid body
            raise http.client.IncompleteRead(text)
        if more or response.will_close:
            self.close()
            self._follows = not more
        return Answer(response.status, text, response.headers.get("Retry-After"), response.headers.get("Date"))

    def _connect(self) -> http.client.HTTPConnection:
        self._headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "2lbms"}
        if self._target.token_file is not None:
            self._headers["Authorization"] = f"Token {read_token(self._target.token_file)}"
        address = urlsplit(self._target.url)
        if not address.hostname:
            raise ValueError(f"url {self._target.url!r} names no host")
        if address.scheme == "https":
            trust = ssl.create_default_context(cafile=self._target.ca_file)
            self._connection = http.client.HTTPSConnection(
                address.hostname, address.port, timeout=self._target.timeout_s, context=trust)
        else:
            self._connection = http.client.HTTPConnection(
                address.hostname, address.port or 80, timeout=self._target.timeout_s)
        if not self._follows:
            self.opened += 1
            self.opened_s = time.monotonic()
        self._follows = False
        return self._connection


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: is the server running?"
    if isinstance(error, http.client.HTTPException):
        return f"broken answer ({type(error).__name__})"
    return str(error) or type(error).__name__
