"""What a node comes up with after a reset or a power cut, and when that keeps it open."""

from __future__ import annotations

from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drivers.backup_file import FileBackup
from drivers.backup_memory import WordBackup
from node.protect import HOLDING, OK, WAITING, Protect
from store.config import Config
from store.memory import Memory
from store.record import Record
from store.service import save_config
from store.trips import COUNT, WORST

NA = -(1 << 28)
NO_ROW = 255
POWER_ON, WATCHDOG = 1, 3
OVER_VOLTAGE, UNDER_VOLTAGE, SMOKE = 0, 1, 28  # rows that latch, do not, and may be cleared here only


class Node:
    """A node's memory with what the cycle gives it; boot() is what follows a reset or, `cold`, a power cut."""

    def __init__(self, folder: Path, limits: Any, backup: str = "fed") -> None:
        self.folder = f"{folder}/"
        self.limits = limits
        self.kind = backup
        self.words = array("I", [0] * 8)
        self.boot(POWER_ON)

    def boot(self, cause: int = WATCHDOG, cold: bool = False) -> None:
        if cold and self.kind != "fed":
            self.words = array("I", [0] * 8)
        backup = None if self.kind == "none" else WordBackup(self.words)
        if self.kind == "file":
            backup = FileBackup(Record(self.folder + "backup"))
        self.memory = Memory(self.limits, self.folder, backup)
        self.protect = Protect(self.limits)
        self.memory.start(cause)
        self.memory.attach(self.protect)
        self.contactor = SimpleNamespace(wear_ppm=0, tries=self.memory.faults.tries, paths=0, precharge=0,
                                         open_requested=self.memory.faults.open_requested)
        self.heat = SimpleNamespace(energy_wh=self.memory.faults.heater_wh, spent_j=self.memory.faults.heater_j)

    def configure(self) -> None:
        config = Config(self.limits)
        config.number = 5
        assert save_config(self.memory, config)
        self.boot()

    def cycles(self, count: int = 1, tripped: int = NO_ROW, healthy: bool = True, periods: int = 1) -> None:
        rows = len(self.limits.SIGN)
        values, known = array("i", [7] * rows), b"\x01" * rows
        if tripped != NO_ROW:
            self.protect._trip(tripped, True, False, 1, True)
        for _ in range(count):
            self.memory.step(values, known, 30000000)
            self.memory.finish(self.contactor, self.heat, healthy, self.contactor.paths == 0, periods)

    def held(self) -> list[int]:
        return [row for row in range(len(self.limits.SIGN)) if self.memory.faults.is_held(row)]


@pytest.fixture
def node(tmp_path: Path, lfp: Any) -> Node:
    made = Node(tmp_path, lfp)
    made.configure()
    return made


def test_a_new_node_stays_open(tmp_path: Path, lfp: Any) -> None:
    """Without a configuration a node is bad, has number 0, and is sound only after one was saved and it started."""
    fresh = Node(tmp_path, lfp)
    assert fresh.memory.bad and fresh.memory.config.number == 0
    fresh.boot(cold=True)
    assert fresh.memory.bad
    fresh.configure()
    assert not fresh.memory.bad and fresh.memory.config.number == 5


@pytest.mark.parametrize("backup", ["fed", "lost", "none", "file"])
@pytest.mark.parametrize("cold", [False, True])
def test_a_latched_fault_survives(backup: str, cold: bool, tmp_path: Path, lfp: Any) -> None:
    """A node that dies with a latched fault comes up with it held, over a reset and over a power cut."""
    node = Node(tmp_path, lfp, backup)
    node.configure()
    node.cycles(20, tripped=SMOKE)
    node.boot(cold=cold)
    assert node.held() == [SMOKE] and not node.memory.bad
    assert node.protect.state[SMOKE] == HOLDING and node.protect.hold[SMOKE] == lfp.HOLD[SMOKE] > 0
    assert node.memory.faults.trips.get(SMOKE, WORST) == 7


