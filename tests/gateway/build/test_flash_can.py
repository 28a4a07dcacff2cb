"""Flashing over CAN against the node's own transfer code: windows, losses, service, start, verdict."""

from __future__ import annotations

import random
import sys
from collections import deque
from pathlib import Path
from typing import Any

import can
import pytest

from firmware.boot_folder import version
from twolbms.build import update_frames as frames
from twolbms.build.flash_can import STALL_S, CanFlasher, Window, flash_over_can
from twolbms.build.verdict import FlashError, Outcome
from twolbms.contract import node_contract
from twolbms.files import data_path
from voices.node_voice import sealed

sys.path[:0] = [p for p in (str(data_path("firmware", part)) for part in ("boot", "src")) if p not in sys.path]

import slot_record  # noqa: E402 - after the path is set
from store.image import ImageWriter  # noqa: E402
from store.transfer import Transfer  # noqa: E402

NODE = 5
MOST = 60_000


class NodeOnBus:
    """The far end of a bus: the firmware's transfer in a node that cycles each 100 ms, and a clock that it drives."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, lost: float = 0.0, seed: int = 1) -> None:
        monkeypatch.setattr(slot_record, "FOLDER", f"{folder}/")
        record = slot_record.Record()
        record.kept, record.limits = 0, b"\x07\0\0\0"
        slot_record.save(record)
        self.transfer = Transfer(slot_record, ImageWriter, b"bench", MOST)
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
        self.frames = 0
        self._last_counter = 99
        self._counter = 0

    # python-can's side

    def send(self, message: can.Message, timeout: float | None = None) -> None:
        self.frames += 1
        if self.chance.random() >= self.lost:
            self.inbox.append(message)

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
        for _ in range(16):  # what a node's inbox holds
            if self.inbox:
                self._take(self.inbox.popleft())
        self.inbox.clear()
        may = self.service and self.open
        self.transfer.step(may, 1)
        if self.transfer.status_due:
            t = self.transfer
            payload = bytes([t.state | t.error << 4, t.window]) + t.next_block.to_bytes(2, "little") \
                + t.check_low.to_bytes(2, "little")
            self._tell(frames.UPDATE_STATUS, payload)
            t.told()
        self.transfer.pump()
        state = frames.STATE_SERVICE if self.service else 1
        self._tell(frames.PACK_STATE, bytes([state | (0 if self.open else 1) << 4]))
        if self.transfer.reset_due and self.reset_s is None:
            self.reset_s = self.now
        if self.reset_s is not None and self.now > self.reset_s + 70:
            self.slots = self.after_reset
        if self.cycles % 20 == 0:
            slot, trial, failed = self.slots
            self._tell(frames.NODE_INFO, (slot << 27 | trial << 29 | failed << 31).to_bytes(6, "little"), high=3)

    def _tell(self, can_id: int, payload: bytes, high: int = 0, node: int = NODE) -> None:
        self._counter = (self._counter + 1) % 15
        data = frames.sealed(can_id | node, payload, self._counter, high)
        self.outbox.append(can.Message(arbitration_id=can_id | node, is_extended_id=True, data=data))

    def _take(self, message: can.Message) -> None:
        can_id, d = message.arbitration_id, bytes(message.data)
        assert can_id & 0xFF == NODE and frames.sound(can_id, d)
        counter = d[6] & 15
        if can_id == frames.NODE_REQUEST | NODE:
            second = (counter - self._last_counter) % 15 == 1
            self._last_counter = counter
            answer = frames.ANSWER_SEND_TWICE if not second else self.refuses or frames.ANSWER_ACCEPTED
            self.service = self.service or answer == frames.ANSWER_ACCEPTED
            number = d[0] >> 4 | (d[1] & 15) << 4
            self._tell(frames.NODE_ANSWER, bytes([d[0] & 15 | (number & 15) << 4, number >> 4 | answer << 4]))
        elif can_id == frames.UPDATE_BEGIN | NODE:
            high = d[6] >> 4
            size = d[4] | d[5] << 8 | (high & 3) << 16
            may = self.service and self.open
            self.transfer.begin(high >> 2, size, d[0] | d[1] << 8, d[2] | d[3] << 8, counter, may)
        elif can_id == frames.UPDATE_BLOCK | NODE:
            self.blocks += 1
            self.transfer.block(d[5] | (d[6] >> 4) << 8, d)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeOnBus:
    return NodeOnBus(tmp_path, monkeypatch)


def flash(node: NodeOnBus, image: Any = None, said: list[str] | None = None) -> Outcome:
    say = (said if said is not None else []).append
    return flash_over_can(node, NODE, image or version("two"), say, 120.0, node.clock)  # type: ignore[arg-type]


def test_a_version_arrives_and_is_kept(node: NodeOnBus, tmp_path: Path) -> None:
    """Service, blocks, check, start, verdict; every block is sent once when none is lost."""
    said: list[str] = []
    data = version("two").data()
    assert flash(node, said=said) is Outcome.KEPT
    assert (tmp_path / "slot_b.2lb").read_bytes() == data
    assert node.blocks == -(-len(data) // 5)
    assert slot_record.load().trial == slot_record.ON_TRIAL
    assert any("measured open" in line for line in said)


@pytest.mark.parametrize(("lost", "seed"), [(0.02, 1), (0.1, 2), (0.3, 3)])
def test_lost_frames_cost_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: float, seed: int) -> None:
    """Also with every third frame to the node lost."""
    node = NodeOnBus(tmp_path, monkeypatch, lost, seed)
    node.service = True
    data = version("two").data()
    flasher = CanFlasher(node, NODE, lambda _: None, node.clock)  # type: ignore[arg-type]
    flasher._begin(data)
    flasher._send_blocks(data)
    assert (tmp_path / "slot_b.2lb").read_bytes() == data
    print(f"{lost:.0%} lost: {node.now:.0f} s, {node.blocks} blocks came for {len(data) // 5 + 1}")


def test_it_takes_as_long_as_the_window_allows(node: NodeOnBus) -> None:
    """Twelve blocks a cycle: 600 bytes a second, so 50 KB in about a minute and a half."""
    data = version("two").data()
    flash(node)
    assert node.reset_s is not None
    rate = len(data) / node.reset_s
    print(f"{rate:.0f} bytes a second")
    assert rate > 300


def test_rolled_back(node: NodeOnBus) -> None:
    """The node's next NodeInfo says so."""
    node.after_reset = (0, 0, 1)
    assert flash(node) is Outcome.ROLLED_BACK


