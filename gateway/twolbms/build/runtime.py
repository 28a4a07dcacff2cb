"""MicroPython itself for a board: builds it where it has to be built, and says how it gets there. Touches no port."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from twolbms.build.emulated_board import find_board
from twolbms.build.micropython import RuntimeMissing
from twolbms.files import data_path

_BOOTSEL = ("MicroPython's own image for RPI_PICO, version 1.28 or newer: download its UF2 file, hold BOOTSEL while "
            "the board is plugged in, and copy the file onto the drive that appears.")
_SOURCE_WANTED = ("this board needs an image of its own (docs/flashing.md): name the folder of MicroPython's source, "
                  "1.28 or newer, with its submodules for stm32, as custom_micropython_source in platformio.ini")


class RuntimeProblem(Exception):
    """It cannot be made; the text says what to do."""


def micropython_for(board: str, source: str = "") -> str:
    """Makes the image where that is needed, from MicroPython's `source`; what to do next. Raises RuntimeProblem."""
    if board == "pico_mcp2515":
        return _BOOTSEL
    if board == "qemu":
        try:
            return f"the emulated board has it: {find_board()}"
        except RuntimeMissing as error:
            raise RuntimeProblem(str(error)) from error
    return _built(data_path("firmware", "boards", board, "runtime"), source)


def _built(runtime: Path, source: str) -> str:
    port = Path(source, "ports", "stm32")
    if not source or not port.is_dir():
        raise RuntimeProblem(_SOURCE_WANTED if not source else f"{source} holds no ports/stm32: {_SOURCE_WANTED}")
    command = ["make", "-C", str(port), f"-j{os.cpu_count() or 1}", f"BOARD_DIR={runtime}"]
    if subprocess.run(command).returncode:
        raise RuntimeProblem("MicroPython's own build has failed; what it says stands above")
    return (f"Drag firmware.bin, in the folder build-… of {port}, onto the drive of the ST-LINK, or type: "
            "st-flash write firmware.bin 0x8000000")
