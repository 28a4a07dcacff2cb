"""Flashing over a node's console: service, outputs open, the other slot, a trial, and the node's own verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from firmware.boot_folder import BOARD, BootFolder, version
from servers.need import need
from twolbms.build import node_port
from twolbms.build.flash import Flasher, boot_files, install_boot
from twolbms.build.node_port import PortError, SerialNodePort
from twolbms.build.verdict import FlashError, Outcome, SlotState, verdict


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


class FolderPort:
    """A node whose file system is a folder: its boot files, its prompt and its versions run on MicroPython."""

    def __init__(self, node: BootFolder, serves: bool = True) -> None:
        self.node = node
        self.serves = serves  # the application answers on the console
        self.answer = "2lbms service accepted"
        self.board = BOARD
        self.at_prompt = not serves
        self.written: list[str] = []
        self.spoil = False
        self.told = SlotState(0, 0, 0)

    def ask(self, line: str, wait_s: float = 1.0, begins: str = "2lbms ") -> str:
        if not self.serves:
            return ""
        if line == "2lbms service":
            self.at_prompt = self.answer.endswith("accepted")
            self.serves = not self.at_prompt
            return self.answer
        state = ("kept", "on trial", "waits for arming")[self.told.trial]
        return f"2lbms {self.board} slot {'ab'[self.told.slot]} {state}, rolled back {self.told.failed}"

    def prompt(self) -> bool:
        return self.at_prompt

    def run(self, code: str) -> str:
        lines = self.node.run(code)
        if any("Error" in line for line in lines):
            raise PortError("\n".join(lines))
        return "\n".join(lines)

    def put(self, path: str, data: bytes, progress: Any) -> None:
        self.written.append(path)
        (self.node.path / path).write_bytes(b"?" + data[1:] if self.spoil else data)
        progress(len(data), len(data))

    def leave(self, code: str) -> None:
        """The resets until the application stays: up to four, as crashes go."""
        assert code.endswith("safe.reset()")
        for _ in range(4):
            lines = self.node.start()
            told = next((line for line in lines if line.startswith("app ")), None)
            if told is None:
                self.serves, self.at_prompt = False, True
                return
            self.told = SlotState(*eval(told.split(" ", 2)[2]))
        self.serves, self.at_prompt = True, False

    def close(self) -> None:
        """Nothing to give back."""


@pytest.fixture
def node(tmp_path: Path) -> BootFolder:
    """Keeps version "one" in slot A."""
    node = BootFolder(tmp_path / "node", need("micropython32"))
    node.put("a", version("one", "slot_record.keep()"))
    node.jumper("arming")
    node.start()
    node.jumper("arming", False)
    return node


def flasher(port: FolderPort, said: list[str] | None = None) -> Flasher:
    clock = Clock()
    return Flasher(port, (said if said is not None else []).append, clock.sleep, clock)


def test_a_good_version_is_kept(node: BootFolder) -> None:
    """Asked into service, measured open, written to the other slot, checked there, kept: each step is told."""
    port, said = FolderPort(node), []
    assert flasher(port, said).flash(version("two", "slot_record.keep()")) is Outcome.KEPT
    assert port.written == ["slot_b.2lb"] and port.told.slot == 1
    story = "\n".join(said)
    places = [story.index(step) for step in ("asking for service", "measured open", "sending", "whole", "resetting")]
    assert places == sorted(places)


def test_a_bad_version_is_rolled_back(node: BootFolder) -> None:
    """The tool waits for the node's own verdict and says which it was."""
    port = FolderPort(node)
    assert flasher(port).flash(version("two", "1 / 0")) is Outcome.ROLLED_BACK
    assert port.told == SlotState(0, 0, 1)


def test_a_version_that_proves_nothing_is_undecided(node: BootFolder) -> None:
    """A node that stays on trial for longer than one waits is not called good."""
    port = FolderPort(node)
    port.told = SlotState(1, 1, 0)
    assert flasher(port)._wait(SlotState(0, 0, 0), False, 30.0) is Outcome.UNDECIDED


def test_other_limits_wait_for_arming(node: BootFolder) -> None:
    """The node goes on with the old version and the tool says what to do."""
    said: list[str] = []
    port = FolderPort(node)
    outcome = flasher(port, said).flash(version("two", "slot_record.keep()", limits=8))
    assert outcome is Outcome.WAITS and "arming" in outcome.value
    assert any("only while the arming input is held" in line for line in said)


def test_other_limits_with_the_arming_input_held(node: BootFolder) -> None:
    """They are kept like any other version."""
    node.jumper("arming")
    assert flasher(FolderPort(node)).flash(version("two", "slot_record.keep()", limits=8)) is Outcome.KEPT


