"""An update on the emulated Cortex-M3, as on a bench: boot files, flash that stays, console, trial, rollback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.small_app import SERVING
from servers.need import need
from twolbms.build.columns import LimitImage
from twolbms.build.emulated_node import EmulatedNode
from twolbms.build.flash import Flasher, install_boot
from twolbms.build.image import Image, build_image, read_board, source_folders
from twolbms.build.node_port import SerialNodePort
from twolbms.build.sizes import largest_pack
from twolbms.build.upload import flash_emulated
from twolbms.build.verdict import Outcome
from twolbms.files import data_path

MISC = 0x4002804C  # the emulated board's output pins
APP = SERVING + """
VERSION = {version}

def main():
    machine.mem32[0x4002804C] = 5
    {body}
    serve()
"""


def image(folder: Path, version: int, body: str = "pass", limits: int = 1) -> Image:
    """A node's application in small: sets outputs, answers on the console, keeps itself."""
    source = folder / f"app_{version}"
    source.mkdir()
    (source / "app.py").write_text(APP.format(version=version, body=body))
    folders = [source, data_path("firmware", "src"), data_path("firmware", "boot")]
    return build_image(read_board("qemu"), LimitImage("small", {"CELLS": 1}, limits), sources=folders)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[EmulatedNode]:
    need("qemu")
    pytest.importorskip("mpremote", reason="needs mpremote")
    board = EmulatedNode(tmp_path / "flash")
    threading.Thread(target=board.serve, daemon=True).start()
    yield board
    board.close()


def test_an_update_on_the_emulated_board(board: EmulatedNode, tmp_path: Path) -> None:
    """A bare board gets its boot files and a first version, keeps it, and rolls a bad one back by itself."""
    port = SerialNodePort(board.address)
    said: list[str] = []
    flasher = Flasher(port, said.append)
    install_boot(port, "qemu", said.append)
    port.run("open('/arming_jumper', 'w').close()")
    assert flasher.flash(image(tmp_path, 1), 60.0) is Outcome.KEPT
    assert port.ask("2lbms status", 3.0) == "2lbms qemu slot a kept, rolled back 0"
    # the second version comes from the running one by way of service, crashes twice, and is gone again
    assert flasher.flash(image(tmp_path, 2, "1 / 0"), 60.0) is Outcome.ROLLED_BACK
    assert port.ask("2lbms status", 3.0) == "2lbms qemu slot a kept, rolled back 1"
    # in service the outputs that the application had set are off, and the error is there to be read
    assert port.ask("2lbms service", 3.0, "2lbms service ") == "2lbms service accepted"
    assert flasher._at_prompt(15.0)
    assert port.run(f"import machine\nprint(machine.mem32[{MISC}])").strip() == "0"
    assert "ZeroDivisionError" in port.run("print(open('/last_error.txt').read())")
    port.close()


def test_the_node_itself_is_kept_and_comes_back(tmp_path: Path) -> None:
    """As `pio run -t upload` does it, the largest pack: kept, and back from an update that ends by itself."""
    need("qemu")
    pytest.importorskip("mpremote", reason="needs mpremote")
    board, limits = read_board("qemu"), largest_pack()
    said: list[str] = []
    assert flash_emulated(build_image(board, limits), 120.0, tmp_path, said.append) is Outcome.KEPT
    assert "an emulated board, empty" in said[0] and any("/slots/slot_a.2lb" in line for line in said)
    # one that ends after its first cycle
    folder = tmp_path / "broken"
    folder.mkdir()
    text = data_path("firmware", "boards", "qemu", "app.py").read_text(encoding="utf-8")
    assert text.count("make_loop().run()") == 1
    (folder / "app.py").write_text(text.replace("make_loop().run()", "make_loop().step()\n    1 / 0"))
    broken = build_image(board, limits, sources=[folder, *source_folders("qemu")])
    said.clear()
    assert flash_emulated(broken, 120.0, tmp_path, said.append) is Outcome.ROLLED_BACK
    assert "with what it kept" in said[0] and "slot a kept, rolled back 0" in said[1]
    assert any("/slots/slot_b.2lb" in line for line in said) and "ZeroDivisionError" in said[-1]
