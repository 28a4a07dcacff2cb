"""Puts a version of the application onto a node over its console: beside the one that runs, checked, on trial.

The node ends in service with its outputs measured open before anything is written. Knows no serial port.
"""

from __future__ import annotations

import ast
import hashlib
import re
import time
from collections.abc import Callable

from twolbms.build.image import Image
from twolbms.build.node_port import NodePort, PortError, SerialNodePort
from twolbms.build.verdict import WAIT_S, FlashError, Outcome, SlotState, verdict
from twolbms.files import data_path

ISOLATION = """\
Over USB the node's ground is joined to this computer's. Unless the port is isolated from the pack, or the pack is off,
that can put the pack's voltage on the computer and on you. Without an isolator, flash over CAN instead (--can)."""

QUESTION = "Is the port isolated, or the pack off?"
SERVICE_WAIT_S = 15.0  # the node opens, resets and starts again
OPEN_WAIT_S = 10.0
_POLL_S = 1.0
_STATUS = re.compile(r"^2lbms (\S+) slot ([ab]) (kept|on trial|waits for arming), rolled back (\d+)$")
_TRIALS = {"kept": 0, "on trial": 1, "waits for arming": 2}
_ANSWERS = {
    2: "the version did not arrive whole, or is for another board",
    3: "a version is on trial: wait until it is kept or rolled back",
    4: "the node refuses it: this version was rolled back twice; build another one",
}
Say = Callable[[str], None]


class Flasher:
    """One update over one port. `say` gets a line for each step; `sleep` and `clock` are time's."""

    def __init__(self, port: NodePort, say: Say, sleep: Callable[[float], None] = time.sleep,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._say = say
        self._sleep = sleep
        self._clock = clock
        self._told = -1

    def flash(self, image: Image, wait_s: float = WAIT_S) -> Outcome:
        """The whole way. Raises FlashError or PortError; the node then still has the version it had."""
        before, waits = self.install(image)
        return self._wait(before, waits, wait_s)

    def install(self, image: Image) -> tuple[SlotState, bool]:
        """Up to the reset into the new version: how the slots were before, and whether it waits for arming."""
        self._into_service(image.board)
        self._confirm_open()
        before = self._facts(image.board)
        self._send(image)
        waits = self._offer()
        if waits:
            self._say("its limits are other ones than those in force: it starts only while the arming input is held")
        self._say("resetting the node into the new version")
        self._port.leave("import safe\nsafe.reset()")
        return before, waits

    def _into_service(self, board: str) -> None:
        state = self._port.ask("2lbms status")
        if not state:
            if self._at_prompt(2 * _POLL_S):
                self._say("the node is in service already")
                return
            raise FlashError("the node answers neither as an application nor with a prompt: put in the service jumper, "
                             "press reset and try again")
        told = _STATUS.match(state)
        if told and told[1] != board:
            raise FlashError(f"this image is for {board}, the node is a {told[1]}")
        self._say(f"the node says: {state.removeprefix('2lbms ')}; asking for service")
        answer = self._port.ask("2lbms service", 3.0, "2lbms service ")
        if answer != "2lbms service accepted":
            why = answer.removeprefix("2lbms service ") or "no answer"
            raise FlashError(f"the node does not go into service: {why}")
        if not self._at_prompt(SERVICE_WAIT_S):
            raise FlashError("the node accepted, but its prompt did not come")

    def _at_prompt(self, wait_s: float) -> bool:
        end = self._clock() + wait_s
        while not self._port.prompt():
            if self._clock() >= end:
                return False
            self._sleep(_POLL_S)
        return True

    def _confirm_open(self) -> None:
        end = self._clock() + OPEN_WAIT_S
        while self._port.run("import safe\nprint(safe.outputs_open())").strip() != "True":
            if self._clock() >= end:
                raise FlashError("the outputs are not measured open: nothing was changed")
            self._sleep(_POLL_S)
        self._say("outputs are measured open")

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
            self._sleep(_POLL_S)

    def _waits_at_the_prompt(self) -> bool:
        """A node that has no version to go on with waits for arming in the service state."""
        ask = "import slot_record\nprint(slot_record.load().trial)"
        return self._port.prompt() and self._port.run(ask).strip() == "2"

    def _state(self) -> SlotState | None:
        told = _STATUS.match(self._port.ask("2lbms status"))
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
    paths = [own / name for name in ("safe.py", "disk.py") if (own / name).is_file()]
    paths += sorted(data_path("firmware", "boot").glob("*.py"), key=lambda path: (path.name == "main.py", path.name))
    return {path.name: _without_words(path.read_text(encoding="utf-8")) for path in paths}


def _without_words(text: str) -> bytes:
    """Python without comments and docstrings: flash for the boot files is small."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return f"{ast.unparse(tree)}\n".encode()


def install_boot(port: NodePort, board: str, say: Say, make_disk: bool = False) -> None:
    """Writes the boot files onto a bare MicroPython at its prompt, and compares them with what it then reads.

    `make_disk` erases the node's file systems first, where the board needs another layout. Raises FlashError or
    PortError.
    """
    if not port.prompt():
        raise FlashError("there is no MicroPython prompt at this port")
    _check_runtime(port)
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


def _check_runtime(port: NodePort) -> None:
    """littlefs is what survives a power cut; not every board's MicroPython has it."""
    told = port.run("import vfs\nprint(hasattr(vfs, 'VfsLfs2'))").strip()
    if told != "True":
        raise FlashError("this MicroPython has no littlefs2: see docs/flashing.md, \"MicroPython itself\"")
