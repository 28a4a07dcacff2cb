"""The firmware as a microcontroller runs it: compiled for a Cortex-M3, in 96 KiB of heap, with native code, emulated.

These are a few stories; `make node-proof` plays all of them.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from twolbms.build.columns import limit_image
from twolbms.build.emulated_board import EMULATED, HEAP_BYTES
from twolbms.build.emulator import BoardStopped, Emulator
from twolbms.build.romfs import romfs_image
from twolbms.config.site_packs import load_guarded_pack
from twolbms.files import data_path
from twolbms.scenario import nodes
from twolbms.scenario.nodes import emulated_files
from twolbms.scenario.play import play_file
from twolbms.scenario.same import compare

pytestmark = pytest.mark.need("qemu")
STORIES = Path(__file__).resolve().parents[1] / "scenarios"
FEW = ("lfp_8s_320ah/closing", "lfp_8s_320ah/balancing", "lfp_8s_320ah/cold_boot", "lfp_8s_320ah/told_values",
       "leaf_2013_14s/clock_wraps_in_a_delay", "leaf_2013_14s/damaged_requests", "leaf_2013_14s/emergency_stop")
LEAST_FREE = 20 * 1024


def files(pack: Path | None = None) -> tuple[tuple[str, bytes], ...]:
    """The application of a pack's node."""
    path = pack or data_path("packs", "lfp_8s_320ah.yaml")
    return emulated_files(limit_image(load_guarded_pack(path)))


@pytest.fixture(scope="module")
def board() -> Iterator[Emulator]:
    """A board with the application in its ROMFS partition, at the prompt."""
    with Emulator(files()) as made:
        yield made


@pytest.mark.parametrize("story", FEW)
def test_a_story_is_the_same_to_the_byte(story: str) -> None:
    """It holds with the heap locked, and every output and every frame is that of CPython."""
    assert compare(STORIES / f"{story}.yaml", EMULATED).trouble is None


def test_an_allocation_in_a_cycle_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Firmware that takes memory inside the cycle dies here too, and its traceback is told."""
    shutil.copytree(data_path("firmware", "src"), tmp_path / "src")
    cycle = tmp_path / "src" / "node" / "cycle.py"
    text = cycle.read_text(encoding="utf-8")
    assert text.count("        # protect\n") == 1
    greedy = "        if self.requests.silent == 0:\n            bytearray(4)\n"
    cycle.write_text(text.replace("        # protect\n", greedy))
    monkeypatch.setattr(nodes, "firmware_folder", lambda: tmp_path / "src")
    found = play_file(STORIES / "lfp_8s_320ah" / "boot_open.yaml", EMULATED).difference
    assert found is not None and "MemoryError" in str(found.found)


@pytest.mark.parametrize("cells", [14, 128])
def test_20_kib_of_96_stay_free(cells: int, tmp_path: Path) -> None:
    """With the node made, native code loaded and a bus, at least 20 KiB are free: the unix port's figure holds here."""
    text = data_path("packs", "leaf_2013_14s.yaml").read_text(encoding="utf-8")
    path = tmp_path / f"leaf_2013_14s_{cells}.yaml"
    text = text.replace("pack: leaf_2013_14s", f"pack: {path.stem}").replace("series: 14", f"series: {cells}")
    path.write_text(text)
    with Emulator(files(path)) as board:
        board.run("import app, gc; made = app.make(1, True); gc.collect()")
        free, taken = map(int, board.run("print(gc.mem_free(), gc.mem_alloc())").split())
    print(f"{cells} cells: {free} bytes free with the node made, of {HEAP_BYTES}")
    assert HEAP_BYTES - 4096 < free + taken < HEAP_BYTES
    assert free >= LEAST_FREE


def test_it_is_a_microcontroller(board: Emulator) -> None:
    """32-bit words, single precision, the application imported from where it lies."""
    said = board.run("import sys, node.cycle; print(sys.maxsize, 1 / 3, node.cycle.__file__)").split()
    assert said == ["2147483647", "0.3333333", "/rom/node/cycle.mpy"]


