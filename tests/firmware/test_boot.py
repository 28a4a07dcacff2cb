"""From reset to the application: outputs off first and last, a whole version always, a new one on trial."""

from __future__ import annotations

import ast
import importlib.util
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from firmware.boot_folder import BootFolder, version
from servers.need import need
from twolbms.build.image import Image
from twolbms.files import data_path

BOOT = data_path("firmware", "boot")
if str(BOOT) not in sys.path:
    sys.path.insert(0, str(BOOT))

import slot_record  # noqa: E402 - after the path is set
import slots  # noqa: E402
from slot_record import FAILED_TWICE, IN_USE, KEPT, NONE, NOT_WHOLE, ON_TRIAL, TRIED, WAITING, WAITS, Record  # noqa: E402
from slots import decide  # noqa: E402
from version import look  # noqa: E402

A, B = 0, 1
OLD, NEW = b"\x07\0\0\0", b"\x09\0\0\0"


def one(identity: bytes, limits: bytes = OLD) -> SimpleNamespace:
    """A version as decide() sees it."""
    return SimpleNamespace(id=identity, limits=limits)


OLD_VERSION, NEW_VERSION, OTHER_LIMITS = one(b"old."), one(b"new."), one(b"lim.", NEW)


def kept_a(**changed: Any) -> Record:
    """A record of a node that keeps slot A."""
    record = Record()
    record.kept, record.limits = A, OLD
    for name, value in changed.items():
        assert hasattr(record, name)
        setattr(record, name, value)
    return record


def test_the_kept_version_starts_again_and_again() -> None:
    """Without an update nothing is decided anew and nothing would be written."""
    record = kept_a()
    before = record.pack()
    assert [decide(record, [OLD_VERSION, NEW_VERSION], False) for _ in range(5)] == [A] * 5
    assert record.pack() == before


def test_a_new_version_has_two_starts() -> None:
    """Not kept after two starts, the old version comes back by itself and the failure is remembered."""
    record = kept_a()
    assert slot_record.offer(record, B, NEW_VERSION) == TRIED
    found = [OLD_VERSION, NEW_VERSION]
    assert [decide(record, found, False) for _ in range(4)] == [B, B, A, A]
    assert (record.trial, record.failed, record.failed_id) == (KEPT, 1, b"new.")


def test_a_version_that_failed_twice_is_refused() -> None:
    """The same version gets a second trial, no third; another one does."""
    record = kept_a()
    found = [OLD_VERSION, NEW_VERSION]
    for _ in range(2):
        assert slot_record.offer(record, B, NEW_VERSION) == TRIED
        assert [decide(record, found, False) for _ in range(3)] == [B, B, A]
    assert slot_record.offer(record, B, NEW_VERSION) == FAILED_TWICE
    assert slot_record.offer(record, B, one(b"more")) == TRIED
    assert record.failed == 2


@pytest.mark.parametrize("slot", [A, B])
def test_nothing_is_offered_that_is_not_there_or_runs(slot: int) -> None:
    """A slot without a whole version, and the slot in use, are refused."""
    record = kept_a(kept=slot)
    assert slot_record.offer(record, 1 - slot, None) == NOT_WHOLE
    assert slot_record.offer(record, slot, NEW_VERSION) == IN_USE
    assert record.trial == KEPT


def test_other_limits_wait_for_arming() -> None:
    """A version with other limits starts only while the arming input is held; old and new hash are in the record."""
    record = kept_a()
    assert slot_record.offer(record, B, OTHER_LIMITS) == WAITING
    found = [OLD_VERSION, OTHER_LIMITS]
    assert [decide(record, found, False) for _ in range(3)] == [A] * 3
    assert record.trial == WAITS
    assert decide(record, found, True) == B
    assert (record.trial, record.old_limits, record.new_limits) == (ON_TRIAL, OLD, NEW)


def test_armed_once_is_armed_for_the_trial() -> None:
    """The second start of the trial needs no hand on the key; after a rollback the old limits are in force."""
    record = kept_a()
    slot_record.offer(record, B, OTHER_LIMITS)
    found = [OLD_VERSION, OTHER_LIMITS]
    assert [decide(record, found, armed) for armed in (True, False, False)] == [B, B, A]
    assert record.limits == OLD
    assert slot_record.offer(record, B, OTHER_LIMITS) == WAITING