def test_waits_for_arming(node: NodeOnBus) -> None:
    """Other limits: the node says that a version waits."""
    node.after_reset = (0, 2, 0)
    assert flash(node, version("two", limits=8)) is Outcome.WAITS


def test_no_verdict_in_time(node: NodeOnBus) -> None:
    """On trial for longer than one waits."""
    node.after_reset = (1, 1, 0)
    assert flash(node) is Outcome.UNDECIDED


def test_a_closed_node_refuses(node: NodeOnBus) -> None:
    """Service is refused in another state; nothing of the version is sent."""
    node.refuses = 6
    with pytest.raises(FlashError, match="ask it to open first"):
        flash(node)
    assert node.blocks == 0


def test_a_node_that_is_not_measured_open(node: NodeOnBus) -> None:
    """In service, but a path measured closed: nothing is sent."""
    node.open = False
    with pytest.raises(FlashError, match="not measured open"):
        flash(node)
    assert node.blocks == 0


def test_nobody_there(node: NodeOnBus) -> None:
    """A node that is not on this bus."""
    node.silent = True
    with pytest.raises(FlashError, match="node 5 does not tell its versions"):
        flash(node)


def test_a_version_on_trial_is_not_disturbed(node: NodeOnBus) -> None:
    """Before anything else."""
    node.slots = (1, 1, 0)
    with pytest.raises(FlashError, match="on trial"):
        flash(node)
    assert not node.service