def test_the_first_version_waits_at_the_prompt(tmp_path: Path) -> None:
    """On a node without any version the tool does not wait for an application that cannot start."""
    fresh = BootFolder(tmp_path / "fresh", need("micropython32"))
    port = FolderPort(fresh, serves=False)
    assert flasher(port).flash(version("one", "slot_record.keep()")) is Outcome.WAITS
    assert port.written == ["slot_a.2lb"]


def test_a_refused_service_changes_nothing(node: BootFolder) -> None:
    """A node that is closed says so, and nothing is written."""
    port = FolderPort(node)
    port.answer = "2lbms service refused: it is not open"
    with pytest.raises(FlashError, match="it is not open"):
        flasher(port).flash(version("two"))
    assert port.written == []


def test_outputs_that_stay_closed_stop_it(node: BootFolder) -> None:
    """In service, but an output is not measured open: nothing is written."""
    safe = node.path / "safe.py"
    safe.write_text(safe.read_text().replace("return True\ndef reset", "return False\ndef reset"))
    port = FolderPort(node)
    with pytest.raises(FlashError, match="not measured open: nothing was changed"):
        flasher(port).flash(version("two"))
    assert port.written == []


def test_nobody_there(node: BootFolder) -> None:
    """Neither an application nor a prompt: the tool says what a hand can do."""
    port = FolderPort(node)
    port.serves = False
    with pytest.raises(FlashError, match="service jumper"):
        flasher(port).flash(version("two"))


@pytest.mark.parametrize("serves", [True, False])
def test_an_image_for_another_board_is_not_sent(node: BootFolder, serves: bool) -> None:
    """Whether the application or the prompt tells which board it is."""
    port = FolderPort(node, serves)
    with pytest.raises(FlashError, match=r"for another, the node is a bench"):
        flasher(port).flash(version("two", board="another"))
    assert port.written == []


def test_what_arrives_damaged_is_not_started(node: BootFolder) -> None:
    """The node's own check decides; it goes on with the old version."""
    port = FolderPort(node)
    port.spoil = True
    with pytest.raises(FlashError, match="did not arrive whole"):
        flasher(port).flash(version("two"))
    assert "app one (0, 0, 0)" in node.start()


def test_a_version_that_failed_twice_is_refused(node: BootFolder) -> None:
    """The third try ends with the reason."""
    for _ in range(2):
        assert flasher(FolderPort(node)).flash(version("two", "1 / 0")) is Outcome.ROLLED_BACK
    with pytest.raises(FlashError, match="rolled back twice"):
        flasher(FolderPort(node)).flash(version("two", "1 / 0"))


@pytest.mark.parametrize(("now", "outcome"), [
    (SlotState(1, 0, 0), Outcome.KEPT), (SlotState(1, 1, 1), None), (SlotState(0, 0, 2), Outcome.ROLLED_BACK),
    (SlotState(0, 0, 1), None), (SlotState(0, 2, 1), Outcome.WAITS), (SlotState(1, 2, 0), None), (None, None)])
def test_the_verdict(now: SlotState | None, outcome: Outcome | None) -> None:
    """From slot A with one failure before: what a report afterwards means, and when it means nothing yet."""
    assert verdict(SlotState(0, 0, 1), now) is outcome


# The boot files.


class BarePort(FolderPort):
    """A MicroPython without anything of ours."""

    def __init__(self, folder: Path) -> None:
        self.lacks = ""
        self.damage = ""
        super().__init__(BootFolder(folder, need("micropython32")), serves=False)
        for path in folder.iterdir():
            path.unlink()

    def run(self, code: str) -> str:
        return str(self.lacks not in code) if self.lacks and "hasattr" in code else super().run(code)

    def put(self, path: str, data: bytes, progress: Any) -> None:
        super().put(path, data + b"#" if path == self.damage else data, progress)


def test_the_boot_files_are_put_and_compared(tmp_path: Path) -> None:
    """Everything the node starts with, main.py last: until then a bare board stays at its prompt."""
    port = BarePort(tmp_path / "bare")
    install_boot(port, "qemu", lambda _: None)
    assert port.written[0] == "safe.py" and port.written[-1] == "main.py"
    assert set(port.written) == set(boot_files("qemu")) > {"boot.py", "slots.py", "slot_record.py", "version.py"}


def test_a_boot_file_that_reads_back_differently_is_found(tmp_path: Path) -> None:
    """And main.py is not written then."""
    port = BarePort(tmp_path / "bare")
    port.damage = "slots.py"
    with pytest.raises(PortError, match=r"slots\.py reads back differently"):
        install_boot(port, "qemu", lambda _: None)
    assert "main.py" not in port.written