def test_another_application_is_deployed() -> None:
    """An image written through the ROMFS partition's interface is there after a soft reset, as with `mpremote`."""
    image = romfs_image([("lib/hello.py", b"print('there')\n")])
    with Emulator() as board:
        board.run(f"from vfs import rom_ioctl as do; do(3, 0, {len(image)}); do(4, 0, 0, {image!r}); do(5, 0)")
        with pytest.raises(BoardStopped, match="no module named 'hello'"):
            board.run("import hello")
        board.soft_reset()
        assert board.run("import hello") == "there\r\n"


def test_littlefs_is_there(board: Emulator) -> None:
    """littlefs, on which a node keeps its record and its versions, is built in."""
    assert board.run("""
import os, vfs
class Ram:
    def __init__(self): self.d = bytearray(b"\\xff" * 8192)
    def readblocks(self, n, b, at=0): b[:] = self.d[512 * n + at:512 * n + at + len(b)]
    def writeblocks(self, n, b, at=0): self.d[512 * n + at:512 * n + at + len(b)] = b
    def ioctl(self, op, x): return 16 if op == 4 else 512 if op == 5 else 0
ram = Ram()
vfs.VfsLfs2.mkfs(ram)
vfs.mount(ram, "/disk")
with open("/disk/a", "w") as f: f.write("kept")
vfs.umount("/disk")
vfs.mount(ram, "/disk")
print(open("/disk/a").read())
""") == "kept\r\n"


HEAR = """
from drivers.uart_mps2 import BusUart, PlantUart
from micropython import heap_lock, heap_unlock
bus, one, part = BusUart(), bytearray(1), bytearray(100)
plant = PlantUart(bus)
def hear(count):
    heard = check = 0
    while heard < count:
        plant.readinto(one)
        n = bus.readinto(part)
        for i in range(n):
            check = (check * 31 + part[i]) & 0xFFFFFF
        heard += n
        one[0] = heard >= count
        plant.write(one)
    return check
check = 0
heap_lock()
try:
    check = hear(COUNT)
finally:
    heap_unlock()
print(check)
"""


def test_the_bus_is_heard_while_the_plant_is_awaited() -> None:
    """What comes on the bus between two readings is kept, also more than the ring holds, and nothing is allocated."""
    sent = bytes(n * 7 & 0xFF for n in range(9000))
    check = 0
    for byte in sent:
        check = (check * 31 + byte) & 0xFFFFFF
    with socket.create_server(("127.0.0.1", 0)) as server, \
            Emulator(files(), bus=f"127.0.0.1:{server.getsockname()[1]}") as board, server.accept()[0] as bus:
        board.start(HEAR.replace("COUNT", str(len(sent))))
        bus.sendall(sent)
        board.plant.settimeout(20)
        done = b"\0"
        while done == b"\0":
            board.plant.sendall(b"r")
            done = board.plant.recv(1)
        assert board.finish() == f"{check}\r\n"


def test_a_bus_that_nobody_reads_takes_a_part(board: Emulator) -> None:
    """A write neither blocks nor claims more than the other side could take."""
    plant = 0x40005000
    taken = board.run(f"from drivers.uart_mps2 import BusUart; print(BusUart({plant}).write(bytearray(20000)))")
    assert 0 < int(taken) < 20_000


def test_a_byte_on_the_console_ends_the_node() -> None:
    """The node leaves its plant's line and the board is at its prompt again."""
    with Emulator(files()) as board:
        board.start("import app; app.run(3, False)")
        assert board.plant.recv(1) == b"\xb5"
        assert board.interrupt() == ""
        assert board.run("print('here')") == "here\r\n"


def test_the_end_of_the_emulator_is_told() -> None:
    """A reset ends it; who waits for an answer hears that at once."""
    with Emulator() as board, pytest.raises(BoardStopped, match="qemu-system-arm ended with status 0"):
        board.run("import machine; machine.reset()")


def test_an_application_that_does_not_fit_is_refused() -> None:
    """The partition has 128 KiB."""
    with pytest.raises(ValueError, match="at most 131072"):
        Emulator([("big.py", bytes(131_072))])
