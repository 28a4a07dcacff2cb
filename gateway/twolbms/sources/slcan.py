"""An slcan adapter: a USB stick, a pty or `socket://host:port`. Reads whatever has come at once, opens and closes it.

pyserial finds and sets up the port; from then on the file descriptor is used as it is.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import serial

from twolbms.clock import Clock
from twolbms.devices.kinds import Line
from twolbms.sources.bus import Received
from twolbms.sources.serial_port import close_port, open_port
from twolbms.sources.slcan_lines import BITRATES, SlcanReader, line_of
from twolbms.wire import BusFrame

GATHER_S = 0.004
"""After a first byte others are waited for, so that a full bus costs 250 wake-ups a second. Frames have the time of
reading, and a USB adapter sends in steps of 1 ms anyway. 4 ms at 1 Mbit/s fill a quarter of a tty's 4096 bytes."""

_CHUNK = 65536
_OPEN_WITHIN_S = 2.0
_SETTLE_S = 0.2  # some adapters need it after they were opened; those behind an address are ready
_DEFAULT_BAUD = 115_200


def open_slcan(name: str, channel: str, bitrate: int, clock: Clock, settle_s: float | None = None) -> SlcanBus:
    """The adapter at `channel`, "/dev/ttyUSB0@115200" with its baud rate; opened for `bitrate`. Raises OSError.

    `settle_s` is the pause after the port was opened, by default 0.2 s for a device.
    """
    command = BITRATES.get(bitrate)
    if command is None:
        raise OSError(f"slcan knows no bit rate of {bitrate}; it knows {', '.join(map(str, sorted(BITRATES)))}")
    device, _, baud = channel.partition("@") if "://" not in channel else (channel, "", "")
    port = _open_port(device, int(baud) if baud.isdecimal() else _DEFAULT_BAUD)
    try:
        time.sleep(settle_s if settle_s is not None else 0.0 if "://" in channel else _SETTLE_S)
        bus = SlcanBus(name, port, bitrate, clock)
        bus.write(b"C\r" + command + b"\rO\r", _OPEN_WITHIN_S)
        return bus
    except BaseException:
        close_port(port)
        raise


def _open_port(device: str, baud: int) -> Any:
    try:
        port = open_port(device, Line(baud))
    except FileNotFoundError as error:
        raise OSError(f"there is no {device}: is the adapter plugged in?") from error
    except (serial.SerialException, OSError, ValueError) as error:
        raise OSError(_why_not(device, error)) from error
    return port


def _why_not(device: str, error: Exception) -> str:
    text = f"{error}"
    if "No such file" in text:
        return f"there is no {device}: is the adapter plugged in? `ls /dev/serial/by-id` lists what there is"
    if "Permission denied" in text:
        return f"{device} may not be opened by this user: type `sudo usermod -aG dialout $USER` and log in again"
    if "exclusively lock" in text or "busy" in text:
        return f"{device} is used by another program: `fuser -v {device}` says which"
    if "fileno" in text:
        return f"{device} cannot be read like a file: expected a device or socket://host:port"
    return text


class SlcanBus:
    """An opened adapter on a port of pyserial's that has a file descriptor."""

    def __init__(self, name: str, port: Any, bitrate: int, clock: Clock) -> None:
        self._port = port
        self._bitrate = bitrate
        self._clock = clock
        self._reader = SlcanReader(name)
        self._fd = int(port.fileno())
        self._writing = threading.Lock()  # a number that was closed may be another file's when a late writer uses it
        self._closed = False
        os.set_blocking(self._fd, False)
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self._fd, select.POLLIN)
        self._writable.register(self._fd, select.POLLOUT)

    def read(self, timeout_s: float) -> list[Received]:
        """See Bus. OSError says that the adapter has gone."""
        if not self._readable.poll(timeout_s * 1000):
            return []
        time.sleep(GATHER_S / max(1.0, self._clock.speed))
        try:
            chunk = os.read(self._fd, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as error:
            raise OSError(f"the adapter has gone: {error.strerror}") from error
        if not chunk:
            raise OSError("the adapter has gone")
        return self._reader.take(chunk, self._clock.mono_ns())

    def send(self, frame: BusFrame, timeout_s: float) -> None:
        """See Bus. A frame of CAN FD cannot be sent."""
        if len(frame.data) > 8:
            raise OSError(f"slcan sends at most 8 bytes, not {len(frame.data)}")
        self.write(line_of(frame), timeout_s)

    def write(self, text: bytes, timeout_s: float) -> None:
        """Writes all of it, or raises OSError after `timeout_s`."""
        with self._writing:
            self._write(text, timeout_s)

    def _write(self, text: bytes, timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        while True:
            if self._closed:
                raise OSError("the adapter is closed")
            with suppress(BlockingIOError, InterruptedError):
                text = text[os.write(self._fd, text):]
            if not text:
                return
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not self._writable.poll(left_s * 1000):
                raise TimeoutError(f"the adapter took no data for {timeout_s:g} s")

    def close(self) -> None:
        """See Bus. Closes the channel first, where the adapter is still there."""
        with suppress(OSError):
            self.write(b"C\r", 0.1)
        with self._writing:
            self._closed = True
            close_port(self._port)

    def counts(self) -> Mapping[str, int]:
        """See Bus."""
        reader = self._reader
        return {"bad_lines": reader.bad_lines, "remote": reader.remote, "refused": reader.refused, "bits": reader.bits,
                "bitrate": self._bitrate}
