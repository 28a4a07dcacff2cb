"""Puts a version of the application onto a node over CAN: the way for a closed enclosure.

The node takes it only in service, with its outputs measured open; it asks for what got lost. For any python-can bus.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from twolbms.build import update_frames as frames
from twolbms.build.image import HASH_BYTES, MOST_BYTES, Image
from twolbms.build.verdict import WAIT_S, FlashError, Outcome, SlotState, verdict
from twolbms.wire import BusFrame

if TYPE_CHECKING:
    import can

ANSWER_WAIT_S = 3.0
INFO_WAIT_S = 15.0  # NodeInfo comes in four pages
SILENCE_S = 5.0  # a node in service tells its status each second
STALL_S = 0.4  # four cycles without a block taken: what was sent got lost
CHECK_WAIT_S = 30.0
SERVICE_AGAIN_S = 60.0  # service ends by itself after ten minutes without a word
Say = Callable[[str], None]


def flash_over_can(bus: can.BusABC, node: int, image: Image, say: Say = print, wait_s: float = WAIT_S,
                   clock: Callable[[], float] = time.monotonic) -> Outcome:
    """The whole way. Raises FlashError; the node then goes on with the version it had."""
    return CanFlasher(bus, node, say, clock).flash(image, wait_s)


class Window:
    """Which blocks to send: from the one the node wants, as far as it has room; again when it does not move on."""

    def __init__(self, blocks: int, now: float) -> None:
        self.blocks = blocks
        self.wanted = 0
        self._sent = 0
        self._room = 1
        self._moved_s = now

    def told(self, next_block: int, room: int, now: float) -> None:
        """The node's status."""
        if next_block != self.wanted:
            self._moved_s = now
        self.wanted = next_block
        self._sent = max(self._sent, next_block)
        self._room = max(1, room)

    def due(self, now: float) -> range:
        """The numbers to send now."""
        if now - self._moved_s > STALL_S and self._sent > self.wanted:
            self._sent, self._moved_s = self.wanted, now
        first, self._sent = self._sent, max(self._sent, min(self.blocks, self.wanted + self._room))
        return range(first, self._sent)


