"""Puts a version of the application onto a node over its console: beside the one that runs, checked, on trial.

The node ends in service with its outputs measured open before anything is written. Knows no serial port.
"""

from __future__ import annotations

import ast
import hashlib
import time
from collections.abc import Callable

from twolbms.build.image import Image, read_board
from twolbms.build.node_port import NodePort, PortError, SerialNodePort
from twolbms.build.service_state import POLL_S, STATUS, NotInServiceError, Say, ServiceState
from twolbms.build.verdict import WAIT_S, FlashError, Outcome, SlotState, verdict
from twolbms.files import data_path

ISOLATION = """\
Over USB the node's ground is joined to this computer's. Unless the port is isolated from the pack, or the pack is off,
that can put the pack's voltage on the computer and on you. Without an isolator, flash over CAN instead (--can)."""

QUESTION = "Is the port isolated, or the pack off?"
_TRIALS = {"kept": 0, "on trial": 1, "waits for arming": 2}
_ANSWERS = {
    2: "the version did not arrive whole, or is for another board",
    3: "a version is on trial: wait until it is kept or rolled back",
    4: "the node refuses it: this version was rolled back twice; build another one",
}


# Boot files of one way to start a version, which a board of the other way has no use for.
_RUN_IN_PLACE = ("raw_slots.py", "slot_writer.py")
_READ_INTO_MEMORY = ("folder.py",)


