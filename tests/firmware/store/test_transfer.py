"""A version over CAN: only in service, in order, in spite of lost frames; without allocating in the cycle."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware.boot_folder import version
from servers.need import need
from twolbms.files import data_path

sys.path[:0] = [p for p in (str(data_path("firmware", part)) for part in ("boot", "src")) if p not in sys.path]

import slot_record  # noqa: E402 - after the path is set
from store.console import SERVICE, STATUS, Console, status_line  # noqa: E402
from store.image import ImageWriter  # noqa: E402
from store.transfer import (  # noqa: E402
    ABANDON,
    BEGIN,
    CHECKING,
    DAMAGED,
    DATA,
    FAILED,
    FAILED_TWICE,
    IDLE,
    NOT_FOR_THIS_NODE,
    NOT_IN_SERVICE,
    NOTHING,
    ON_TRIAL,
    RECEIVING,
    SEND_TWICE,
    START,
    STARTS,
    TOO_LARGE,
    VERIFIED,
    WRITE_FAILED,
    WRONG_ORDER,
    Transfer,
)
from store.trial import HEALTHY_CYCLES, LONGEST_CYCLES, Trial, ask_service  # noqa: E402

MOST = 30_000
NEW = version("two").data()


def check(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[-32:-30], "little"), int.from_bytes(data[-30:-28], "little")


class Bench:
    """A transfer with its files in a folder, and a sender that keeps to the window and listens to the status."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(slot_record, "FOLDER", f"{folder}/")
        record = slot_record.Record()
        record.kept, record.limits = 0, b"\x07\0\0\0"
        slot_record.save(record)
        self.transfer = Transfer(slot_record, ImageWriter, b"bench", MOST)
        self.counter = 0

    def ask(self, operation: int, data: bytes, may: bool = True) -> None:
        self.counter = (self.counter + 1) % 15
        self.transfer.begin(operation, len(data), *check(data), self.counter, may)

    def cycle(self, may: bool = True) -> None:
        self.transfer.step(may, 1)
        self.transfer.pump()

    def send(self, data: bytes, number: int) -> None:
        frame = bytearray(data[DATA * number:DATA * number + DATA].ljust(8, b"\0"))
        self.transfer.block(number & 0xFFF, frame)

    def upload(self, data: bytes, lost: float = 0.0, seed: int = 1, most_cycles: int = 20_000) -> None:
        """Begin, then windows from what the node wants next, some frames of them lost, until it has left RECEIVING."""
        chance = random.Random(seed)
        self.ask(BEGIN, data)
        for _ in range(most_cycles):
            self.cycle()
            t = self.transfer
            if t.state > CHECKING:
                return
            t.told()
            for number in range(t.next_block, t.next_block + t.window):
                if DATA * number < len(data) and chance.random() >= lost:
                    self.send(data, number)
        raise AssertionError(f"still in state {self.transfer.state} at block {self.transfer.next_block}")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_a_version_arrives(bench: Bench, tmp_path: Path) -> None:
    """Every block once, checked in flash, and nothing is started by itself."""
    bench.upload(NEW)
    assert (bench.transfer.state, bench.transfer.error) == (VERIFIED, NOTHING)
    assert (tmp_path / "slot_b.2lb").read_bytes() == NEW
    assert slot_record.load().trial == slot_record.KEPT and not bench.transfer.reset_due


@pytest.mark.parametrize("seed", range(5))
def test_lost_frames_are_asked_for_again(bench: Bench, seed: int, tmp_path: Path) -> None:
    """A third of all blocks lost: the version still arrives whole."""
    bench.upload(NEW, lost=1 / 3, seed=seed)
    assert bench.transfer.state == VERIFIED and (tmp_path / "slot_b.2lb").read_bytes() == NEW


