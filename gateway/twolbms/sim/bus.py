"""One simulated CAN bus without any I/O: arbitration, frame lengths, acknowledgement, queues that overflow, faults.

Time comes in as story nanoseconds. It knows controllers, not what is connected to them, and no meaning of any frame.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from twolbms.sim.bus_faults import BusFaults
from twolbms.sim.frame_bits import frame_bits
from twolbms.sim.slcan import CanFrame, encode

EXTENDED_FLAG = 0x80000000
"""Set in the counters' ids for 29-bit frames, as SocketCAN and DBC files do."""

QUEUE_FRAMES = 64
"""Transmit queue of one controller; an FDCAN with a software queue behind it holds about as many."""

_BUCKET_NS = 100_000_000
_BUCKETS = 10


class Transmission(NamedTuple):
    """A frame waiting for the bus: when it was queued, what it arbitrates with, its length, its slcan line."""

    arrival_ns: int
    priority: int
    can_id: int
    bits: int
    line: bytes


def transmission(frame: CanFrame, arrival_ns: int) -> Transmission:
    """Makes the queue entry of a frame: its exact length in bits and its arbitration field."""
    bits = frame_bits(frame.can_id, frame.extended, frame.data, remote=frame.remote, dlc=frame.dlc)
    counted_id = frame.can_id | EXTENDED_FLAG if frame.extended else frame.can_id
    return Transmission(arrival_ns, arbitration_field(frame), counted_id, bits, encode(frame))


def arbitration_field(frame: CanFrame) -> int:
    """The 32 arbitration bits as one number; the lower wins (dominant is 0)."""
    if frame.extended:
        return (frame.can_id >> 18) << 21 | 0b11 << 19 | (frame.can_id & 0x3FFFF) << 1 | frame.remote
    return frame.can_id << 21 | frame.remote << 20


