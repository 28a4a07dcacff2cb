"""Flashing over CAN against the node's own transfer code: windows, losses, service, start, verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import can
import pytest

from firmware.boot_folder import version
from firmware.node_on_bus import MOST, NODE, NodeOnBus, slot_record
from twolbms.build import update_frames as frames
from twolbms.build.flash_can import STALL_S, CanFlasher, Window, flash_over_can
from twolbms.build.verdict import FlashError, Outcome
from twolbms.contract import node_contract
from voices.node_voice import NodeVoice, sealed


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
    original, neighbour = node.cycle, NodeVoice(0, NODE + 1)

    def noisy() -> None:
        for message, signals in (("NodeAnswer", {"AnsweredRequest": 6, "Answer": 6}),
                                 ("UpdateStatus", {"UpdateState": 7, "UpdateError": 5})):
            frame = neighbour.frame(message, signals)
            node.hear(frame.can_id, frame.data)
        bad = bytearray(neighbour.frame("UpdateStatus", {"UpdateState": 7}).data)
        node.hear(frames.frame_id("UpdateStatus") | NODE, bad)
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


def test_a_service_request_says_nothing_else() -> None:
    """Everything but request and number is not available; counter and CRC are right."""
    sent = frames.UpdateSender(NODE).service(77)
    assert sent.can_id == 0x08FF8100 | NODE and sealed(sent.can_id, sent.data, sent.data[6] & 15) == sent.data
    read = node_contract().message("NodeRequest").decode_values(sent.data)
    assert (read["Request"], read["RequestNumber"], read["Counter"]) == (6, 77, 0)
    assert {read[name] for name in ("ChargeCurrentAsked", "DischargeCurrentAsked", "RequestLimit",
                                    "BalancingAsked")} == {None}


def test_begin_and_block_in_bytes() -> None:
    """Where size, check and number stand, typed again; the number's upper bits are left out."""
    sender = frames.UpdateSender(NODE)
    begin = sender.operate("Abandon", 0x2ABCD, b"\x01\x02\x03\x04")
    assert (begin.can_id, begin.data[:7]) == (0x18FF8205, bytes.fromhex("01020304 CDAB A0"))
    assert sender.operate("Start", 1, bytes(4)).data[6] == 0x41
    block = sender.block(0x5ABC, b"abc")
    assert (block.can_id, block.data[:7]) == (0x1CFF8305, b"abc\0\0\xbc\xa0")
    assert all(sealed(one.can_id, one.data, one.data[6] & 15) == one.data for one in (begin, block))


def test_only_sound_frames_of_a_node_are_read() -> None:
    """A wrong CRC, a counter that is never sent, a short frame and a message to a node are nothing."""
    voice = NodeVoice(0, NODE)
    can_id, good = voice.frame("UpdateStatus", {"UpdateState": 2, "UpdateWindow": 12, "NextBlock": 300})[1::2]
    heard = frames.read(can_id, good)
    assert heard is not None and frames.read_status(heard[1]) == ("receiving", "nothing", 12, 300)
    assert frames.read(can_id + 1, good) is None and frames.read(can_id, good[:7]) is None
    assert frames.read(can_id, sealed(can_id, good, 15)) is None
    assert frames.read(*frames.UpdateSender(NODE).service(1)[1::2]) is None
    cells = voice.frame("CellVoltages", {"CellGroup": 0})
    assert frames.read(cells.can_id, cells.data) is None


@pytest.mark.parametrize(("signal", "words", "quiet"), [
    ("UpdateError", frames.ERRORS, {"nothing"}), ("Answer", frames.ANSWERS, {"accepted", "send_twice"})])
def test_every_reason_has_words(signal: str, words: dict[str, str], quiet: set[str]) -> None:
    """What the contract lets a node say is told in words; nothing is told that it cannot say."""
    known = set(node_contract().choices("UpdateStatus" if signal == "UpdateError" else "NodeAnswer", signal).values())
    assert set(words) <= known and (signal == "Answer" or set(words) == known - quiet)