@pytest.mark.parametrize(("lacks", "words"), [("VfsLfs2", "littlefs2"), ("VfsRom", "ROMFS")])
def test_a_runtime_without_its_file_systems_is_refused(tmp_path: Path, lacks: str, words: str) -> None:
    """MicroPython's own image for the NUCLEO-G474RE has neither: a power cut would cost the node its files, and its
    heap could not hold a version."""
    port = BarePort(tmp_path / "bare")
    port.lacks = lacks
    with pytest.raises(FlashError, match=rf"no {words}: see docs/flashing\.md"):
        install_boot(port, "nucleo_g474re", lambda _: None)
    assert port.written == []


@pytest.mark.parametrize("board", ["nucleo_g474re", "pico_mcp2515", "qemu"])
def test_the_boot_files_fit_beside_each_other(board: str) -> None:
    """In 24 KB of blocks of 512 bytes, with room to write the longest anew; what they do is what was written."""
    files = boot_files(board)
    blocks = [-(-len(data) // 512) for data in files.values()]
    assert 2 + sum(blocks) + max(blocks) <= 48
    assert all(b"#" not in data and b'"""' not in data for data in files.values())
    assert files["boot.py"] == b"import safe\nsafe.drop()\n"


def test_the_nucleo_brings_its_disk() -> None:
    """Its versions lie on a file system of their own."""
    assert list(boot_files("nucleo_g474re"))[:2] == ["safe.py", "disk.py"]
    assert "format.py" not in boot_files("nucleo_g474re")


# The serial port.


class _Wire:
    """pyserial's side: what had come, what comes as an answer, and what was sent."""

    def __init__(self, incoming: bytes, answer: bytes) -> None:
        self.incoming = incoming
        self.answer = answer
        self.sent = b""

    def inWaiting(self) -> int:
        return len(self.incoming)

    def read(self, count: int) -> bytes:
        data, self.incoming = self.incoming[:count], self.incoming[count:]
        return data

    def write(self, data: bytes) -> None:
        self.sent += data
        self.incoming += self.answer


class _Transport:
    is_pty = False

    def __init__(self, incoming: bytes = b"", answer: bytes = b"") -> None:
        self.serial = _Wire(incoming, answer)

    def close(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(("comes", "line"), [
    (b"2lbms bench slot a kept, rolled back 0\r\n", "2lbms bench slot a kept, rolled back 0"),
    (b"2lbms status\r\nnoise\r\n2lbms bench slot b kept, rolled back 1\r\n", "2lbms bench slot b kept, rolled back 1"),
    (b">>> 2lbms status\r\nTraceback\r\nSyntaxError: invalid syntax\r\n>>> ", ""), (b"2lbms cut off", ""), (b"", "")])
def test_one_line_is_an_answer(monkeypatch: pytest.MonkeyPatch, comes: bytes, line: str) -> None:
    """Echo, noise, a prompt's complaint, half a line, and what had come before, are none."""
    transport = _Transport(b"2lbms bench slot a kept, rolled back 9\r\n", comes)
    monkeypatch.setattr(SerialNodePort, "_open", lambda self: setattr(self, "_transport", transport))
    assert SerialNodePort("x").ask("2lbms status", 0.05) == line
    assert transport.serial.sent == b"\r2lbms status\r"


def test_a_port_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its name and the reason; without mpremote, what to install."""
    pytest.importorskip("mpremote", reason="needs mpremote")
    with pytest.raises(PortError, match="nothing_here cannot be opened"):
        SerialNodePort(str(tmp_path / "nothing_here"))
    monkeypatch.setitem(sys.modules, "mpremote.transport_serial", None)
    with pytest.raises(PortError, match=r"pip install '2lbms\[firmware\]'"):
        SerialNodePort("/dev/null")


def test_a_port_that_goes_and_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is away there is no answer; when it is back, it is used again."""
    opened: list[_Transport] = []

    def opens(self: SerialNodePort) -> None:
        if len(opened) == 1:
            opened.append(_Transport())
            raise PortError("away")
        opened.append(_Transport(answer=b"2lbms bench slot a kept, rolled back 0\r\n"))
        self._transport = opened[-1]

    monkeypatch.setattr(SerialNodePort, "_open", opens)
    monkeypatch.setattr(node_port.time, "sleep", lambda _: None)
    port = SerialNodePort("x")
    port.close()
    assert port.ask("2lbms status") == ""
    assert port.ask("2lbms status").startswith("2lbms bench")
