"""Orders to a node in service: what is brought to its prompt runs on MicroPython, within its heap, and answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from servers.need import need
from twolbms.build.columns import limit_image
from twolbms.build.fold import folded
from twolbms.build.image import board_names, module_texts, read_board
from twolbms.build.node_port import PortError
from twolbms.build.service_console import OrderRefusedError, ServiceConsole, Version, brought
from twolbms.build.service_state import NotInServiceError
from twolbms.config.load import load_model
from twolbms.config.pack import GuardedPack
from twolbms.files import data_path

PACK = "lfp_8s_320ah"
MODULES = {
    "built.py": f'PACK = "{PACK}"\n', "slot_record.py": 'FOLDER = "flash/"\n',
    "safe.py": "import os\ndef arming():\n    return 'armed' in os.listdir()\ndef outputs_open():\n    return True\n"}
BOARD = """
class World:
    open_wires = feedback = heater_on = clear_pressed = n = 0
    config_ok = feedback_known = True
    interlock_closed = estop_closed = 1
    def wait(self):
        self.n += 1
        return self.n
    def read_into(self, m):
        for i in range(8):
            m.cell_mv[i] = 3300 + i
        m.pack_mv, m.link_mv, m.current_ma = 26428, 0, 0
        return True
    def read(self):
        pass
    def write(self, paths, precharge, heater, mask):
        self.feedback = paths | precharge << 2
        self.heater_on = heater
    def show(self, light, asleep):
        pass
    def finish(self):
        pass
world = World()
world.afe = world.pins = world
def bench(limits):
    return world
"""
SERVE = """
import sys
while True:
    text = sys.stdin.readline()
    if not text:
        break
    try:
        exec(eval(text), globals())
    except Exception as error:
        sys.print_exception(error, sys.stdout)
    print("\\x04")
"""


@cache
def version_of_the_pico() -> dict[str, str]:
    """The modules of a version as they lie on a node: none that only the tool needs, constants written in."""
    limits = limit_image(load_model(data_path("packs", f"{PACK}.yaml"), GuardedPack))
    texts = folded(module_texts(read_board("pico_mcp2515"), limits))
    packages = {name.rpartition(".")[0] for name in texts if "." in name}
    return {name.replace(".", "/") + ("/__init__.py" if name in packages else ".py"): text
            for name, text in texts.items()}


class MicroPort:
    """MicroPython on 32 bits with a heap of 96 KiB; every statement is run there, as at a prompt."""

    def __init__(self, folder: Path) -> None:
        (folder / "flash").mkdir()
        for name, text in (version_of_the_pico() | MODULES).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        (folder / "serve.py").write_text(SERVE)
        self.folder = folder
        self.version = repr(("bench", PACK, (0, 1, 0), (0xEE, 0xFF, 0xC0, 0x00)))
        self.safe = True
        self.process = subprocess.Popen(
            [need("micropython32").program, "-X", "heapsize=96k", "serve.py"], cwd=folder, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
            env=os.environ | {"MICROPYPATH": str(folder)})

    def ask(self, line: str, wait_s: float = 1.0, begins: str = "2lbms ") -> str:
        return ""

    def prompt(self) -> bool:
        return True

    def run(self, code: str) -> str:
        if "outputs_open" in code and not self.safe:
            raise PortError("ImportError: no module named 'safe'")
        if "vfs.mount" in code:
            return self.version
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(repr(code) + "\n")
        self.process.stdin.flush()
        lines: list[str] = []
        while (line := self.process.stdout.readline()) != "\x04\n":
            assert line, "".join(lines)
            lines.append(line)
        told = "".join(lines)
        if "Traceback" in told:
            raise PortError(told)
        return told

    def put(self, path: str, data: bytes, progress: Any) -> None:
        raise AssertionError("nothing is put onto a node here")

    def leave(self, code: str) -> None:
        """The reset; see close()."""

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[MicroPort]:
    port = MicroPort(tmp_path)
    yield port
    port.close()


@pytest.mark.need("micropython32")
def test_a_node_is_configured_on_micropython(port: MicroPort) -> None:
    """Set, saved, read back on the node's runtime; refused in its own words; in flash for the next start."""
    said: list[str] = []
    console = ServiceConsole(port, said.append)
    assert console.begin() == Version("bench", PACK, "0.1.0", "00C0FFEE")
    assert any("measured open" in line for line in said)
    with pytest.raises(OrderRefusedError, match="hold the arming input") as refused:
        console.order("set", key="number", value=3)
    assert refused.value.why == "not_armed"
    (port.folder / "armed").touch()
    for key, value in (("number", 3), ("serial", 'an "odd" \\ one'), ("cell_gain_ppm", [7] * 8)):
        console.order("set", key=key, value=value)
    with pytest.raises(OrderRefusedError, match="the pack's row allows 5000"):
        console.order("set", key="cell_gain_ppm", at=3, value=5001)
    console.order("save")
    stored = console.order("read_back")
    assert (stored["number"], stored["serial"], stored["equal"]) == (3, 'an "odd" \\ one', True)
    assert stored["bounds"] == {"cell_gain_ppm": 5000, "cell_offset_mv": 10, "current_gain_ppm": 20000,
                                "current_offset_ma": 1000, "temp_offset_dc": 20}
    assert console.order("faults")["rows"] == []
    assert (port.folder / "flash" / "config.0").is_file() and (port.folder / "flash" / "config.1").is_file()