@pytest.mark.parametrize("backup", ["fed", "file"])
def test_a_backup_knows_at_once(backup: str, tmp_path: Path, lfp: Any) -> None:
    """With a backup memory the fault is kept in the cycle in which it trips, though outputs are still closed."""
    node = Node(tmp_path, lfp, backup)
    node.configure()
    node.contactor.paths = 3
    node.cycles(1, tripped=OVER_VOLTAGE)
    node.boot(cold=True)
    assert node.held() == [OVER_VOLTAGE] and not node.memory.bad


def test_held_rows_block_again(node: Node) -> None:
    """A held row is not over before its hold time has run on sure readings, and then still waits for its clear."""
    node.cycles(20, tripped=OVER_VOLTAGE)
    node.boot(cold=True)
    protect, rows = node.protect, len(node.limits.SIGN)
    values, known = array("i", [0] * rows), bytearray(rows)
    known[OVER_VOLTAGE] = 1
    values[OVER_VOLTAGE] = 3300
    for _ in range(node.limits.HOLD[OVER_VOLTAGE]):
        assert protect.state[OVER_VOLTAGE] == HOLDING
        protect.step(values, known, 1)
        assert protect.blocks_after | protect.blocks_now
    assert protect.state[OVER_VOLTAGE] == WAITING and protect.latched == 1
    protect.clear(OVER_VOLTAGE)
    node.cycles(rows)
    node.boot(cold=True)
    assert node.held() == [] and node.protect.state[OVER_VOLTAGE] == OK


def test_a_row_that_does_not_latch(node: Node) -> None:
    """A row that does not latch is counted, and not brought back."""
    node.cycles(600, tripped=UNDER_VOLTAGE)
    node.boot(cold=True)
    assert node.protect.state[UNDER_VOLTAGE] == OK and node.memory.faults.trips.get(UNDER_VOLTAGE, COUNT) == 1
    assert node.held() == []


def test_an_open_that_was_asked_for_stays(node: Node) -> None:
    """The gateway's open ends by its close, not by a reset."""
    node.contactor.open_requested = True
    node.cycles(1)
    node.boot()
    assert node.contactor.open_requested
    node.contactor.open_requested = False
    node.cycles(1)
    node.boot()
    assert not node.contactor.open_requested


def test_totals_go_on(node: Node) -> None:
    """Wear, heat and precharge tries of earlier lives are counted on."""
    node.contactor.wear_ppm, node.heat.energy_wh, node.heat.spent_j, node.contactor.tries = 1000, 12, 3400, 2
    node.cycles(15)
    node.boot()
    assert node.memory.wear_ppm == 1000
    assert (node.heat.energy_wh, node.heat.spent_j, node.contactor.tries) == (12, 3400, 2)
    node.contactor.wear_ppm = 50
    node.cycles(15)
    node.boot(cold=True)
    assert node.memory.wear_ppm == 1050


@pytest.mark.parametrize("backup", ["fed", "none"])
def test_every_boot_has_its_number(backup: str, tmp_path: Path, lfp: Any) -> None:
    """The boot number changes with every boot, also when power goes at once after each."""
    node = Node(tmp_path, lfp, backup)
    node.configure()
    seen = [node.memory.boot_id]
    for _ in range(5):
        node.boot(POWER_ON, cold=True)
        seen.append(node.memory.boot_id)
    assert len(set(seen)) == len(seen)


def test_a_restart_loop_is_counted(node: Node) -> None:
    """Three lives in a row without a healthy minute are beyond the pack's row; a healthy minute ends that."""
    node.cycles(600)
    for _ in range(4):
        node.boot(WATCHDOG)
        node.cycles(599)
    assert node.memory.restarts == 3 > node.limits.TRIP[39]
    node.cycles(1)
    assert node.memory.restarts == 0