class CanFlasher:
    """One update of one node. What it hears of other nodes and messages it lets pass."""

    def __init__(self, bus: can.BusABC, node: int, say: Say, clock: Callable[[], float]) -> None:
        self._bus = bus
        self._node = node
        self._say = say
        self._clock = clock
        self._sender = frames.UpdateSender(node)
        self._number = 0
        self._answer: frames.Answer | None = None
        self._open = False
        self._status: frames.Status | None = None
        self._slots: SlotState | None = None
        self._asked_s = 0.0

    def flash(self, image: Image, wait_s: float) -> Outcome:
        """See flash_over_can."""
        data = image.data()
        if len(data) > MOST_BYTES:
            raise FlashError(f"{len(data)} bytes are more than an update over CAN can carry ({MOST_BYTES})")
        before = self._before()
        self._into_service()
        self._say(f"sending {image.version_text} for {image.pack}, {len(data)} bytes")
        self._begin(data)
        self._send_blocks(data)
        self._say("the node has checked it: whole and for this board")
        self._start(data)
        self._say(f"the node resets into it; waiting for its healthy minute (at most {wait_s:.0f} s)")
        return self._wait(before, wait_s)

    def _before(self) -> SlotState:
        if not self._until(lambda: self._slots is not None, INFO_WAIT_S):
            raise FlashError(f"node {self._node} does not tell its versions: not on this bus, or of another make")
        assert self._slots is not None
        if self._slots.trial == 1:
            raise FlashError(frames.ERRORS["on_trial"])
        return self._slots

    def _into_service(self) -> None:
        self._ask_service()
        if not self._until(lambda: self._answer is not None, ANSWER_WAIT_S):
            raise FlashError(f"node {self._node} does not answer")
        assert self._answer is not None
        if self._answer.answer != "accepted":
            why = frames.ANSWERS.get(self._answer.answer, self._answer.answer.replace("_", " "))
            raise FlashError(f"the node does not go into service: {why}")
        self._open = False
        if not self._until(lambda: self._open, ANSWER_WAIT_S):
            raise FlashError("the outputs are not measured open: nothing was changed")
        self._say("in service, outputs are measured open")

    def _ask_service(self) -> None:
        """The request counts when it comes twice with consecutive counters."""
        self._number = (self._number + 1) % 256
        self._answer = None
        self._asked_s = self._clock()
        for _ in range(2):
            self._send(self._sender.service(self._number))

    def _begin(self, data: bytes) -> None:
        """Until the node takes blocks. A begin that got lost is sent again."""
        end = self._clock() + SILENCE_S
        self._status = None
        while self._clock() < end:
            self._operate("Begin", data)
            self._until(lambda: self._in_state("receiving", "failed"), 1.0)
            if self._in_state("receiving"):
                return
            if self._in_state("failed"):
                break
        raise FlashError(self._why("the node does not begin the update"))

    def _send_blocks(self, data: bytes) -> None:
        """Until the node has all of them and has checked what it wrote."""
        window = Window(-(-len(data) // frames.DATA_BYTES), self._clock())
        heard_s, told = self._clock(), -1
        while True:
            status, self._status = self._status, None
            now = self._clock()
            if status is not None:
                heard_s = now
                if status.state != "receiving":
                    break
                window.told(status.next_block, status.window, now)
                if (tenth := 10 * window.wanted // window.blocks) != told:
                    told = tenth
                    self._say(f"  {10 * tenth} %")
            for number in window.due(now):
                self._block(data, number)
            if now - heard_s > SILENCE_S:
                raise FlashError("the node fell silent; it goes on with the version it has")
            if now - self._asked_s > SERVICE_AGAIN_S:
                self._ask_service()
            self._until(lambda: self._status is not None, 0.05)
        self._until(lambda: self._in_state("verified", "failed"), CHECK_WAIT_S)
        if not self._in_state("verified"):
            raise FlashError(self._why("the node does not end its check"))

    def _in_state(self, *states: str) -> bool:
        return self._status is not None and self._status.state in states

    def _start(self, data: bytes) -> None:
        """Counts when it comes twice with consecutive counters."""
        self._status = None
        for _ in range(2):
            self._operate("Start", data)
        self._until(lambda: self._in_state("starts", "failed"), ANSWER_WAIT_S)
        if not self._in_state("starts"):
            raise FlashError(self._why("the node does not start the version; it lies in the other slot, checked"))

    def _wait(self, before: SlotState, wait_s: float) -> Outcome:
        self._slots = None
        outcome: list[Outcome] = []

        def decided() -> bool:
            now = verdict(before, self._slots)
            outcome.extend([now] if now else [])
            return bool(outcome)

        self._until(decided, wait_s)
        return outcome[0] if outcome else Outcome.UNDECIDED

    def _why(self, otherwise: str) -> str:
        """What the node's last status says is wrong."""
        error = self._status.error if self._status else "nothing"
        return otherwise if error == "nothing" else frames.ERRORS.get(error, error)

    def _operate(self, operation: str, data: bytes) -> None:
        self._send(self._sender.operate(operation, len(data), data[-HASH_BYTES:][:4]))

    def _block(self, data: bytes, number: int) -> None:
        self._send(self._sender.block(number, data[frames.DATA_BYTES * number:frames.DATA_BYTES * (number + 1)]))

    def _send(self, frame: BusFrame) -> None:
        import can
        self._bus.send(can.Message(arbitration_id=frame.can_id, is_extended_id=True, data=frame.data), timeout=0.5)

    def _until(self, done: Callable[[], bool], wait_s: float) -> bool:
        """Listens until `done`, at most `wait_s`."""
        end = self._clock() + wait_s
        while not done():
            left = end - self._clock()
            if left <= 0:
                return False
            message = self._bus.recv(min(left, 0.2))
            if message is not None and message.is_extended_id and not message.is_error_frame:
                self._hear(message.arbitration_id, bytes(message.data))
        return True

    def _hear(self, can_id: int, data: bytes) -> None:
        if can_id & frames.NODE_MASK != self._node or (heard := frames.read(can_id, data)) is None:
            return
        message, values = heard
        if message == "NodeAnswer":
            answer = frames.read_answer(values)
            ours = (answer.request, answer.number) == ("service", self._number)
            if ours and answer.answer != "send_twice":
                self._answer = answer
        elif message == "PackState":
            self._open = frames.in_service_and_open(values)
        elif message == "UpdateStatus":
            self._status = frames.read_status(values)
        elif message == "NodeInfo":
            self._slots = frames.read_slots(values) or self._slots