@pytest.mark.need("micropython32")
def test_the_bench_on_micropython(port: MicroPort) -> None:
    """Readings and one output, on the node's runtime; what is left of its heap afterwards is more than it needs."""
    (port.folder / "armed").touch()
    console = ServiceConsole(port, lambda line: None)
    console.begin()
    with pytest.raises(OrderRefusedError) as refused:
        console.order("readings")
    assert refused.value.why == "no_bench"
    port.run(BOARD)
    port.run("_service._make_bench = lambda: Bench(_service.limits, bench(_service.limits), safe.arming)")
    told = console.order("readings", raw=True)
    assert told["cells_mv"] == list(range(3300, 3308)) and told["fresh"] is True
    assert console.order("output", which="precharge")["on"] == 4
    assert console.order("output", which="charge")["on"] == 1
    assert int(port.run("import gc\ngc.collect()\nprint(gc.mem_free())")) > 20 * 1024


def test_what_is_brought() -> None:
    """The node's own modules without comments, the board's last but one; names of one do not hide another's."""
    import ast
    texts = brought("qemu")
    assert len(texts) == 4 and len(brought("no_such_board")) == 3
    assert [len(brought(board)) for board in board_names()] == [4] * len(board_names())
    assert all(b'"""' not in text and b"#" not in text for text in texts)
    taken: set[str] = set()
    for text in texts:
        own = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        own |= {name.id for node in ast.parse(text).body if isinstance(node, ast.Assign) for name in node.targets
                if isinstance(name, ast.Name)}
        assert not own & taken, own & taken
        taken |= own


def test_another_device(tmp_path: Path) -> None:
    """A MicroPython that is no node of ours is told as such; a node without a version too."""
    port = Spoken(tmp_path)
    port.safe = False
    with pytest.raises(NotInServiceError, match="not our boot files"):
        ServiceConsole(port, lambda line: None).begin()
    port.safe, port.version = True, "None"
    with pytest.raises(NotInServiceError, match="no whole version"):
        ServiceConsole(port, lambda line: None).begin()


def test_an_old_version(tmp_path: Path) -> None:
    """A version that the tool's modules do not work with is told, not guessed at."""
    port = Spoken(tmp_path)
    port.answer = PortError("the node answers: Traceback …\n  …\nImportError: no module named 'store.memory'\n")
    with pytest.raises(NotInServiceError, match=r"does not work with this tool: .*'store\.memory'$"):
        ServiceConsole(port, lambda line: None).begin()


def test_an_answer_that_is_none(tmp_path: Path) -> None:
    """Half a line is no answer."""
    port = Spoken(tmp_path)
    console = ServiceConsole(port, lambda line: None)
    console.begin()
    port.answer = '{"ok": tr'
    with pytest.raises(PortError, match="answer is none"):
        console.order("get")


class Spoken(MicroPort):
    """A prompt that says what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.safe = True
        self.version = repr(("bench", PACK, (0, 1, 0), (0xEE, 0xFF, 0xC0, 0x00)))
        self.answer: str | PortError = json.dumps({"ok": True})

    def run(self, code: str) -> str:
        if "outputs_open" in code:
            if not self.safe:
                raise PortError("ImportError: no module named 'safe'")
            return "True"
        if "vfs.mount" in code:
            return self.version
        if isinstance(self.answer, PortError):
            raise self.answer
        return self.answer
