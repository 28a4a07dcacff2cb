"""An update over CAN, whole: the flash tool's frames against the node's Update and Transfer, well and badly carried."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import can
import pytest

from firmware.boot_folder import version
from firmware.node_on_bus import NODE, NodeOnBus, slot_record
from servers.need import need
from twolbms.build.flash_can import CanFlasher, flash_over_can
from twolbms.build.update_frames import UpdateSender
from twolbms.build.verdict import Outcome
from twolbms.files import data_path
from voices.node_voice import sealed

NEW = version("two")
DATA = NEW.data()
BLOCK = 0x83


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeOnBus:
    return NodeOnBus(tmp_path, monkeypatch)


def is_block(message: can.Message) -> bool:
    return message.arbitration_id >> 8 & 0xFF == BLOCK


def changed(message: can.Message, can_id: int = 0, data: bytes = b"") -> can.Message:
    return can.Message(arbitration_id=can_id or message.arbitration_id, is_extended_id=True, data=data or message.data)


def with_wrong_bit(message: can.Message, at: int) -> can.Message:
    data = bytearray(message.data)
    data[at // 8] ^= 1 << at % 8
    return changed(message, data=bytes(data))


def uncounted(message: can.Message) -> can.Message:
    """A right CRC over a counter that is never sent."""
    return changed(message, data=sealed(message.arbitration_id, bytes(message.data), 15))


def arrived(node: NodeOnBus, folder: Path) -> bool:
    """Flashes; whether the version is kept and lies there byte for byte."""
    kept = flash_over_can(node, NODE, NEW, lambda _: None, 120.0, node.clock)  # type: ignore[arg-type]
    return kept is Outcome.KEPT and (folder / "slot_b.2lb").read_bytes() == DATA


def test_a_whole_version(node: NodeOnBus, tmp_path: Path) -> None:
    """Service, blocks, check, start: each block once, and nothing refused."""
    assert arrived(node, tmp_path)
    assert node.blocks == -(-len(DATA) // 5) and node.update.refused == 0
    assert slot_record.load().trial == slot_record.ON_TRIAL


@pytest.mark.parametrize(("lost", "seed"), [(0.05, 1), (0.3, 2)])
def test_lost_frames(node: NodeOnBus, lost: float, seed: int, tmp_path: Path) -> None:
    """What gets lost on the way is asked for again."""
    node.service, node.lost = True, lost
    node.chance.seed(seed)
    flasher = CanFlasher(node, NODE, lambda _: None, node.clock)  # type: ignore[arg-type]
    flasher._begin(DATA)
    flasher._send_blocks(DATA)
    assert (tmp_path / "slot_b.2lb").read_bytes() == DATA


def test_swapped_and_doubled_frames(node: NodeOnBus, tmp_path: Path) -> None:
    """Two blocks that change places, and blocks that come twice, do no harm."""
    held: list[can.Message] = []

    def swap(message: can.Message) -> list[can.Message]:
        if not is_block(message) or node.chance.random() > 0.1:
            ready = [message, *held]
            held.clear()
            return [*ready, ready[0]] if is_block(message) and node.chance.random() < 0.1 else ready
        held.append(message)
        return []

    node.meddle = swap
    assert arrived(node, tmp_path)
    assert node.update.refused == 0


@pytest.mark.parametrize("spoil", [with_wrong_bit, uncounted], ids=["a wrong bit", "counter 15"])
def test_unsound_frames_are_counted_and_dropped(node: NodeOnBus, spoil: Any, tmp_path: Path) -> None:
    """A tenth of all blocks carries a wrong bit or a counter that is never sent: none gets into flash."""
    spoilt = 0

    def meddle(message: can.Message) -> list[can.Message]:
        nonlocal spoilt
        if not is_block(message) or node.chance.random() > 0.1:
            return [message]
        spoilt += 1
        return [spoil(message, node.chance.randrange(64)) if spoil is with_wrong_bit else spoil(message)]

    node.meddle = meddle
    assert arrived(node, tmp_path)
    assert spoilt and 0 < node.update.refused <= spoilt


def test_another_nodes_frames_are_not_ours(node: NodeOnBus, tmp_path: Path) -> None:
    """Blocks and begins for a neighbour pass by; those under our id but sealed for the neighbour are refused."""
    other, d = UpdateSender(NODE + 1), bytearray(8)
    foreign = [other.operate("Begin", 100, bytes(4)), other.block(0, b"wrong")]

    def meddle(message: can.Message) -> list[can.Message]:
        wrong = foreign[is_block(message)]
        return [changed(message, wrong.can_id, wrong.data), changed(message, wrong.can_id - 1, wrong.data), message]

    for frame in foreign:
        assert not node.update.frame(frame.can_id, frame.data)
    node.meddle = meddle
    node.service = True
    flasher = CanFlasher(node, NODE, lambda _: None, node.clock)  # type: ignore[arg-type]
    flasher._begin(DATA)
    flasher._send_blocks(DATA)
    assert (tmp_path / "slot_b.2lb").read_bytes() == DATA and node.update.refused > 100
    assert not node.update.frame(0x0CFF8080, d) and not node.update.frame(0x08FF8100 | NODE, d)


def test_a_tool_that_was_stopped_goes_on(node: NodeOnBus, tmp_path: Path) -> None:
    """A second run of the tool sends only what the first had not brought."""
    class Stopped(Exception):
        pass

    def stop(message: can.Message) -> list[can.Message]:
        if node.blocks > 300:
            raise Stopped
        return [message]

    node.meddle = stop
    with pytest.raises(Stopped):
        arrived(node, tmp_path)
    node.meddle = lambda message: [message]
    assert arrived(node, tmp_path)
    assert node.blocks <= len(DATA) // 5 + 20


def test_nothing_begins_outside_service(node: NodeOnBus) -> None:
    """Until the node has stepped in service a begin is refused, and the status says why."""
    begin = UpdateSender(NODE).operate("Begin", len(DATA), DATA[-32:-28])
    assert node.update.frame(begin.can_id, begin.data)
    node.cycle()
    assert (node.transfer.state, node.transfer.error) == (0, 1)


LOCKED = """
import micropython
from store.transfer import Transfer
from store.update import Update
import slot_record
class Writer:
    left = 0
    def __init__(self, path, board, most): pass
    def feed(self, data): return 0
    def step(self): return False
    def close(self): pass
