"""Receiving frames with the kernel's time stamps: CPU of the receiver, against python-can's socketcan bus.

A kernel without CAN has no interface to give, so both read 16-byte frames as datagrams of a loopback socket with
kernel time stamps: the same calls as on a CAN socket, one datagram a frame. The peer is what its bus does for a frame,
`select` and `capture_message`. "waiting": 5,000 frames wait already. "paced": a sender keeps the pace of a saturated
bus of 500 kbit/s, and cold caches after each pause are in the figure. CPU is of the whole process and frames are not
kept; both must get every frame, and in a run before every id and every byte.
"""

from __future__ import annotations

import os
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import can
from can.interfaces.socketcan.socketcan import capture_message

from twolbms.clock import SystemClock
from twolbms.sources.socketcan import SocketCanBus

SHORT = os.environ.get("TWOLBMS_BENCH") == "short"
ROUNDS = 2 if SHORT else 5
WAITING = 5_000
RATE = 4504
PACED_S = 2.0 if SHORT else 6.0
GOALS = {"waiting": 5.0, "paced": 2.5}
SO_TIMESTAMPNS = 35

SENDER = '''
import socket, struct, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("127.0.0.1", int(sys.argv[1])))
count, rate, sent = int(sys.argv[2]), float(sys.argv[3]), 0
start = time.monotonic()
while sent < count:
    due = min(count, int((time.monotonic() - start) * rate))
    while sent < due:
        sock.send(struct.pack("=IB3x8s", sent % 112 + 256, 8, sent.to_bytes(8, "big")))
        sent += 1
    time.sleep(0.0005)
'''

Frame = tuple[int, bytes]
Receive = Callable[[socket.socket, int, list[Frame] | None], float]


class Datagrams(can.BusABC):
    """What python-can's socketcan bus does for a frame, on a datagram socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket = sock
        super().__init__("datagrams")

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        ready, _, _ = select.select([self._socket], [], [], timeout)
        return (capture_message(self._socket), False) if ready else (None, False)

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        """Never called."""
        raise NotImplementedError


def by_peer(sock: socket.socket, count: int, kept: list[Frame] | None) -> float:
    """CPU seconds of python-can's way."""
    bus = Datagrams(sock)
    assert select.select([sock], [], [], 10)[0]
    start = time.process_time()
    for _ in range(count):
        message = bus.recv(10)
        assert message is not None
        if kept is not None:
            kept.append((message.arbitration_id, bytes(message.data)))
    spent = time.process_time() - start
    bus.shutdown()
    return spent


def by_us(sock: socket.socket, count: int, kept: list[Frame] | None) -> float:
    """CPU seconds of our bus."""
    bus = SocketCanBus("can0", sock, SystemClock())
    assert select.select([sock], [], [], 10)[0]
    start, received = time.process_time(), 0
    while received < count:
        batch = bus.read(10)
        assert batch
        received += len(batch)
        if kept is not None:
            kept += [(frame.can_id, frame.data) for frame, _ in batch]
    return time.process_time() - start


def measure(receive: Receive, count: int, rate: float, kept: list[Frame] | None = None) -> float:
    """CPU seconds a frame of `count` sent at `rate` a second; above a million they are all sent before."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)  # SO_RCVBUFFORCE, for both alike
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        sender = subprocess.Popen([sys.executable, "-c", SENDER, str(port), str(count), str(rate)])
        if rate > 1e6:
            sender.wait()
        spent = receive(sock, count, kept)
        sender.wait()
        return spent / count


def check() -> None:
    """Both get every frame as it was sent, in runs that are not measured."""
    for receive in (by_peer, by_us):
        kept: list[Frame] = []
        measure(receive, WAITING, 1e9, kept)
        assert kept == [(n % 112 + 256, n.to_bytes(8, "big")) for n in range(WAITING)], receive.__name__


def run() -> list[dict[str, Any]]:
    """A ratio for each case: the peer's CPU time a frame by ours."""
    check()
    results = []
    for case, count, rate in (("waiting", WAITING, 1e9), ("paced", int(RATE * PACED_S), RATE)):
        ratios, costs = [], []
        for _ in range(ROUNDS):
            peer, ours = measure(by_peer, count, rate), measure(by_us, count, rate)
            ratios.append(peer / ours)
            costs.append((peer * 1e6, ours * 1e6))
        peer, ours = (statistics.median(side) for side in zip(*costs, strict=True))
        print(f"  receive, {case}: python-can took {peer:.1f} us a frame, ours {ours:.2f}", file=sys.stderr)
        results.append({"metric": f"frames with kernel time stamps, {case}: CPU, python-can / ours",
                        "ratio_median": round(statistics.median(ratios), 1), "ratio_min": round(min(ratios), 1),
                        "goal": GOALS[case], "better": "higher"})
    return results


if __name__ == "__main__":
    for line in run():
        print(line)
