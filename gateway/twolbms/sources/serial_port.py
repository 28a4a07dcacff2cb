"""Opens and closes serial ports and TCP ports for one program alone. Knows no protocol that is spoken on them."""

from __future__ import annotations

import fcntl
import os
import socket
import termios
from contextlib import suppress

import serial

from twolbms.devices.kinds import Line

WRITE_TIMEOUT_S = 1.0  # a port that takes longer is as good as gone
# A TCP port whose far end died without a word: the kernel asks after 10 s of silence and gives up 15 s later.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))


def open_port(port: str, line: Line) -> serial.SerialBase:
    """Opens `/dev/…` or `socket://host:port` for this program alone. Raises SerialException, OSError or ValueError."""
    opened = serial.serial_for_url(port, line.baud, parity=line.parity, stopbits=line.stop_bits, timeout=0,
                                   write_timeout=WRITE_TIMEOUT_S, exclusive=True)
    if "://" in port:
        with socket.socket(fileno=os.dup(opened.fileno())) as beside:
            beside.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                beside.setsockopt(socket.IPPROTO_TCP, option, value)
    else:
        _claim(opened.fileno(), termios.TIOCEXCL)
    return opened


def _claim(fd: int, request: int) -> None:
    """Also keeps out programs that do not look for pyserial's lock; the superuser gets in all the same."""
    with suppress(OSError):
        fcntl.ioctl(fd, request)


def close_port(port: serial.SerialBase) -> None:
    """Gives a port back. Never raises."""
    with suppress(Exception):
        if os.isatty(port.fileno()):
            _claim(port.fileno(), termios.TIOCNXCL)
    with suppress(Exception):
        port.close()
