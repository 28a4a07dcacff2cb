"""A node at the far end of a python-can bus: the firmware's Update and Transfer, and a clock that they drive.

What the node says besides is packed by cantools from dbc/node.dbc (voices.node_voice).
"""

from __future__ import annotations

import random
import sys
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import can
import pytest

from twolbms.files import data_path
from voices.node_voice import NodeVoice, sealed

sys.path[:0] = [p for p in (str(data_path("firmware", part)) for part in ("boot", "src")) if p not in sys.path]

import slot_record  # noqa: E402 - after the path is set
from store.image import ImageWriter  # noqa: E402
from store.transfer import Transfer  # noqa: E402
from store.update import Update  # noqa: E402

NODE = 5
MOST = 60_000
REQUEST = 0x08FF8100
ACCEPTED, SEND_TWICE, SERVICE = 0, 5, 6


class NodeOnBus:
    """Cycles each 100 ms of its own time. `lost` is the share of frames to the node that get lost.

    `meddle(message)` gives what arrives instead of each frame to the node.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, lost: float = 0.0, seed: int = 1) -> None:
        monkeypatch.setattr(slot_record, "FOLDER", f"{folder}/")
        record = slot_record.Record()
        record.kept, record.limits = 0, b"\x07\0\0\0"
        slot_record.save(record)
        self.update = Update(Transfer(slot_record, ImageWriter, b"bench", MOST), SimpleNamespace(send=self.hear), NODE)
        self.voice = NodeVoice(0, NODE)
        self.now = 0.0
        self.lost = lost
        self.chance = random.Random(seed)
        self.inbox: deque[can.Message] = deque()
        self.outbox: deque[can.Message] = deque()
        self.service = False
        self.open = True
        self.refuses: int | None = None
        self.silent = False
        self.slots = (0, 0, 0)
        self.after_reset = (1, 0, 0)
        self.reset_s: float | None = None
        self.cycles = 0
        self.blocks = 0
        self.meddle: Any = lambda message: [message]
        self._last_counter = 99

    @property
    def transfer(self) -> Any:
        return self.update.transfer

    # python-can's side

    def send(self, message: can.Message, timeout: float | None = None) -> None:
        if self.chance.random() >= self.lost:
            self.inbox.extend(self.meddle(message))

    def recv(self, timeout: float | None = None) -> can.Message | None:
        end = self.now + (timeout or 0.0)
        while not self.outbox:
            if self.now >= end:
                return None
            self.now += 0.1
            self.cycle()
        return self.outbox.popleft()

    def clock(self) -> float:
        return self.now

    # the node

    def cycle(self) -> None:
        self.cycles += 1
        if self.silent:
            return
        for _ in range(min(16, len(self.inbox))):  # what a node's inbox holds
            message = self.inbox.popleft()
            if not self.update.frame(message.arbitration_id, bytearray(message.data)):
                self._request(message)
            self.blocks += message.arbitration_id >> 8 & 0xFF == 0x83
        self.inbox.clear()
        self.update.step(self.service and self.open, 1)
        self.update.pump()
        closed = 0 if self.open else 1
        self.tell("PackState", State=6 if self.service else 1, ChargePath=closed)
        self._reset()
        if self.cycles % 20 == 0:
            slot, trial, failed = self.slots
            self.tell("NodeInfo", InfoPage=3, FirmwareSlot=slot, FirmwareTrial=trial, FailedUpdates=failed)

    def _reset(self) -> None:
        if self.update.reset_due and self.reset_s is None:
            self.reset_s = self.now
        if self.reset_s is not None and self.now > self.reset_s + 70:
            self.slots = self.after_reset

    def tell(self, message: str, **signals: Any) -> None:
        frame = self.voice.frame(message, signals)
        self.hear(frame.can_id, frame.data)

    def hear(self, can_id: int, data: bytes, latest: bool = False) -> None:
        """What the tool hears next; also where Update sends its status."""
        self.outbox.append(can.Message(arbitration_id=can_id, is_extended_id=True, data=bytes(data)))

    def _request(self, message: can.Message) -> None:
        """Service, taken when it comes twice with consecutive counters."""
        d = bytes(message.data)
        sound = message.arbitration_id == REQUEST | NODE and sealed(REQUEST | NODE, d, d[6] & 15) == d
        if not sound or d[0] & 15 != SERVICE:
            return
        second = (d[6] - self._last_counter) % 15 == 1
        self._last_counter = d[6] & 15
        answer = SEND_TWICE if not second else self.refuses or ACCEPTED
        self.service = self.service or answer == ACCEPTED
        self.tell("NodeAnswer", AnsweredRequest=SERVICE, AnsweredNumber=d[0] >> 4 | (d[1] & 15) << 4, Answer=answer)
