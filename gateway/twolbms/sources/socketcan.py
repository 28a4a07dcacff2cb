"""A CAN interface of the kernel by a raw socket of our own: batches, the kernel's time stamps, and what it lost.

The interface's bit rate and restart time are not ours to set; what a person must type is said in words.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from twolbms.clock import Clock
from twolbms.sources.batch_receive import batch_receiver
from twolbms.sources.bus import BATCH, BUS_OFF, Received
from twolbms.sources.can_errors import Controller
from twolbms.sources.can_frames import CLASSIC_BYTES, ERROR, FD_BYTES, ID_MASK, Bulk, pack
from twolbms.sources.can_link import CanLink, can_link
from twolbms.sources.kernel_time import KernelTime
from twolbms.wire import BusFrame

GATHER_S = 0.04
"""After a first frame others are waited for: a full bus then costs 25 wake-ups a second, and stamps stay the kernel's.
Far below the buffer: 180 frames of a full bus of 500 kbit/s. What is more than a batch is read without a wait."""

_BUSY_FRAMES = 8  # after so many in one read the next are gathered without being waited for: one wake-up less

BUFFER_BYTES = 4 << 20
"""Asked for; the kernel doubles it and takes 768 bytes a frame: 10,922 frames, 2.4 s of a full 500 kbit/s bus.
Without the right to it 425,984 are got, 554 frames, 123 ms (docs/buses.md)."""

_CAN_RAW_ERR_FILTER, _CAN_RAW_FD_FRAMES = 2, 5  # linux/can/raw.h; not every Python has the names
_SOL_CAN_RAW = 101
_EVERY_ERROR = struct.pack("=I", ID_MASK)
_SO_RCVBUFFORCE, _SO_MEMINFO = 33, 55  # asm-generic/socket.h
_MEMINFO = struct.Struct("=9I")  # linux/sock_diag.h; the last is SK_MEMINFO_DROPS
_FULL_QUEUE_S = 0.05  # a transmit queue of 10 frames empties in 3 ms unless the bus is blocked
_FULL_QUEUE_PAUSE_S = 0.002


def open_socketcan(name: str, channel: str, clock: Clock) -> SocketCanBus:
    """The interface `channel` as the bus `name`. Raises OSError with a sentence that says what to do."""
    link = _usable(channel)
    try:
        sock = socket.socket(getattr(socket, "PF_CAN", 29), socket.SOCK_RAW, 1)  # CAN_RAW
    except OSError as error:
        raise OSError(error.errno, f"this kernel has no SocketCAN ({error.strerror}); an adapter that speaks slcan "
                                   "works without") from error
    try:
        sock.setsockopt(_SOL_CAN_RAW, _CAN_RAW_ERR_FILTER, _EVERY_ERROR)
        if link.mtu >= FD_BYTES:
            sock.setsockopt(_SOL_CAN_RAW, _CAN_RAW_FD_FRAMES, 1)
        sock.bind((channel,))
        return SocketCanBus(name, sock, clock, lambda: can_link(channel), fd=link.mtu >= FD_BYTES)
    except OSError:
        sock.close()
        raise


def _untold() -> CanLink:
    raise OSError(errno.ENODEV, "no interface")


def _usable(channel: str) -> CanLink:
    try:
        link = can_link(channel)
    except OSError as error:
        raise OSError(errno.ENODEV, f"there is no interface {channel}: is the adapter plugged in and its driver "
                                    "loaded? `ip link` lists what there is") from error
    if not link.is_can:
        raise OSError(errno.ENODEV, f"{channel} is no CAN interface; `ip -br link show type can` lists those")
    if not link.up:
        raise OSError(errno.ENETDOWN, f"the interface {channel} is down: {_type_to_start(link)}")
    if link.state == BUS_OFF and not link.restart_ms:
        raise OSError(errno.EIO, _stays_off(link))
    return link


def _type_to_start(link: CanLink) -> str:
    if link.kind != "can":
        return f"type `sudo ip link set {link.name} up`"
    rate = link.bitrate or 500000
    return f"type `sudo ip link set {link.name} up type can bitrate {rate} restart-ms 100`"


def _stays_off(link: CanLink) -> str:
    return (f"the controller of {link.name} has switched itself off the bus (bus-off) and stays off: check cable, "
            f"120 ohm at both ends and bit rate, then type `sudo ip link set {link.name} down` and `sudo ip link set "
            f"{link.name} up type can bitrate {link.bitrate or 500000} restart-ms 100`; with restart-ms it comes back "
            "by itself")


class SocketCanBus:
    """One bound raw socket. `link` tells of the interface at any time; where it raises OSError, nothing is known."""

    def __init__(self, name: str, sock: socket.socket, clock: Clock, link: Callable[[], CanLink] = _untold, *,
                 fd: bool = False) -> None:
        self._name = name
        self._socket = sock
        self._clock = clock
        self._link = link
        self._frame_bytes = FD_BYTES if fd else CLASSIC_BYTES
        self.buffer_bytes = enlarge(sock)
        self._batches = batch_receiver(sock, self._frame_bytes, BATCH)
        self._times = KernelTime(clock)
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(sock, select.POLLIN)
        self._writable.register(sock, select.POLLOUT)
        self._more = self._busy = False
        self._last_ns = 0
        self._counts = {"fd": 0, "remote": 0, "bits": 0}
        self._bitrate: int | None = None
        self._controller = Controller()
        self._off: OSError | None = None
        with suppress(OSError):
            now = link()
            self._controller.state, self._bitrate = now.state, now.bitrate

    def read(self, timeout_s: float) -> list[Received]:
        """See Bus. OSError says that the interface is down, has gone, or has a controller that stays off."""
        if self._off is not None:
            raise self._off
        try:
            count = self._take(timeout_s)
        except OSError as error:
            raise self._in_words(error) from error
        span = self._times.look()
        self._more, self._busy = count == BATCH, count >= _BUSY_FRAMES
        if not self._more:
            self._times.drained()
        if not count:
            return []
        records, sizes = self._batches.taken(count)
        bulk = Bulk(self._name, records, sizes, self._frame_bytes, span)
        self._counts["bits"] += bulk.bits
        self._counts["fd"] += bulk.fd
        for can_id, data in bulk.other:
            self._take_other(can_id, data)
        return self._in_order(bulk.received, span[2])

    def _take(self, timeout_s: float) -> int:
        """Frames taken by one receive, after gathering them unless they fill a batch already."""
        if self._more and (count := self._batches.receive()):
            return count
        if self._busy:
            self._gather()
            if count := self._batches.receive():
                return count
        if not self._readable.poll(timeout_s * 1000):
            return 0
        self._gather()
        return self._batches.receive()

    def _gather(self) -> None:
        time.sleep(GATHER_S / max(1.0, self._clock.speed))

    def _in_order(self, received: list[Received], now_ns: int) -> list[Received]:
        """Times rise, also when a step of the wall clock left stamps that are not believed and became `now_ns`: two
        frames of one id at one nanosecond would be one point to a database."""
        if not received:
            return received
        last_ns = self._last_ns
        first_ns, newest_ns = received[0][1], received[-1][1]
        if first_ns <= last_ns or newest_ns < first_ns or newest_ns == now_ns:
            ordered: list[Received] = []
            for frame, time_ns in received:
                last_ns = max(last_ns + 1, time_ns)
                ordered.append((frame, last_ns))
            received = ordered
        self._last_ns = received[-1][1]
        return received

    def _take_other(self, can_id: int, data: bytes) -> None:
        if not can_id & ERROR:
            self._counts["remote"] += 1
            return
        self._controller.take(can_id & ID_MASK, data)
        if self._controller.state == BUS_OFF:
            with suppress(OSError):
                link = self._link()
                if link.state == BUS_OFF and not link.restart_ms:
                    self._off = OSError(errno.EIO, _stays_off(link))

    def _in_words(self, error: OSError) -> OSError:
        if error.errno in (errno.ENODEV, errno.ENXIO):
            return OSError(error.errno, "the interface has gone; if the adapter was unplugged, plug it in again")
        if error.errno == errno.ENETDOWN:
            try:
                return OSError(error.errno, f"the interface was set down: {_type_to_start(self._link())}")
            except OSError:
                return OSError(error.errno, "the interface was set down and has gone")
        return error

    def send(self, frame: BusFrame, timeout_s: float) -> None:
        """See Bus. A full transmit queue is waited for, but not long: on a blocked bus new frames are worth more."""
        data = pack(frame.can_id, frame.extended, frame.data)
        until_s = time.monotonic() + min(timeout_s, _FULL_QUEUE_S)
        while True:
            try:
                self._socket.send(data, socket.MSG_DONTWAIT)
                return
            except BlockingIOError:
                if not self._writable.poll(timeout_s * 1000):
                    raise
            except OSError as error:
                if error.errno != errno.ENOBUFS or time.monotonic() >= until_s:
                    raise
                time.sleep(_FULL_QUEUE_PAUSE_S)

    def close(self) -> None:
        """See Bus."""
        self._socket.close()

    def counts(self) -> Mapping[str, int]:
        """See Bus. `dropped` is the kernel's own count of what found the receive buffer full, exact and at once."""
        counts = {**self._counts, **self._controller.counts(), "buffer_bytes": self.buffer_bytes}
        if self._bitrate is not None:
            counts["bitrate"] = self._bitrate
        with suppress(OSError, struct.error):
            counts["dropped"] = kernel_drops(self._socket)
        return counts


def enlarge(sock: socket.socket) -> int:
    """Makes the receive buffer as large as may be: beyond net.core.rmem_max only with CAP_NET_ADMIN. Bytes got."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)
    except OSError:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def kernel_drops(sock: socket.socket) -> int:
    """Datagrams that found the receive buffer full since the socket was made: the count that SO_RXQ_OVFL would put
    beside the next one that is read, known here before one comes. Raises OSError before Linux 4.12."""
    return int(_MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[8])