def test_a_restart_loop_does_not_wear_out_the_flash(node: Node) -> None:
    """From the fifth restart in a row on a boot alone is not saved any more, but a fault still is."""
    for _ in range(5):
        node.boot(WATCHDOG)
    before = Record(node.folder + "faults")
    before.read()
    for _ in range(9):
        node.boot(WATCHDOG)
        node.cycles(80)
    after = Record(node.folder + "faults")
    after.read()
    assert after.sequence == before.sequence and node.memory.faults.life.restarts == 15
    node.cycles(20, tripped=SMOKE)
    after.read()
    assert after.sequence == before.sequence + 1


def test_a_chattering_coil(node: Node) -> None:
    """Power-ons that follow soon on a closing count as restarts; those of a node that stayed open do not."""
    node.cycles(600)
    for _ in range(3):
        node.boot(POWER_ON)
        node.contactor.precharge = 1
        node.cycles(15)
    node.boot(POWER_ON)
    assert node.memory.restarts == 3
    for _ in range(3):
        node.boot(POWER_ON)
        node.cycles(15)
    assert node.memory.faults.life.restarts == 3


def damage(node: Node, name: str) -> None:
    path = Path(node.folder + name)
    whole = bytearray(path.read_bytes())
    whole[20] ^= 4
    path.write_bytes(whole)


@pytest.mark.parametrize("backup, sound", [("fed", True), ("lost", False), ("none", False)])
def test_one_damaged_copy_of_the_faults(backup: str, sound: bool, tmp_path: Path, lfp: Any) -> None:
    """One damaged copy may have been the newer one: the node is sound only where the backup knows what was held."""
    node = Node(tmp_path, lfp, backup)
    node.configure()
    node.cycles(20, tripped=SMOKE)
    newest = node.memory.fault_record.sequence + 1 & 1
    damage(node, f"faults.{newest}")
    node.boot(cold=True)
    assert (node.memory.bad == 0) is sound
    if sound:
        assert node.held() == [SMOKE]


def test_a_doubt_stays_until_a_person_ends_it(tmp_path: Path, lfp: Any) -> None:
    """A memory that may lack something says so over any number of boots, until the configuration is saved again."""
    node = Node(tmp_path, lfp, "none")
    node.configure()
    for copy in "01":
        damage(node, f"faults.{copy}")
    for _ in range(3):
        node.boot(POWER_ON, cold=True)
        node.cycles(20)
        assert node.memory.bad
    node.configure()
    assert not node.memory.bad


def test_a_torn_backup(node: Node) -> None:
    """A reset in the middle of a backup's write is a doubt: what was to be kept is not known."""
    node.words[0] = 0x4E5254
    node.boot()
    assert node.memory.bad


def test_a_medium_that_takes_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three saves in a row that fail make the memory bad, one that succeeds makes it good again."""
    with monkeypatch.context() as patch:
        patch.setattr(Record, "write", lambda *_: False)
        node.cycles(1, tripped=SMOKE)
        node.cycles(19)
        assert not node.memory.bad
        node.cycles(40)
        assert node.memory.bad
    node.cycles(15)
    assert not node.memory.bad


def test_a_backup_that_is_write_protected(tmp_path: Path, lfp: Any) -> None:
    """A backup that takes nothing is not relied on: the image in flash brings the fault back."""
    class Protected:
        def __len__(self) -> int:
            return 8

        def __getitem__(self, _: int) -> int:
            return 0

        def __setitem__(self, _: int, word: int) -> None:
            pass
    node = Node(tmp_path, lfp)
    node.words = Protected()  # type: ignore[assignment]
    node.boot()
    node.configure()
    node.cycles(20, tripped=SMOKE)
    node.boot()
    assert node.held() == [SMOKE] and not node.memory.bad


def test_other_limits_wait_for_a_person(node: Node) -> None:
    """An image with other limits stays open until its configuration was saved for them; held rows stay held."""
    node.cycles(20, tripped=SMOKE)
    node.limits = SimpleNamespace(**{**vars(node.limits), "HASH_LOW": node.limits.HASH_LOW ^ 1})
    node.boot()
    assert node.memory.bad and node.memory.config.number == 5 and node.held() == [SMOKE]
    node.configure()
    assert not node.memory.bad and node.held() == [SMOKE]