def test_the_first_version_of_all_waits_for_arming() -> None:
    """On a fresh node no limits are in force: whoever brings the first ones holds the arming input."""
    record = Record()
    assert decide(record, [NEW_VERSION, None], False) == NONE
    assert record.trial == WAITS
    assert decide(record, [NEW_VERSION, None], True) == A


def test_a_trial_without_an_old_version_goes_on() -> None:
    """Where there is nothing to go back to, the version on trial is started again."""
    record = Record()
    assert [decide(record, [NEW_VERSION, None], True) for _ in range(5)] == [A] * 5
    assert (record.trial, record.failed) == (ON_TRIAL, 0)


@pytest.mark.parametrize(("other", "armed", "slot"), [
    (OLD_VERSION, False, B), (OTHER_LIMITS, False, NONE), (OTHER_LIMITS, True, B), (None, True, NONE)])
def test_a_damaged_version_gives_way(other: Any, armed: bool, slot: int) -> None:
    """The kept version fails its check: another whole one takes over under the same rule of arming, else none."""
    assert decide(kept_a(), [None, other], armed) == slot


def test_a_version_that_failed_is_no_way_out() -> None:
    """A damaged node does not fall back to the version that was rolled back."""
    assert decide(kept_a(failed_id=b"new.", again=1), [None, NEW_VERSION], True) == NONE