class Controller:
    """One CAN controller: its queue, its state, its counters; `outgoing` holds what it has for its user."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.open = False
        self.listen_only = False
        self.deaf = False  # its user does not take what it receives: frames overrun it
        self.queue: deque[Transmission] = deque()
        self.outgoing: list[bytes] = []
        self.sent: Counter[int] = Counter()
        self.received = 0
        self.overrun = 0
        self.dropped: Counter[int] = Counter()
        self.replaced: Counter[int] = Counter()

    @property
    def acknowledges(self) -> bool:
        """Whether it gives the ACK bit to the frames of others."""
        return self.open and not self.listen_only

    def replace(self, frame: Transmission) -> bool:
        """Puts a frame in the place of a waiting one of the same id."""
        for index, waiting in enumerate(self.queue):
            if waiting.can_id == frame.can_id:
                self.queue[index] = frame
                self.replaced[frame.can_id] += 1
                return True
        return False

    def counters(self) -> dict[str, Any]:
        """The counters as JSON-able numbers."""
        return {
            "open": self.open, "sent": self.sent.total(), "received": self.received, "overrun": self.overrun,
            "waiting": len(self.queue), "dropped": self.dropped.total(), "replaced": self.replaced.total(),
            "sent_by_id": by_id(self.sent), "dropped_by_id": by_id(self.dropped),
        }


def by_id(counter: Counter[int]) -> dict[str, int]:
    """A counter with its ids in hex, bit 31 set for 29-bit ids."""
    return {f"{key:X}": count for key, count in sorted(counter.items())}


class Bus:
    """The wire: takes frames from the controllers in arbitration order and gives them to all others."""

    def __init__(self, bitrate: int = 500_000, *, seed: int = 1) -> None:
        self.bitrate = bitrate
        self.faults = BusFaults(seed)
        self.controllers: list[Controller] = []
        self.frames_by_id: Counter[int] = Counter()
        self.lost: Counter[int] = Counter()
        self.corrupted = 0
        self.busy_ns = 0
        self._bit_ns = 1e9 / bitrate
        self._free_ns = 0
        self._open: list[Controller] = []
        self._acknowledging = 0
        self._buckets = [(0, 0)] * _BUCKETS

    def attach(self, name: str) -> Controller:
        """A new controller on this bus, closed."""
        controller = Controller(name)
        self.controllers.append(controller)
        return controller

    def detach(self, controller: Controller) -> None:
        """Takes a controller off the bus for good; its counters stay readable in the controller only."""
        self.set_open(controller, False)
        self.controllers.remove(controller)

    def set_open(self, controller: Controller, is_open: bool, listen_only: bool = False) -> None:
        """Opens or closes a controller's channel; closing aborts what it has queued."""
        controller.open, controller.listen_only = is_open, listen_only
        controller.queue.clear()
        self._open = [each for each in self.controllers if each.open]
        self._acknowledging = sum(each.acknowledges for each in self._open)

    def acknowledged(self, controller: Controller) -> bool:
        """Whether somebody else on the bus would acknowledge a frame of this controller."""
        return self._acknowledging > controller.acknowledges

    def offer(self, controller: Controller, frame: Transmission) -> bool:
        """Queues a frame; False (and counted by id) when the controller's queue is full.

        While nobody acknowledges, the newest frame of an id replaces the waiting one: firmware aborts stale frames.
        """
        if not self.acknowledged(controller) and controller.replace(frame):
            return True
        if len(controller.queue) >= QUEUE_FRAMES:
            controller.dropped[frame.can_id] += 1
            return False
        controller.queue.append(frame)
        return True

    def advance(self, now_ns: int) -> bool:
        """Lets the wire run until `now_ns`; True when frames are left that only time keeps from being sent."""
        if self.faults.silent:
            self._free_ns = now_ns
            return False
        while (contest := self._contest()) is not None:
            controller, start_ns = contest
            frame = controller.queue[0]
            end_ns = start_ns + int(frame.bits * self._bit_ns)
            if end_ns > now_ns:
                return True
            controller.queue.popleft()
            self._free_ns = end_ns
            self._account(frame, end_ns, end_ns - start_ns)
            self._deliver(controller, frame)
        return False

    def _contest(self) -> tuple[Controller, int] | None:
        """Who sends next, and when: among the heads queued by the time the wire is free, the lowest field wins."""
        talkers = [each for each in self._open if each.queue and self.acknowledged(each) and not each.listen_only]
        if not talkers:
            return None
        first = talkers[0]
        if len(talkers) == 1:
            return first, max(self._free_ns, first.queue[0].arrival_ns)
        start_ns = max(self._free_ns, min(each.queue[0].arrival_ns for each in talkers))
        contenders = [each for each in talkers if each.queue[0].arrival_ns <= start_ns]
        return min(contenders, key=lambda each: each.queue[0].priority), start_ns

    def _deliver(self, sender: Controller, frame: Transmission) -> None:
        sender.sent[frame.can_id] += 1
        line = self.faults.pass_on(frame.can_id, frame.line)
        if line is None:
            self.lost[frame.can_id] += 1
            return
        self.corrupted += line is not frame.line
        for controller in self._open:
            if controller is sender:
                continue
            if controller.deaf:
                controller.overrun += 1
            else:
                controller.received += 1
                controller.outgoing.append(line)

    def _account(self, frame: Transmission, end_ns: int, duration_ns: int) -> None:
        self.frames_by_id[frame.can_id] += 1
        self.busy_ns += duration_ns
        index = end_ns // _BUCKET_NS
        known, busy = self._buckets[index % _BUCKETS]
        self._buckets[index % _BUCKETS] = (index, duration_ns + (busy if known == index else 0))

    def load(self, now_ns: int) -> float:
        """Share of the last 0.9 to 1 s of story time in which the wire was busy, 0 to 1."""
        current = now_ns // _BUCKET_NS
        oldest = current - _BUCKETS + 1
        span_ns = now_ns - oldest * _BUCKET_NS
        return sum(self._recent(oldest)) / span_ns if span_ns else 0.0

    def _recent(self, oldest: int) -> Iterator[int]:
        return (busy for index, busy in self._buckets if index >= oldest)

    def counters(self, now_ns: int) -> dict[str, Any]:
        """What went over the wire, as JSON-able numbers; ids in hex, 29-bit ids with bit 31 set."""
        return {
            "load": round(self.load(now_ns), 4), "busy_s": self.busy_ns / 1e9, "frames": self.frames_by_id.total(),
            "lost": self.lost.total(), "corrupted": self.corrupted,
            "frames_by_id": by_id(self.frames_by_id), "lost_by_id": by_id(self.lost),
            "clients": {each.name: each.counters() for each in self.controllers},
        }
