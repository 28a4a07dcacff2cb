"""`pio run -t upload`: flashes over the named port, or onto an emulated board that it starts for that."""

from __future__ import annotations

import hashlib
import re
import sys
import threading
from pathlib import Path

from twolbms.build.emulated_board import EMULATED
from twolbms.build.emulated_node import EmulatedNode
from twolbms.build.flash import ISOLATION, QUESTION, Flasher, boot_files, flash_over_port, install_boot
from twolbms.build.image import BuildError, Image
from twolbms.build.micropython import RuntimeMissing
from twolbms.build.node_port import NodePort, PortError, SerialNodePort
from twolbms.build.resting_pack import RestingPack
from twolbms.build.service_state import Say
from twolbms.build.verdict import FlashError, Outcome
from twolbms.files import data_path

_FIRST_WORDS = 20  # asked, a second each, until a node that was just powered up answers


def upload_image(image: Image, port: str, isolated: bool, wait_s: float, keep: Path) -> int:
    """0 when the version is kept. An emulated board's flash lies in the folder `keep`, from one upload to the next."""
    try:
        if port:
            return _status(flash_over_port(port, image, print, lambda: isolated or _confirmed(), wait_s), port)
        if image.board == EMULATED:
            return _status(flash_emulated(image, wait_s, keep), "the emulated board")
    except (BuildError, FlashError, PortError, RuntimeMissing) as error:
        print(error, file=sys.stderr)
        return 1
    print("name the node's console with --upload-port, or upload_port in platformio.ini", file=sys.stderr)
    return 1


def _confirmed() -> bool:
    print(ISOLATION)
    try:
        return input(f"{QUESTION} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def flash_emulated(image: Image, wait_s: float, keep: Path, say: Say = print) -> Outcome:
    """A board with a pack at rest and its arming input held; one whose boot files are of today keeps its flash.

    What ended a version that was rolled back is told. Raises FlashError, PortError or RuntimeMissing.
    """
    flash = keep / f"flash-{_boot_id()}"
    bare = not flash.exists()
    pack = RestingPack()
    board = EmulatedNode(flash, plant=pack.address)
    threading.Thread(target=board.serve, daemon=True).start()
    say(f"an emulated board, {'empty' if bare else 'with what it kept'}, at {board.address}")
    node = SerialNodePort(board.address)
    try:
        if bare:
            install_boot(node, image.board, say)
            node.run("open('/arming_jumper', 'w').close()")
        _hear_first_word(node)
        outcome = Flasher(node, say).flash(image, wait_s)
    except BaseException:
        if bare:
            flash.unlink()
        raise
    finally:
        node.close()
        board.close()
        pack.close()
    if outcome is Outcome.ROLLED_BACK:
        say(_last_error(flash))
    return outcome


def _boot_id() -> str:
    """Of the boot files and of where the board has them: no update changes these, so another state is another board."""
    power_on = data_path("firmware", "boards", EMULATED, "power_on.py").read_bytes()
    return hashlib.sha256(b"\0".join([*boot_files(EMULATED).values(), power_on])).hexdigest()[:12]


def _hear_first_word(node: NodePort) -> None:
    """A node that was just powered up needs a moment: until it answers as an application or with its prompt."""
    for _ in range(_FIRST_WORDS):
        if node.ask("2lbms status") or node.prompt():
            return


def _last_error(flash: Path) -> str:
    """What the boot wrote when the version ended, as it lies in flash."""
    found = re.findall(rb"Traceback[ -~\r\n]+", flash.read_bytes())
    return found[-1].decode() if found else ""


def _status(outcome: Outcome, port: str) -> int:
    print(f"{port}: {outcome.value}")
    return 0 if outcome is Outcome.KEPT else 1