@pytest.mark.parametrize("trial", [ON_TRIAL, WAITS])
def test_a_new_version_that_vanished_counts_as_failed(trial: int) -> None:
    """What was to be tried and is not whole any more: the old one starts."""
    record = kept_a(trial=trial, slot=B)
    assert decide(record, [OLD_VERSION, None], True) == A
    assert (record.trial, record.failed) == (KEPT, 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(slot_record, "FOLDER", f"{tmp_path}/")
    return tmp_path


def test_the_record_is_written_in_turn(folder: Path) -> None:
    """Two files; the newer counts, and when it is torn, cut or flipped, the older does."""
    for failed in range(4):
        slot_record.save(kept_a(failed=failed, count=failed))
    newer, older = sorted(folder.glob("record_*"), key=lambda p: p.stat().st_mtime_ns, reverse=True)
    assert slot_record.load().failed == 3
    whole = newer.read_bytes()
    for damaged in (b"", whole[:-1], whole + b"\0", *(flipped(whole, bit) for bit in range(8 * len(whole)))):
        newer.write_bytes(damaged)
        assert slot_record.load().failed == 2
    older.unlink()
    assert slot_record.load().kept == NONE


def flipped(data: bytes, bit: int) -> bytes:
    return data[:bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1:]


def test_every_byte_of_a_version_counts(folder: Path) -> None:
    """Any one flipped bit, a byte too few or too many: no version."""
    path = folder / "slot_a.2lb"
    whole = Image("bench", "some_pack", (1, 2, 3), 0, OLD, (("app.py", b"x = 1\n"), ("other.py", b"y = 2\n"))).data()
    data = whole[:-32]
    path.write_bytes(whole)
    found = look(str(path))
    assert found is not None and found.id == whole[-32:-28] and found.pack == b"some_pack"
    for damaged in (b"", data, whole[:-1], whole + b"\0", *(flipped(whole, bit) for bit in range(8 * len(whole)))):
        path.write_bytes(damaged)
        assert look(str(path)) is None
    assert look(str(folder / "absent")) is None


@pytest.fixture
def keeping(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The application runs from slot B, on trial."""
    monkeypatch.setattr(sys, "path", ["/b", *sys.path])
    slot_record.save(kept_a(slot=B, trial=ON_TRIAL, boots=1, failed=3, slot_limits=NEW))
    return folder


def test_keep_makes_the_trial_the_kept_version(keeping: Path) -> None:
    """Slot, limits in force and count of failures follow; a second call changes nothing."""
    slot_record.keep()
    record = slot_record.load()
    assert (record.kept, record.trial, record.limits, record.failed) == (B, KEPT, NEW, 0)
    slot_record.keep()
    assert slot_record.load().count == record.count


def test_no_update_while_on_trial(keeping: Path) -> None:
    """The version that runs on trial has the slot; the one to go back to is not overwritten."""
    assert slot_record.make_room() is None
    assert slot_record.start_other(b"bench") == IN_USE


def test_making_room_withdraws_what_waited(folder: Path) -> None:
    """A waiting version that is overwritten is no failure."""
    (folder / "slot_b.2lb").write_bytes(b"waits")
    slot_record.save(kept_a(slot=B, trial=WAITS))
    assert slot_record.make_room() == str(folder / "slot_b.2lb")
    assert not (folder / "slot_b.2lb").exists()
    assert slot_record.load().trial == KEPT


# The whole way on MicroPython.


@pytest.fixture
def node(tmp_path: Path) -> BootFolder:
    return BootFolder(tmp_path / "node", need("micropython32"))


@pytest.fixture
def settled(node: BootFolder) -> BootFolder:
    """A node that keeps version "one" in slot A."""
    node.put("a", version("one", "slot_record.keep()"))
    node.jumper("arming")
    assert "app one (0, 1, 0)" in node.start()
    node.jumper("arming", False)
    return node


def test_outputs_go_off_first_and_last(settled: BootFolder) -> None:
    """Off in boot.py, off in main.py, then the application, off again, reset."""
    assert settled.start() == ["drop", "drop", "guard 8000", "app one (0, 0, 0)", "drop", "reset"]


def test_off_is_the_first_statement() -> None:
    """boot.py and main.py import safe and drop the outputs before they do anything else."""
    for name in ("boot.py", "main.py"):
        body = ast.parse((BOOT / name).read_text()).body
        assert [ast.unparse(statement) for statement in body[1:3]] == ["import safe", "safe.drop()"]


@pytest.mark.parametrize(("body", "word"), [
    ("1 / 0", "ZeroDivisionError"), ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("bytearray(90000)", "MemoryError"), ("import nothing_there", "ImportError"), ("raise SystemExit", "SystemExit")])
def test_whatever_ends_the_application(settled: BootFolder, body: str, word: str) -> None:
    """Outputs off, reset, and never the prompt; the error's text stays."""
    settled.put("a", version("bad", body))
    lines = settled.start()
    assert lines[-2:] == ["drop", "reset"] and "prompt" not in lines
    assert word in (settled.path / "last_error.txt").read_text()


def test_an_error_that_comes_again_is_not_written_again(settled: BootFolder) -> None:
    """A node in a reset loop does not wear its flash."""
    settled.put("a", version("bad", "1 / 0"))
    settled.start()
    error = settled.path / "last_error.txt"
    before = error.stat().st_mtime_ns
    settled.start()
    assert error.stat().st_mtime_ns == before


def test_a_node_that_lost_its_boot_modules_stays_off(settled: BootFolder) -> None:
    """Without slots.py there is no start: outputs off, reset."""
    (settled.path / "slots.py").unlink()
    lines = settled.start()
    assert lines[:2] == ["drop", "drop"] and lines[-2:] == ["drop", "reset"]


def test_the_service_jumper_starts_nothing(settled: BootFolder) -> None:
    """No application, no watchdog, the prompt, outputs off."""
    settled.jumper("service")
    assert settled.start() == ["drop", "drop", "prompt"]


def test_service_is_asked_for_once(settled: BootFolder) -> None:
    """The application may ask for the service state; the next reset brings the application back."""
    settled.run("import slot_record; slot_record.ask_service()")
    assert settled.start() == ["drop", "drop", "drop", "prompt"]
    assert "app one (0, 0, 0)" in settled.start()


def test_a_trial_that_is_kept(settled: BootFolder) -> None:
    """Put beside, offered, started on trial, kept by itself, and still there after the next reset."""
    assert settled.offer("b", version("two", "slot_record.keep()")) == ["0"]
    assert "app two (1, 1, 0)" in settled.start()
    assert "app two (1, 0, 0)" in settled.start()


def test_a_trial_that_crashes_is_rolled_back(settled: BootFolder) -> None:
    """Two starts, then the old version, which says that one was rolled back."""
    settled.offer("b", version("two", "1 / 0"))
    told = [next(line for line in settled.start() if line.startswith("app")) for _ in range(4)]
    assert told == ["app two (1, 1, 0)"] * 2 + ["app one (0, 0, 1)"] * 2


def test_a_trial_that_does_nothing_is_rolled_back(settled: BootFolder) -> None:
    """A version that never proves itself goes as well, after its second reset."""
    settled.offer("b", version("two"))
    told = [next(line for line in settled.start() if line.startswith("app")) for _ in range(3)]
    assert told[-1] == "app one (0, 0, 1)"


def test_limits_change_only_with_the_arming_jumper(settled: BootFolder) -> None:
    """Without it the old version runs and says that another waits."""
    assert settled.offer("b", version("two", "slot_record.keep()", limits=8)) == ["1"]
    assert "app one (0, 2, 0)" in settled.start()
    settled.jumper("arming")
    assert "app two (1, 1, 0)" in settled.start()
    settled.jumper("arming", False)
    assert "app two (1, 0, 0)" in settled.start()


@pytest.mark.parametrize("image", [version("foreign", board="another"), version("foreign", architecture=7)])
def test_a_version_for_another_board_or_core_is_none(settled: BootFolder, image: Any) -> None:
    """It is refused when it is offered, and not started when it is found in the slot."""
    assert settled.offer("b", image) == ["2"]
    (settled.path / "slot_a.2lb").unlink()
    assert settled.start() == ["drop", "drop", "drop", "prompt"]


def test_a_damaged_slot_is_not_started(settled: BootFolder) -> None:
    """One wrong byte in the kept version: the other one, with the same limits, takes over."""
    settled.put("b", version("two"))
    file = settled.path / "slot_a.2lb"
    file.write_bytes(flipped(file.read_bytes(), 2000))
    assert "app two (1, 1, 0)" in settled.start()


# Each board's safe.py.


class FakePin:
    """machine.Pin: what was set, and what the pins show."""

    IN, OUT, PULL_UP, PULL_DOWN = range(4)
    set: ClassVar[dict[Any, int]]
    shown: ClassVar[dict[Any, int]]
    broken: ClassVar[Any]

    def __init__(self, name: Any, mode: int | None = None, pull: int | None = None, value: int | None = None) -> None:
        self.name = name
        if mode == FakePin.OUT and value is not None:
            if name == FakePin.broken:
                raise OSError(5)
            FakePin.set[name] = value
        self.idle = 1 if pull == FakePin.PULL_UP else 0

    def value(self) -> int:
        return FakePin.shown.get(self.name, FakePin.set.get(self.name, self.idle))


@pytest.fixture(params=["nucleo_g474re", "pico_mcp2515"])
def safe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    machine = types.ModuleType("machine")
    machine.Pin, machine.reset = FakePin, lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "machine", machine)
    FakePin.set, FakePin.shown, FakePin.broken = {}, {}, None
    path = data_path("firmware", "boards", request.param, "safe.py")
    spec = importlib.util.spec_from_file_location("safe_of_board", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.BOARD.decode() == request.param
    return module


def test_drop_sets_every_output_low(safe: Any) -> None:
    """All four, also when one of them cannot be set."""
    safe.drop()
    assert FakePin.set == dict.fromkeys(safe.OUTPUTS, 0) and len(safe.OUTPUTS) == 4
    for broken in safe.OUTPUTS:
        FakePin.set, FakePin.broken = {}, broken
        safe.drop()
        assert set(FakePin.set) == set(safe.OUTPUTS) - {broken}


def test_open_means_measured_open(safe: Any) -> None:
    """An output's pin that is held high, or one closed auxiliary contact, is not open."""
    safe.drop()
    assert safe.outputs_open()
    for name in (*safe.OUTPUTS, *safe.AUX):
        FakePin.shown = {name: 1}
        assert not safe.outputs_open()


def test_jumpers_pull_to_ground(safe: Any) -> None:
    """Nothing there is neither service nor armed."""
    assert not safe.service() and not safe.arming()
    FakePin.shown = dict.fromkeys((safe._SERVICE, safe._ARMING), 0)
    assert safe.service() and safe.arming()


@pytest.mark.parametrize("board", ["nucleo_g474re", "pico_mcp2515"])
def test_safe_needs_nothing_but_the_machine(board: str) -> None:
    """It imports nothing that an update could break."""
    tree = ast.parse(data_path("firmware", "boards", board, "safe.py").read_text())
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [node.module for node in used if isinstance(node, ast.ImportFrom)] == ["machine"] and len(used) == 1


def test_the_trial_states_are_those_of_the_contract() -> None:
    """0 kept, 1 on trial, 2 waits: what NodeInfo's FirmwareTrial says."""
    assert (KEPT, ON_TRIAL, WAITS, slots.MOST_BOOTS) == (0, 1, 2, 2)