class Can:
    def send(self, can_id, d, latest=False): pass
update = Update(Transfer(slot_record, Writer, b"bench", 200000), Can(), 5)
frames = FRAMES
def cycle(may):
    for n in range(len(frames)):
        can_id, d = frames[n]
        update.frame(can_id, d)
        d[0] ^= 1
        update.frame(can_id, d)
        d[0] ^= 1
    update.step(may, 1)
for k in range(200):
    update.transfer.state = k % 8
    if k % 8 == 1:
        update.pump()  # it prepares, and receives from then on
    micropython.heap_lock()
    cycle(k & 1)
    micropython.heap_unlock()
print("locked", update.refused)
"""


def test_nothing_is_allocated_in_the_cycle(tmp_path: Path) -> None:
    """Sound and unsound frames and the status run with the heap locked, on 32-bit MicroPython."""
    sender = UpdateSender(5)
    sent = [sender.operate("Begin", 0x2FFFF, b"\xff" * 4), *(sender.block(n, b"\xff" * 5) for n in range(3)),
            sender.operate("Start", 0x2FFFF, b"\xff" * 4)]
    frames = [(frame.can_id, bytearray(frame.data)) for frame in sent]
    script = tmp_path / "locked.py"
    folders = [str(data_path("firmware", part)) for part in ("src", "boot")]
    script.write_text(f"import sys\nsys.path[:] = {folders}\n" + LOCKED.replace("FRAMES", repr(frames)))
    done = subprocess.run([need("micropython32").program, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "locked 1000\n", done.stderr
