"""The frames of one bus on their way to the packs: found by id, judged, decoded, counted. Nothing it meets raises.

Knows ids and protection; what a message means is the pack's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twolbms.battery.latest import Values
from twolbms.contract import Contract
from twolbms.decode import Refused
from twolbms.wire import FRAME_LENGTH, BusFrame, Received, Receiver, Verdict

Take = Callable[[str, Values, int], None]
_TWO_TOLD_NS = 30_000_000_000  # two senders are spoken of for so long after the last sign of it


@dataclass(slots=True)
class BusCounts:
    """What came in on a bus since start. `unknown_id` is no fault: other devices may talk there too."""

    frames: int = 0
    bad_check: int = 0
    bad_counter: int = 0
    unknown_id: int = 0
    short: int = 0
    bad_page: int = 0

    @property
    def bad(self) -> int:
        """Frames that should have been good and were not."""
        return self.bad_check + self.bad_counter + self.short + self.bad_page


@dataclass(slots=True)
class _Channel:
    """One message of one node. `receiver` is None for bulk messages, which carry no CRC of ours."""

    message: str
    receiver: Receiver | None
    decode: Callable[[bytes], Values | Refused]
    take: Take


@dataclass
class BusReceiver:
    """The channels of one bus."""

    contract: Contract
    counts: BusCounts = field(default_factory=BusCounts)
    strangers: dict[int, int] = field(default_factory=dict)  # node number: when last heard
    other_gateway_ns: int | None = None
    _channels: dict[int, _Channel] = field(default_factory=dict)

    def add_node(self, node: int, take: Take) -> None:
        """Frames of this node go to `take(message, values, now_ns)`."""
        for name in self.contract.of_node:
            message = self.contract.message(name)
            low = message.frame_id >> 8 & 0xFF
            receiver = Receiver(low, node, message.cycle_time_s) if name in self.contract.protected else None
            self._channels[message.frame_id | node] = _Channel(name, receiver, message.decode_values, take)

    def receive_all(self, batch: Sequence[Received]) -> int:
        """Data frames in order, each with its time; how many of them were used."""
        self.counts.frames += len(batch)
        find, used, unknown = self._channels.get, 0, 0
        for (_, can_id, extended, data), now_ns in batch:
            channel = find(can_id) if extended else None
            if channel is not None:
                used += self._use(channel, data, now_ns)
                continue
            unknown += 1
            if extended:
                self._note_stranger(can_id, now_ns)
        self.counts.unknown_id += unknown
        return used

    def receive(self, can_id: int, extended: bool, data: bytes, now_ns: int) -> bool:
        """One data frame; False when it was not used."""
        return bool(self.receive_all(((BusFrame("", can_id, extended, data), now_ns),)))

    def _use(self, channel: _Channel, data: bytes, now_ns: int) -> bool:
        counts = self.counts
        if len(data) != FRAME_LENGTH:
            counts.short += 1
            return False
        if channel.receiver is not None:
            verdict = channel.receiver.judge(data, now_ns)
            if verdict is not Verdict.USE:
                if verdict is Verdict.BAD_CHECK:
                    counts.bad_check += 1
                else:
                    counts.bad_counter += 1
                return False
        values = channel.decode(data)
        if isinstance(values, Refused):
            counts.bad_page += 1
            return False
        channel.take(channel.message, values, now_ns)
        return True

    def _note_stranger(self, can_id: int, now_ns: int) -> None:
        if can_id == self.contract.heartbeat_id:
            self.other_gateway_ns = now_ns
            return
        node = self.contract.stranger(can_id)
        if node is not None:
            self.strangers[node] = now_ns

    def failed(self, node: int) -> list[str]:
        """The messages of a node whose protection has failed: three bad of the last five, not yet three good again."""
        return [channel.message for can_id, channel in self._channels.items()
                if can_id & 0xFF == node and channel.receiver is not None and channel.receiver.failed]

    def two_answer(self, node: int, now_ns: int) -> bool:
        """Whether two senders use this node's number: one counter came with two contents, more than once."""
        seen = (channel.receiver.two_senders_ns for can_id, channel in self._channels.items()
                if can_id & 0xFF == node and channel.receiver is not None)
        return any(seen_ns is not None and now_ns - seen_ns < _TWO_TOLD_NS for seen_ns in seen)