class Flasher:
    """One update over one port. `say` gets a line for each step; `sleep` and `clock` are time's."""

    def __init__(self, port: NodePort, say: Say, sleep: Callable[[float], None] = time.sleep,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._say = say
        self._sleep = sleep
        self._clock = clock
        self._service = ServiceState(port, say, sleep, clock)
        self._told = -1

    def flash(self, image: Image, wait_s: float = WAIT_S) -> Outcome:
        """The whole way. Raises FlashError or PortError; the node then still has the version it had."""
        before, waits = self.install(image)
        return self._wait(before, waits, wait_s)

    def install(self, image: Image) -> tuple[SlotState, bool]:
        """Up to the reset into the new version: how the slots were before, and whether it waits for arming."""
        try:
            self._service.enter(image.board)
            self._service.confirm_open()
        except NotInServiceError as error:
            raise FlashError(str(error)) from None
        before = self._facts(image.board)
        self._send(image)
        waits = self._offer()
        if waits:
            self._say("its limits are other ones than those in force: it starts only while the arming input is held")
        self._say("resetting the node into the new version")
        self._port.leave("import safe\nsafe.reset()")
        return before, waits

    def _at_prompt(self, wait_s: float) -> bool:
        return self._service.at_prompt(wait_s)

    def _facts(self, board: str) -> SlotState:
        """The node's board and slots. Raises FlashError when the image is for another board."""
        told = self._port.run(
            "import safe, slot_record\nr = slot_record.load()\n"
            "print(safe.BOARD.decode(), r.kept, r.failed, slot_record.other(r))").split()
        if len(told) != 4:
            raise FlashError("the boot files of this node are not ours: install them first (--first)")
        if told[0] != board:
            raise FlashError(f"this image is for {board}, the node is a {told[0]}")
        return SlotState(int(told[1]), 0, int(told[2]))

    def _send(self, image: Image) -> None:
        data = image.data()
        path = self._port.run("import slot_record\nprint(slot_record.make_room())").strip()
        if path == "None":
            raise FlashError(_ANSWERS[3])
        self._say(f"sending {image.version_text} for {image.pack}, {len(data)} bytes, to {path}")
        self._port.put(path, data, self._progress)

    def _progress(self, done: int, size: int) -> None:
        tenth = 10 * done // size
        if tenth != self._told:
            self._told = tenth
            self._say(f"  {10 * tenth} %")

    def _offer(self) -> bool:
        """True when the version waits for arming."""
        answer = int(self._port.run("import safe, slot_record\nprint(slot_record.start_other(safe.BOARD))"))
        if answer in _ANSWERS:
            raise FlashError(_ANSWERS[answer])
        self._say("the node has checked it: whole and for this board")
        return answer == 1

    def _wait(self, before: SlotState, waits: bool, wait_s: float) -> Outcome:
        self._say(f"waiting for the node's own verdict (at most {wait_s:.0f} s)")
        end = self._clock() + wait_s
        while True:
            outcome = verdict(before, self._state())
            if outcome is None and waits and self._waits_at_the_prompt():
                outcome = Outcome.WAITS
            if outcome is not None:
                return outcome
            if self._clock() >= end:
                return Outcome.UNDECIDED
            self._sleep(POLL_S)

    def _waits_at_the_prompt(self) -> bool:
        """A node that has no version to go on with waits for arming in the service state."""
        ask = "import slot_record\nprint(slot_record.load().trial)"
        return self._port.prompt() and self._port.run(ask).strip() == "2"

    def _state(self) -> SlotState | None:
        told = STATUS.match(self._port.ask("2lbms status"))
        return SlotState("ab".index(told[2]), _TRIALS[told[3]], int(told[4])) if told else None


def flash_over_port(name: str, image: Image, say: Say, confirmed: Callable[[], bool], wait_s: float = WAIT_S,
                    first: bool = False, make_disk: bool = False) -> Outcome:
    """The whole way over the console at `name`, with the boot files first when asked.

    `confirmed` is asked once whether the port is isolated (`ISOLATION`, `QUESTION`). Raises FlashError or PortError.
    """
    if not confirmed():
        raise FlashError("nothing was changed")
    port = SerialNodePort(name)
    try:
        if first:
            install_boot(port, image.board, say, make_disk)
        return Flasher(port, say).flash(image, wait_s)
    finally:
        port.close()


def boot_files(board: str) -> dict[str, bytes]:
    """Name on the node and text of what never changes in the field, in the order of writing: main.py last."""
    own = data_path("firmware", "boards", board)
    other = _READ_INTO_MEMORY if read_board(board).in_place else _RUN_IN_PLACE
    paths = [own / name for name in ("safe.py", "disk.py") if (own / name).is_file()]
    boot = [path for path in data_path("firmware", "boot").glob("*.py") if path.name not in other]
    paths += sorted(boot, key=lambda path: (path.name == "main.py", path.name))
    return {path.name: without_words(path.read_text(encoding="utf-8")) for path in paths}


def without_words(text: str) -> bytes:
    """Python without comments and docstrings, indented by one: flash for the boot files is small."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    lines = ast.unparse(tree).splitlines()  # a text over several lines stands in one there
    return "".join(f"{' ' * ((len(line) - len(line.lstrip())) // 4)}{line.lstrip()}\n" for line in lines).encode()


def install_boot(port: NodePort, board: str, say: Say, make_disk: bool = False) -> None:
    """Writes the boot files onto a bare MicroPython at its prompt, and compares them with what it then reads.

    `make_disk` erases the node's file systems first, where the board needs another layout. Raises FlashError or
    PortError.
    """
    if not port.prompt():
        raise FlashError("there is no MicroPython prompt at this port")
    _check_runtime(port, board)
    layout = data_path("firmware", "boards", board, "format.py")
    if make_disk and layout.is_file():
        say("making the node's file systems")
        port.run(layout.read_text(encoding="utf-8"))
    files = boot_files(board)
    for name, data in files.items():
        port.put(name, data, lambda _, __: None)
        told = port.run(f"import hashlib, binascii\nprint(binascii.hexlify(hashlib.sha256(open('{name}', 'rb').read())"
                        ".digest()).decode())").strip()
        if told != hashlib.sha256(data).hexdigest():
            raise PortError(f"{name} reads back differently")
        say(f"  {name}")
    if make_disk and "disk.py" in files:
        port.run("import disk\ndisk.make()")
    say("the boot files are in place; they are not touched by any update")


def _check_runtime(port: NodePort, board: str) -> None:
    """littlefs is what survives a power cut, ROMFS what runs a version in place; not every MicroPython has them."""
    needed = [("VfsLfs2", "littlefs2"), *([("VfsRom", "ROMFS")] if read_board(board).in_place else [])]
    for name, words in needed:
        if port.run(f"import vfs\nprint(hasattr(vfs, '{name}'))").strip() != "True":
            raise FlashError(f"this MicroPython has no {words}: see docs/flashing.md, \"MicroPython itself\"")
