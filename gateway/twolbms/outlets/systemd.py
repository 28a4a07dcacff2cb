"""Tells systemd that the gateway is ready and alive, if systemd asked to be told (sd_notify(3)). No dependency."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class SystemdNotice:
    """Speaks to NOTIFY_SOCKET; without one it does nothing. `every_ns` is half of the watchdog's time, None: none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "")
        for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.every_ns = int(usec) * 1000 // 2 if self._address and usec.isdecimal() and for_us else None
        self._last_ns: int | None = None

    def tell(self, state: str) -> None:
        """Sends e.g. READY=1 or STOPPING=1."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notice:
            notice.sendto(state.encode(), socket.MSG_DONTWAIT, address)

    def alive(self, host_ns: int) -> None:
        """Feeds the watchdog when half of its time has passed."""
        if self.every_ns is not None and (self._last_ns is None or host_ns - self._last_ns >= self.every_ns):
            self._last_ns = host_ns
            self.tell("WATCHDOG=1")
