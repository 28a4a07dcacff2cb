"""Where a scenario's node runs: in this process on CPython, or on MicroPython with the heap locked, piped or emulated.

On the emulated board it is as on a real one: compiled for its core, in a heap of 96 KiB, with native code.
"""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple, Protocol

from twolbms.build.columns import LimitImage, limit_image, limits_text, node_columns
from twolbms.build.emulated_board import EMULATED
from twolbms.build.emulator import BoardStopped, Emulator
from twolbms.build.image import build_image, read_board
from twolbms.build.micropython import Runtime, find_runtime
from twolbms.build.plain_source import firmware_source
from twolbms.config.pack import GuardedPack
from twolbms.files import data_path
from twolbms.sim.plant_packets import FRAME, OUTPUT, PacketReader, Reading, frame_packet, parse_frame, parse_output

HEAP = "192k"  # room to compile the sources; the chip loads .mpy into 96 KiB, which test_memory.py holds
_PATIENCE_S = 60.0  # with a node on the emulated board, which answers in milliseconds
Frames = list[tuple[int, bytes]]


class CycleResult(NamedTuple):
    """What one cycle gave."""

    outputs: int
    balancing: bytes
    frames: Frames


class TestedNode(Protocol):
    """A node that runs one cycle at a time."""

    def cycle(self, frames: Iterable[tuple[int, bytes]], reading: Reading) -> CycleResult:
        """Gives it frames and a reading, takes outputs and frames."""

    def close(self) -> None:
        """Ends it."""


class NodeDied(Exception):
    """The node ended in the middle of a cycle; the text holds what it printed."""


def firmware_folder() -> Path:
    """The firmware's source."""
    return data_path("firmware", "src")


def firmware(name: str) -> ModuleType:
    """A module of the firmware by its name there, such as `node.protect`, imported into this process."""
    folder = str(firmware_folder())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return import_module(name)


def limits_object(image: LimitImage) -> SimpleNamespace:
    """The columns as the firmware reads them from its generated module."""
    return SimpleNamespace(**node_columns(image))


class _MemoryStream:
    def __init__(self) -> None:
        self.incoming = bytearray()
        self.outgoing = bytearray()

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self.incoming))
        buffer[:count] = self.incoming[:count]
        del self.incoming[:count]
        return count

    def write(self, data: bytes) -> int:
        self.outgoing += data
        return len(data)


class CPythonNode:
    """The firmware imported into this process. `limits` may be spoiled on purpose."""

    def __init__(self, limits: Any, number: int) -> None:
        self._stream = _MemoryStream()
        self.board = firmware("board").SimulatedBoard(limits, number, self._stream)
        self.node = firmware("node.cycle").Node(
            limits, number, self.board.afe, self.board.pins, self.board.can, self.board.store, 0, 1, 0
        )
        self._reader = PacketReader()

    def cycle(self, frames: Iterable[tuple[int, bytes]], reading: Reading) -> CycleResult:
        """One cycle in this process."""
        for can_id, data in frames:
            self._stream.incoming += frame_packet(can_id, data)
        self._stream.incoming += reading.packet()
        try:
            self.node.step(self.board.wait())
            self.board.finish()
        except Exception as error:  # whatever it is, on a chip the watchdog would bite now
            raise NodeDied(f"{type(error).__name__}: {error}") from error
        packets = list(self._reader.feed(bytes(self._stream.outgoing)))
        self._stream.outgoing.clear()
        return _result(packets)

    def close(self) -> None:
        """Nothing to end."""


class MicroPythonNode:
    """The firmware on the 32-bit unix port, its heap locked during the cycle."""

    def __init__(self, pack: GuardedPack, number: int, program: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="twolbms-node-")
        image = limit_image(pack)
        name = f"played_{pack.pack}"  # never a name of the firmware's own: a pack of that name may have other limits
        Path(self._folder.name, f"limits_{name}.py").write_text(limits_text(image), encoding="utf-8")
        runtime = Runtime(program, "", 32) if program else find_runtime()
        source = firmware_source(runtime)
        command = [
            runtime.program,
            "-X",
            f"heapsize={HEAP}",
            str(source / "main.py"),
            "--pack",
            name,
            "--node",
            str(number),
            "--plant",
            "-",
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"MICROPYPATH": f"{source}:{self._folder.name}", "PATH": "/usr/bin:/bin"},
        )
        self._reader = PacketReader()

    def cycle(self, frames: Iterable[tuple[int, bytes]], reading: Reading) -> CycleResult:
        """One cycle through the pipe."""
        assert self._process.stdin and self._process.stdout
        packets: list[tuple[int, bytes]] = []
        try:
            self._process.stdin.write(b"".join(frame_packet(*f) for f in frames) + reading.packet())
            self._process.stdin.flush()
            while not packets or packets[-1][0] != OUTPUT:
                data = self._process.stdout.read1(65536)  # type: ignore[attr-defined]  # a BufferedReader
                if not data:
                    raise NodeDied(self._last_words())
                packets += self._reader.feed(data)
        except OSError as error:
            raise NodeDied(self._last_words()) from error
        return _result(packets)

    def _last_words(self) -> str:
        self._process.kill()
        _, errors = self._process.communicate()
        return errors.decode(errors="replace").strip() or f"exit status {self._process.returncode}"

    def close(self) -> None:
        """Ends the process and removes its limits."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


class QemuNode:
    """The firmware on the emulated Cortex-M3, a new board each time; its plant is lock-stepped over a UART."""

    def __init__(self, pack: GuardedPack, number: int) -> None:
        self._board = Emulator(emulated_files(limit_image(pack)))
        self._reader = PacketReader()
        try:
            self._board.start(f"import app; app.run({number}, False)")
        except BoardStopped as error:
            self._board.close()
            raise NodeDied(str(error)) from error

    def cycle(self, frames: Iterable[tuple[int, bytes]], reading: Reading) -> CycleResult:
        """One cycle over the UART."""
        board = self._board
        packets: list[tuple[int, bytes]] = []
        try:
            board.plant.sendall(b"".join(frame_packet(*f) for f in frames) + reading.packet())
            while not packets or packets[-1][0] != OUTPUT:
                ready = select.select([board.plant, board.console], [], [], _PATIENCE_S)[0]
                data = board.plant.recv(65536) if board.plant in ready else b""
                if not data:
                    raise NodeDied(board.last_words())
                packets += self._reader.feed(data)
        except OSError as error:
            raise NodeDied(board.last_words()) from error
        return _result(packets)

    def close(self) -> None:
        """Ends the board."""
        self._board.close()


def emulated_files(limits: LimitImage) -> tuple[tuple[str, bytes], ...]:
    """The application of the emulated board with these limits: (path, content) of its modules, compiled for its core.

    Raises BuildError.
    """
    folders = (data_path("firmware", "boards", EMULATED), firmware_folder())
    key = (limits_text(limits), folders)
    if key not in _FILES:
        # Under a name that fits every version file: a pack that is played may be anybody's.
        _FILES[key] = build_image(read_board(EMULATED), replace(limits, pack="played"), sources=folders).files
    return _FILES[key]


_FILES: dict[tuple[str, tuple[Path, ...]], tuple[tuple[str, bytes], ...]] = {}


def _result(packets: list[tuple[int, bytes]]) -> CycleResult:
    frames = [parse_frame(payload) for kind, payload in packets if kind == FRAME]
    output = parse_output(next(payload for kind, payload in packets if kind == OUTPUT))
    return CycleResult(output.outputs, output.balancing, frames)
