"""The real boards' application on 32-bit MicroPython: heap locked in each cycle, and every step as on CPython."""

from __future__ import annotations

import os
import shutil
import subprocess
from array import array
from pathlib import Path
from typing import Any

import pytest

from firmware.boards.node_bench import LEAF, LFP, NODE, POOL, save
from firmware.boards.taped_board import CAN, PLAYED, TapedHardware
from servers.need import need
from twolbms.build.columns import limit_image
from twolbms.build.heap import RUNTIME_ARCHITECTURE
from twolbms.build.image import build_image, read_board
from twolbms.config.site_packs import load_guarded_pack
from twolbms.files import data_path

CYCLES = 60
ALL = [(board, pack) for board in ("nucleo_g474re", "pico_mcp2515") for pack in (LFP, LEAF, POOL)]

STEPS = '''
def told(loop):
    node = loop.node
    m = node.measure
    pins = loop.real.pins
    return (node.contactor.state, node.contactor.paths, node.contactor.precharge, pins.outputs, pins.feedback,
            1 if m.known else 0, m.cell_min_mv, m.temp_min_dc, m.pack_mv, m.link_mv, m.current_ma, m.second_ma,
            m.supply_mv, 1 if node.healthy else 0, loop.memory.bad, loop.code)
'''
SCRIPT = '''
import machine
from board import Board
from running.begin import make

board = Board()
loop = make(board, machine.Clock())
for _ in range(CYCLES):
    loop.step()
    print("cycle", *told(loop))
print("fed", machine.WDT.feeds, len(machine.TAPE.answers) - machine.TAPE.n)
'''


def on_cpython(hardware: TapedHardware, pack: str) -> list[tuple[int, ...]]:
    """What the application told in each cycle of its second life, the one that is taped."""
    with hardware.life(pack) as life:
        save(life, number=NODE)
    shutil.copytree(hardware.folder, hardware.folder.parent / "played")
    names: dict[str, Any] = {}
    exec(STEPS, names)
    hardware.begin()
    with hardware.life(pack, "HARD_RESET") as life:
        lines = []
        for _ in range(CYCLES):
            life.cycles()
            lines.append(names["told"](life.loop))
        return lines


def play(hardware: TapedHardware, pack: str, backup: list[int], typed: bytes, built: bool = False) -> str:
    """The same on MicroPython, from the sources or as the build compiles them: what it printed."""
    folder = hardware.folder.parent / "played"
    (folder / "machine.py").write_text(
        f"from array import array\n{CAN}\nANSWERS = {hardware.answers!r}\n{PLAYED}\n_BACKUP = array('I', {backup!r})\n"
        "def mem_backup():\n    return _BACKUP\n")
    (folder / "built.py").write_text(f'BOARD = "{hardware.board}"\nPACK = "{pack}"\n')
    (folder / "disk.py").write_text('FOLDER = ""\n')
    (folder / "play.py").write_text(f"CYCLES = {CYCLES}\n{STEPS}{SCRIPT}")
    source = [data_path("firmware", *part) for part in (("boards", hardware.board), ("src",), ("boot",))]
    if built:
        unpack(hardware.board, pack, folder / "version")
        shutil.copy(source[0] / "safe.py", folder)
        source = [folder / "version"]
    surroundings = {**os.environ, "MICROPYPATH": ":".join([str(folder), *map(str, source)])}
    done = subprocess.run([need("micropython32").program, "-X", "heapsize=8m", "play.py"], cwd=folder, input=typed,
                          env=surroundings, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:].decode() + done.stdout[-500:].decode()
    return done.stdout.decode()


def unpack(board: str, pack: str, folder: Path) -> None:
    """The files of a version, compiled for this runtime's core."""
    limits = limit_image(load_guarded_pack(data_path("packs", f"{pack}.yaml")))
    for name, content in build_image(read_board(board), limits, RUNTIME_ARCHITECTURE).files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.need("micropython32")
@pytest.mark.parametrize(("board", "pack"), [("nucleo_g474re", LFP), ("pico_mcp2515", LEAF)])
def test_a_version_as_built_does_the_same(board: str, pack: str, tmp_path: Path) -> None:
    """Folded constants, short names and machine code change nothing: the same transfers, the same numbers."""
    (tmp_path / "node").mkdir()
    hardware = TapedHardware(board, pack, tmp_path / "node")
    hardware.backup = array("I", [0] * 8)
    expected = on_cpython(hardware, pack)
    printed = play(hardware, pack, [0] * 8, b"", built=True).splitlines()
    assert [tuple(map(int, line.split()[1:])) for line in printed if line.startswith("cycle")] == expected


@pytest.mark.need("micropython32")
@pytest.mark.parametrize(("board", "pack"), ALL)
def test_each_cycle_is_the_same_and_takes_no_memory(board: str, pack: str, tmp_path: Path) -> None:
    """From the start of the chips to closed outputs: the same transfers in the same order give the same numbers."""
    (tmp_path / "node").mkdir()
    hardware = TapedHardware(board, pack, tmp_path / "node")
    hardware.backup = array("I", [0] * 8)
    with hardware.life(pack) as life:
        save(life, number=NODE)
    backup = list(hardware.backup)
    shutil.rmtree(tmp_path / "played", ignore_errors=True)
    expected = on_cpython(hardware, pack)
    printed = play(hardware, pack, backup, b"\x03noise\r2lbms status\r").splitlines()
    told = [tuple(map(int, line.split()[1:])) for line in printed if line.startswith("cycle")]
    assert told == expected
    assert f"2lbms {board} slot - kept, rolled back 0" in printed
    assert f"fed {CYCLES} 0" in printed
    if pack != LEAF:
        assert told[-1][:4] == (3, 3, 0, 3)  # closed, both paths, no precharge any more
