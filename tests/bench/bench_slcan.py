"""Receiving slcan frames from a pty: CPU of the receiver, against python-can's slcan bus.

An adapter in a process of its own writes the same frames to both as fast as they are read, 8 data bytes and 29-bit
ids. Ours is `SlcanBus` as a gateway uses it, its pauses for gathering included; the peer is `bus.recv()`. CPU is of
the receiving process with all its threads, from the first frame to the last; both must get every frame, and the same
frames in a run before.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import tty
from collections.abc import Callable
from typing import Any

from can.interfaces.slcan import slcanBus

from twolbms.clock import SystemClock
from twolbms.sources.slcan import open_slcan

SHORT = os.environ.get("TWOLBMS_BENCH") == "short"
ROUNDS = 2 if SHORT else 5
FRAMES = {"peer": 1_000 if SHORT else 4_000, "ours": 20_000 if SHORT else 80_000}
COMPARED = 500
GOAL = 150.0

ADAPTER = '''
import os, sys
fd, count = int(sys.argv[1]), int(sys.argv[2])
heard = b""
while b"O\\r" not in heard:
    heard += os.read(fd, 100)
lines = [b"T0CFF%02X%02X8%s\\r" % (k % 7 + 16, k % 16, (k * 2654435761 % 2**64).to_bytes(8, "big").hex().encode())
         for k in range(count)]
for start in range(0, count, 100):
    text = b"".join(lines[start:start + 100])
    while text:
        text = text[os.write(fd, text):]
os.read(fd, 1)
'''

Frame = tuple[int, bool, bytes]
Take = Callable[[int, list[Frame]], None]


def by_peer(path: str, count: int, take: Take) -> float:
    """CPU seconds of python-can's bus."""
    bus = slcanBus(path, bitrate=500_000, sleep_after_open=0)
    start = time.process_time()
    for number in range(count):
        message = bus.recv(10.0)
        assert message is not None, f"{number} of {count} frames"
        if take is not ignore:
            take(1, [(message.arbitration_id, message.is_extended_id, bytes(message.data))])
    spent = time.process_time() - start
    bus.shutdown()
    return spent


def by_us(path: str, count: int, take: Take) -> float:
    """CPU seconds of our bus."""
    bus = open_slcan("can0", path, 500_000, SystemClock(), settle_s=0)
    received = 0
    start = time.process_time()
    while received < count:
        found = bus.read(10.0)
        assert found, f"{received} of {count} frames"
        received += len(found)
        if take is not ignore:
            take(len(found), [frame[1:] for frame, _ in found])
    spent = time.process_time() - start
    bus.close()
    return spent


def ignore(count: int, frames: list[Frame]) -> None:
    """What a receiver does with frames costs both the same and is not measured."""


def measure(receive: Callable[[str, int, Take], float], count: int, take: Take = ignore) -> float:
    """CPU seconds a frame over a fresh pty with an adapter behind it."""
    near, far = os.openpty()
    tty.setraw(near)
    tty.setraw(far)
    adapter = subprocess.Popen([sys.executable, "-c", ADAPTER, str(near), str(count)], pass_fds=[near])
    try:
        return receive(os.ttyname(far), count, take) / count
    finally:
        adapter.kill()
        adapter.wait()
        os.close(near)
        os.close(far)


def kept(receive: Callable[[str, int, Take], float]) -> list[Frame]:
    """The frames of a run that is not measured."""
    frames: list[Frame] = []
    measure(receive, COMPARED, lambda _, found: frames.extend(found))
    return frames


def run() -> list[dict[str, Any]]:
    """One ratio: the peer's CPU time a frame by ours."""
    assert kept(by_peer) == kept(by_us), "both read the same frames"
    ratios, costs = [], []
    for _ in range(ROUNDS):
        peer, ours = measure(by_peer, FRAMES["peer"]), measure(by_us, FRAMES["ours"])
        ratios.append(peer / ours)
        costs.append((peer * 1e6, ours * 1e6))
    peer, ours = (statistics.median(side) for side in zip(*costs, strict=True))
    print(f"  slcan: python-can took {peer:.1f} us a frame, ours {ours:.2f}", file=sys.stderr)
    return [{"metric": "slcan receive over a pty: CPU, python-can / ours", "ratio_median": round(
        statistics.median(ratios), 1), "ratio_min": round(min(ratios), 1), "goal": GOAL, "better": "higher"}]


if __name__ == "__main__":
    for line in run():
        print(line)
