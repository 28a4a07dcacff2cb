"""A pty as one adapter of the hub: notices when its user comes and goes, and keeps nothing unread for the next one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import termios
import tty
from typing import Protocol

from twolbms.sim.bus_port import UNREAD_BYTES, SlcanPort

_READ_BYTES = 65536
_LOOK_S = 0.02  # how often an unused pty is looked at; the kernel does not tell when somebody opens it


class Hub(Protocol):
    """What a pty needs of the hub."""

    def new_port(self, name: str) -> SlcanPort:
        """The adapter of a new client."""

    def took(self, client: PtyClient, data: bytes) -> None:
        """Bytes have come."""

    def left(self, client: PtyClient) -> None:
        """It leaves the bus for good."""


class PtyClient:
    """One pty; `path` is what its user opens. Without a user the channel is closed, like a stick without a program."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.port = hub.new_port(name)
        self.group = name
        self._hub = hub
        self._unsent = b""
        self._loop = asyncio.get_running_loop()
        self._near, far = os.openpty()
        tty.setraw(far)
        os.set_blocking(self._near, False)
        self.path = os.ttyname(far)
        os.close(far)
        self._hung_up = select.poll()
        self._hung_up.register(self._near, select.POLLHUP)
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(0, self._look)

    def _look(self) -> None:
        """Waits for a user."""
        if self._hung_up.poll(0):
            self._timer = self._loop.call_later(_LOOK_S, self._look)
        else:
            self._timer = None
            self._loop.add_reader(self._near, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._near, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has the far end open
            self._user_left()
            return
        self._hub.took(self, data)

    def _user_left(self) -> None:
        self._loop.remove_reader(self._near)
        self._loop.remove_writer(self._near)
        self._hub.took(self, b"\rC\r")
        self.port.take()
        self._unsent = b""
        # The kernel keeps what nobody read; it must not greet the next user as fresh frames.
        far = os.open(self.path, os.O_RDWR | os.O_NOCTTY)
        termios.tcflush(far, termios.TCIFLUSH)
        os.close(far)
        self._timer = self._loop.call_later(_LOOK_S, self._look)

    def write(self, data: bytes) -> None:
        """Sends without blocking; what does not go out now goes when there is room."""
        if self._timer is None:
            self._unsent += data
            self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(OSError):  # no room, or the user has just left
            self._unsent = self._unsent[os.write(self._near, self._unsent):]
        self.port.controller.deaf = len(self._unsent) > UNREAD_BYTES
        if self._unsent:
            self._loop.add_writer(self._near, self._flush)
        else:
            self._loop.remove_writer(self._near)

    def close(self) -> None:
        """Takes the pty away."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._near)
        self._loop.remove_writer(self._near)
        self._hub.left(self)
        os.close(self._near)
