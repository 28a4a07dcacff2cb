"""`pio run -t upload`: flashes over the named port, or onto an emulated board that it starts for that."""

from __future__ import annotations

import re
import sys
import tempfile
import threading
import time
from pathlib import Path

from twolbms.build.emulated_board import EMULATED
from twolbms.build.emulated_node import EmulatedNode
from twolbms.build.flash import ISOLATION, QUESTION, Flasher, flash_over_port, install_boot
from twolbms.build.image import BuildError, Image
from twolbms.build.micropython import RuntimeMissing
from twolbms.build.node_port import PortError, SerialNodePort
from twolbms.build.verdict import FlashError, Outcome


def upload_image(image: Image, port: str, isolated: bool, wait_s: float) -> int:
    """0 when the version is kept; on an emulated board of its own: when it runs."""
    try:
        if port:
            return _status(flash_over_port(port, image, print, lambda: isolated or _confirmed(), wait_s), port)
        if image.board == EMULATED:
            return _onto_emulated(image, wait_s)
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


def _onto_emulated(image: Image, wait_s: float) -> int:
    """A fresh board, its arming input held: first the boot files, then the version, which must then run.

    Without a pack it cannot become healthy, so it stays on trial; what counts is that it does not end by itself.
    """
    with tempfile.TemporaryDirectory(prefix="twolbms-emulated-") as folder:
        board = EmulatedNode(Path(folder, "flash"))
        threading.Thread(target=board.serve, daemon=True).start()
        print(f"an emulated board, empty, at {board.address}")
        node = SerialNodePort(board.address)
        try:
            install_boot(node, image.board, print)
            node.run("open('/arming_jumper', 'w').close()")
            before = board.starts
            Flasher(node, print).install(image)
            print(f"watching it for {wait_s:.0f} s")
            time.sleep(wait_s)
            ended = board.starts - before - 1
        finally:
            node.close()
            board.close()
        why = _last_error(Path(folder, "flash"))
    print("it runs, on trial" if ended == 0 else f"it ended {ended} times by itself\n{why}")
    return 0 if ended == 0 else 1


def _last_error(flash: Path) -> str:
    """What the boot wrote when the version ended, as it lies in flash."""
    found = re.findall(rb"Traceback[ -~\r\n]+", flash.read_bytes())
    return found[-1].decode() if found else ""


def _status(outcome: Outcome, port: str) -> int:
    print(f"{port}: {outcome.value}")
    return 0 if outcome is Outcome.KEPT else 1
