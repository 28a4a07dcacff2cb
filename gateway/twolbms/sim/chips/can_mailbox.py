"""A controller without a chip, for tests: three mailboxes and a receive FIFO on a wire in this process.

It is a port as `drivers/can_controller.py` describes it, with everything a good controller can tell and do: the place
to prove what no slcan adapter shows, such as a missing acknowledgement.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from twolbms.sim.chips.can_wire import STOPPED, CanWire, Station
from twolbms.sim.slcan import CanFrame

_NOTHING, _FRAME, _OTHER = range(3)
_MAILBOXES = 3
_FIFO = 16


class MailboxPort(Station):
    """Mailboxes are sent by priority; each one can be aborted."""

    one_by_one = True
    slots = _MAILBOXES

    def __init__(self, wire: CanWire) -> None:
        super().__init__(wire)
        self.state = STOPPED
        self.tec = self.rec = 0
        self.rx_id = 0
        self.rx_data = bytearray(8)
        self.overruns = self.bad = self.errors = 0
        self.mailboxes: list[CanFrame | None] = [None] * _MAILBOXES
        self._fifo: deque[CanFrame] = deque()
        self._ids: Sequence[int] = ()
        self._alone = False

    def open(self, ids: Sequence[int]) -> bool:
        """On the wire, receiving just these ids."""
        self.close()
        self._ids, self.online, self._alone = ids, True, False
        self.look()
        return True

    def loopback(self, can_id: int) -> bool:
        """Alone with itself."""
        self.close()
        self._ids, self._alone = (can_id,), True
        return True

    def close(self) -> None:
        self.online, self.state = False, STOPPED
        self.mailboxes = [None] * _MAILBOXES
        self._fifo.clear()

    def restart(self) -> None:
        self.mailboxes = [None] * _MAILBOXES
        self.line.begin_rejoining()

    def look(self) -> None:
        self.state = self.line.state if self.online else STOPPED
        self.tec, self.rec = self.line.tec, self.line.rec

    def waiting(self) -> int:
        return len(self.held())

    def load(self, can_id: int, frame: bytearray) -> int:
        """The lowest free mailbox, or -1."""
        if self._alone:
            self.hear(CanFrame(can_id, True, bytes(frame)))
            return 0
        if None not in self.mailboxes or any(held is not None and held.can_id == can_id for held in self.mailboxes):
            return -1
        slot = self.mailboxes.index(None)
        self.mailboxes[slot] = CanFrame(can_id, True, bytes(frame))
        return slot

    def abort(self, slot: int) -> int:
        held, self.mailboxes[slot] = self.mailboxes[slot], None
        return int(held is not None)

    def take(self) -> int:
        """The next received frame."""
        if not self._fifo:
            return _NOTHING
        frame = self._fifo.popleft()
        if not frame.extended or frame.remote or len(frame.data) != 8:
            self.bad += 1
            return _OTHER
        self.rx_id = frame.can_id
        self.rx_data[:] = frame.data
        return _FRAME

    def held(self) -> list[CanFrame]:
        return [frame for frame in self.mailboxes if frame is not None]

    def delivered(self, frame: CanFrame) -> None:
        self.mailboxes[self.mailboxes.index(frame)] = None

    def hear(self, frame: CanFrame) -> None:
        if not frame.extended or frame.can_id not in self._ids:
            return
        if len(self._fifo) == _FIFO:
            self.overruns += 1
        else:
            self._fifo.append(frame)