def test_repeated_and_early_blocks_change_nothing(bench: Bench) -> None:
    """A block that was taken, and one beyond the next, are dropped; the early one makes the node say where it is."""
    bench.ask(BEGIN, NEW)
    bench.cycle()
    for number in (0, 0, 1, 0):
        bench.send(NEW, number)
    assert bench.transfer.next_block == 2
    bench.transfer.told()
    bench.send(NEW, 5)
    assert bench.transfer.next_block == 2 and bench.transfer.status_due


def test_a_buffer_that_flash_has_not_emptied_takes_no_more(bench: Bench) -> None:
    """What comes while flash is busy is not lost unnoticed: it is wanted again."""
    bench.ask(BEGIN, NEW)
    bench.cycle()
    for number in range(200):
        bench.send(NEW, number)
    assert bench.transfer.next_block == 512 // DATA
    bench.cycle()
    bench.send(NEW, 512 // DATA)
    assert bench.transfer.next_block == 512 // DATA + 1


def test_only_in_service(bench: Bench) -> None:
    """With outputs that may close nothing begins; a node that leaves service drops what it had."""
    bench.ask(BEGIN, NEW, may=False)
    bench.cycle(may=False)
    assert (bench.transfer.state, bench.transfer.error) == (IDLE, NOT_IN_SERVICE)
    bench.ask(BEGIN, NEW)
    bench.cycle()
    bench.send(NEW, 0)
    bench.cycle(may=False)
    assert (bench.transfer.state, bench.transfer.error) == (FAILED, NOT_IN_SERVICE)
    bench.send(NEW, 1)
    assert bench.transfer.next_block == 1


def test_start_counts_twice(bench: Bench) -> None:
    """Two starts with consecutive counters; one alone, or one that comes too late after it, does not start anything."""
    bench.upload(NEW)
    bench.ask(START, NEW)
    bench.cycle()
    assert (bench.transfer.state, bench.transfer.error) == (VERIFIED, SEND_TWICE)
    for _ in range(20):
        bench.cycle()
    bench.ask(START, NEW)
    bench.cycle()
    assert bench.transfer.state == VERIFIED
    bench.ask(START, NEW)
    bench.cycle()
    assert (bench.transfer.state, bench.transfer.reset_due) == (STARTS, True)
    assert slot_record.load().trial == slot_record.ON_TRIAL


def test_a_repeated_start_is_no_second_one(bench: Bench) -> None:
    """The same counter again, or one that skips, does not count."""
    bench.upload(NEW)
    for step in (0, 0, 2):
        bench.counter = (bench.counter + step - 1) % 15
        bench.ask(START, NEW)
        bench.cycle()
    assert bench.transfer.state == VERIFIED


def test_start_names_the_version(bench: Bench) -> None:
    """A start before everything is there, or for another version, is refused."""
    bench.ask(BEGIN, NEW)
    bench.cycle()
    bench.ask(START, NEW)
    assert bench.transfer.error == WRONG_ORDER
    bench.upload(NEW)
    bench.ask(START, version("three").data())
    assert bench.transfer.error == WRONG_ORDER


def test_a_sender_that_begins_anew_goes_on(bench: Bench) -> None:
    """The same version again, after the tool was stopped: nothing is sent twice."""
    bench.ask(BEGIN, NEW)
    bench.cycle()
    for number in range(10):
        bench.send(NEW, number)
    bench.ask(BEGIN, NEW)
    bench.cycle()
    assert (bench.transfer.state, bench.transfer.next_block) == (RECEIVING, 10)


def test_another_version_begins_from_the_start(bench: Bench) -> None:
    """What was half there is given up."""
    bench.ask(BEGIN, NEW)
    bench.cycle()
    bench.send(NEW, 0)
    other = version("three").data()
    bench.upload(other)
    assert bench.transfer.state == VERIFIED


def test_abandon(bench: Bench, tmp_path: Path) -> None:
    """Back to idle; the slot holds no version."""
    bench.ask(BEGIN, NEW)
    bench.cycle()
    bench.send(NEW, 0)
    bench.ask(ABANDON, NEW)
    bench.cycle()
    assert bench.transfer.state == IDLE
    from version import look
    assert look(str(tmp_path / "slot_b.2lb")) is None


def test_what_is_starting_is_not_abandoned(bench: Bench) -> None:
    """The reset is under way: idle is told of no node that will start another version in the next moment."""
    bench.upload(NEW)
    bench.ask(START, NEW)
    bench.ask(START, NEW)
    bench.cycle()
    bench.ask(ABANDON, NEW)
    bench.cycle()
    assert (bench.transfer.state, bench.transfer.error, bench.transfer.reset_due) == (STARTS, WRONG_ORDER, True)


def test_an_empty_version_is_refused(bench: Bench) -> None:
    """No block could ever end it."""
    bench.transfer.begin(BEGIN, 0, 1, 2, 3, True)
    bench.cycle()
    assert (bench.transfer.state, bench.transfer.error) == (FAILED, DAMAGED)


@pytest.mark.parametrize(("data", "why"), [
    (version("foreign", board="another").data(), NOT_FOR_THIS_NODE), (NEW[:1000] + b"?" + NEW[1001:], DAMAGED),
    (NEW[:-1] + b"?", DAMAGED), (NEW + b"more", DAMAGED), (bytes(MOST + 1), TOO_LARGE)])
def test_what_is_wrong_is_refused_with_its_reason(bench: Bench, data: bytes, why: int) -> None:
    """Another board, a wrong byte, too many bytes, too large."""
    bench.upload(data)
    assert (bench.transfer.state, bench.transfer.error) == (FAILED, why)


def test_no_transfer_while_a_version_is_on_trial(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way back is not overwritten."""
    record = slot_record.load()
    record.slot, record.trial = 1, slot_record.ON_TRIAL
    slot_record.save(record)
    monkeypatch.setattr(sys, "path", ["/b", *sys.path])
    bench.upload(NEW)
    assert (bench.transfer.state, bench.transfer.error) == (FAILED, ON_TRIAL)


def test_a_version_that_failed_twice_is_not_started(bench: Bench) -> None:
    """It may arrive, but it is not tried a third time."""
    record = slot_record.load()
    record.failed_id, record.again = NEW[-32:-28], 2
    slot_record.save(record)
    bench.upload(NEW)
    for _ in range(2):
        bench.ask(START, NEW)
        bench.cycle()
    assert (bench.transfer.state, bench.transfer.error) == (FAILED, FAILED_TWICE)
    assert not bench.transfer.reset_due


def test_flash_that_fails_ends_the_update(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the file system is told, at either end of the transfer, and nothing escapes."""
    def fails(*_: Any) -> None:
        raise OSError(5)
    with monkeypatch.context() as broken:
        broken.setattr(slot_record, "make_room", fails)
        bench.upload(NEW)
    assert (bench.transfer.state, bench.transfer.error) == (FAILED, WRITE_FAILED)
    bench.upload(NEW)
    monkeypatch.setattr(slot_record, "start_other", fails)
    for _ in range(2):
        bench.ask(START, NEW)
        bench.cycle()
    assert (bench.transfer.state, bench.transfer.error) == (FAILED, WRITE_FAILED)


def test_a_status_comes_each_second_and_with_every_change(bench: Bench) -> None:
    """Silence of either side is seen."""
    bench.ask(BEGIN, NEW)
    bench.cycle()
    bench.transfer.told()
    due = []
    for _ in range(10):
        bench.cycle()
        due.append(bench.transfer.status_due)
    assert due == [False] * 9 + [True]


LOCKED = """
import micropython
from store.console import Console
from store.transfer import Transfer
from store.trial import Trial
import slot_record
class Writer:
    left = 0
    def __init__(self, path, board, most): pass
    def feed(self, data): return 0
    def step(self): return False
    def close(self): pass
transfer, trial, console = Transfer(slot_record, Writer, b"bench", 200000), Trial(1, 1, 0), Console()
frame = bytearray(8)
line = bytearray(b"2lbms status")
def cycle(k):
    transfer.begin(k % 4, 100000, 40000, 50000, k % 15, k & 1)
    transfer.begin(0, 100000, 40000, 50000, k % 15, 1)
    for i in range(40):
        transfer.block(i, frame)
        transfer.block(transfer.next_block & 4095, frame)
    transfer.step(1, 1)
    transfer.told()
    transfer.step(0, 1)
    trial.step(k & 7, 1)
    for i in range(len(line)):
        console.take(line[i])
    console.take(13)
cycle(1)
taken = 0
for k in range(300):
    transfer.state = k % 8
    if k % 3 == 0:
        transfer.begin(0, 100000 + k, 40000, 50000, 0, 1)
        transfer.pump()
    micropython.heap_lock()
    cycle(k)
    micropython.heap_unlock()
print("locked")
"""


def test_nothing_is_allocated_in_the_cycle(tmp_path: Path) -> None:
    """Frames, steps, trial and console run with the heap locked, in every state, on 32-bit MicroPython."""
    script = tmp_path / "locked.py"
    folders = [str(data_path("firmware", part)) for part in ("src", "boot")]
    script.write_text(f"import sys\nsys.path[:] = {folders}\n" + LOCKED)
    done = subprocess.run([need("micropython32").program, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "locked\n", done.stderr


def test_a_healthy_minute_keeps() -> None:
    """60 s without a break; a break begins anew; a version that is kept counts nothing."""
    trial = Trial(1, 1, 0)
    for cycle in range(2 * HEALTHY_CYCLES):
        trial.step(cycle != 100, 1)
        assert trial.keep_due == (cycle >= 100 + 600)
    assert trial.state == 1
    kept = Trial(0, 0, 2)
    for _ in range(700):
        kept.step(True, 1)
    assert (kept.keep_due, kept.give_up, kept.failed) == (False, False, 2)


def test_keeping_writes_the_record_and_leaves_no_module(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record says kept; on the chip the module that wrote it goes again."""
    record = slot_record.load()
    record.slot, record.trial = 1, slot_record.ON_TRIAL
    slot_record.save(record)
    monkeypatch.setattr(sys, "path", ["/b", *sys.path])
    monkeypatch.setitem(sys.modules, "slot_record", slot_record)
    trial = Trial(1, 1, 2)
    trial.keep()
    assert (trial.state, trial.keep_due, trial.failed) == (0, False, 0)
    assert (slot_record.load().trial, slot_record.load().kept) == (slot_record.KEPT, 1)
    assert "slot_record" not in sys.modules


def test_service_is_asked_for_in_the_record(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start reads it."""
    monkeypatch.setitem(sys.modules, "slot_record", slot_record)
    ask_service()
    assert slot_record.load().service == 1


def test_five_minutes_without_health_give_up() -> None:
    """A version that cannot prove itself does not stay on trial for ever."""
    trial = Trial(1, 1, 0)
    for cycle in range(LONGEST_CYCLES):
        assert not trial.give_up
        trial.step(cycle % HEALTHY_CYCLES != 0, 1)
    assert trial.give_up and not trial.keep_due


@pytest.mark.parametrize(("said", "heard"), [
    (b"2lbms service\r", SERVICE), (b"noise\n2lbms status\n", STATUS), (b"2lbms status\r\n2lbms service\r\n", SERVICE),
    (b"2lbms status ", 0), (b"2lbms statusx\r", 0), (b"\x002lbms status\r", 0), (b"2lbms servic\r", 0),
    (b"x" * 300 + b"\r2lbms status\r", STATUS)])
def test_the_console_knows_two_words(said: bytes, heard: int) -> None:
    """A whole line of one of the two, and nothing else."""
    console, last = Console(), 0
    for byte in said:
        last = console.take(byte) or last
    assert last == heard


def test_the_status_line() -> None:
    """What the flash tool reads."""
    assert status_line("bench", 1, 1, 2) == "2lbms bench slot b on trial, rolled back 2"
    assert status_line("bench", 0, 0, 0) == "2lbms bench slot a kept, rolled back 0"