@pytest.mark.parametrize(("image", "why"), [
    (version("two", board="another"), "another board"), (version("two", "'" + "x" * MOST + "'"), "too large")])
def test_the_nodes_reason_is_told(node: NodeOnBus, image: Any, why: str) -> None:
    """What the node refuses, in words."""
    with pytest.raises(FlashError, match=why):
        flash(node, image)


def test_a_node_that_falls_silent(node: NodeOnBus) -> None:
    """In the middle: the tool stops and says that the old version goes on."""
    node.service = True
    flasher = CanFlasher(node, NODE, lambda _: None, node.clock)  # type: ignore[arg-type]
    data = version("two").data()
    flasher._begin(data)
    node.silent = True
    with pytest.raises(FlashError, match="fell silent"):
        flasher._send_blocks(data)


def test_other_nodes_and_damaged_frames_are_let_pass(node: NodeOnBus) -> None:
    """A neighbour's state, and a frame of ours with a wrong CRC, change nothing."""
    original = node.cycle

    def noisy() -> None:
        node._tell(frames.NODE_ANSWER, bytes([frames.REQUEST_SERVICE, 6 << 4]), node=NODE + 1)
        node._tell(frames.UPDATE_STATUS, bytes([frames.FAILED | 5 << 4]), node=NODE + 1)
        bad = bytearray(frames.sealed(frames.UPDATE_STATUS | NODE, bytes([frames.FAILED]), 3))
        bad[7] ^= 1
        node.outbox.append(can.Message(arbitration_id=frames.UPDATE_STATUS | NODE, is_extended_id=True, data=bad))
        node.outbox.append(can.Message(arbitration_id=0x123, is_extended_id=False, data=bytes(8)))
        original()

    node.cycle = noisy  # type: ignore[method-assign]
    assert flash(node) is Outcome.KEPT


def test_the_window() -> None:
    """From what is wanted, as far as there is room; back to it when it does not move on; never twice in between."""
    window = Window(100, 0.0)
    window.told(0, 10, 0.0)
    assert list(window.due(0.0)) == list(range(10)) and list(window.due(0.1)) == []
    window.told(7, 10, 0.1)
    assert list(window.due(0.1)) == list(range(10, 17))
    window.told(7, 10, 0.2)
    assert list(window.due(0.1 + STALL_S)) == []
    assert list(window.due(0.2 + STALL_S)) == list(range(7, 17))
    window.told(95, 10, 1.0)
    assert list(window.due(1.0)) == list(range(95, 100))
    window.told(100, 10, 1.1)
    assert list(window.due(9.0)) == []


# What the frames have in common with the contract.


def test_counter_and_crc_stand_where_every_message_has_them() -> None:
    """As the voice of the tests seals a frame, bit by bit, with nothing of ours."""
    payload = bytes(range(6))
    assert frames.sealed(0x18FF8205, payload, 3, 9) == sealed(0x18FF8205, payload + b"\x90\0", 3)


def test_a_service_request_reads_back() -> None:
    """The contract's own reader agrees on what NodeRequest says."""
    message = node_contract().message("NodeRequest")
    can_id, data = frames.service_request(NODE, 77, 3)
    assert can_id == message.frame_id | NODE
    read = message.decode_values(data)
    assert (read["Request"], read["RequestNumber"], read["Counter"]) == (node_contract_request("service"), 77, 3)
    assert read["ChargeCurrentAsked"] is None and read["DischargeCurrentAsked"] is None
    assert read["RequestLimit"] is None and read["BalancingAsked"] is None


def node_contract_request(word: str) -> int:
    return next(number for number, text in node_contract().requests.items() if text == word)


@pytest.mark.parametrize(("name", "can_id"), [
    ("PackState", frames.PACK_STATE), ("NodeInfo", frames.NODE_INFO), ("NodeAnswer", frames.NODE_ANSWER)])
def test_the_ids_are_those_of_the_contract(name: str, can_id: int) -> None:
    """One number for one message."""
    assert node_contract().message(name).frame_id == can_id
