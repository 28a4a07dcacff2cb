"""Finds or builds MicroPython for the emulated board: qemu's mps2-an385, a Cortex-M3 with a heap of 96 KiB.

Debian's source package of MicroPython 1.25 is unchanged; what the board has beyond it lies in `firmware/emulated/`. The
heap is that of a microcontroller with 128 KB of RAM.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path
from typing import IO

from twolbms.build.micropython import RuntimeMissing, cache_folder, fetch_pinned
from twolbms.files import data_path

# As listed in the signed .dsc of Debian's micropython 1.25.0+ds-1.
_SOURCE = (
    "pool/main/m/micropython/micropython_1.25.0+ds.orig.tar.xz",
    "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea",
)
HEAP_BYTES = 98_304
EMULATOR = "qemu-system-arm"
EMULATED = "qemu"
"""The emulated board's name among the boards, and of running on it."""
ARCHITECTURE = "armv7m"
_PACKAGES = {
    EMULATOR: "qemu-system-arm",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "make": "make",
    "python3": "python3",
}
_ATTEMPTS = 3
_BUILD_SECONDS = 1200  # 25 s on two idle cores


class BoardMissing(RuntimeMissing):
    """The emulated board can neither be found nor built; the text says what to do."""


def find_board(build: bool = True) -> Path:
    """Its firmware.elf, in TWOLBMS_EMULATED_BOARD or the user's cache, built when allowed.

    Raises BoardMissing with what to type when there is none, or nothing to run it with.
    """
    _need(EMULATOR)
    named = os.environ.get("TWOLBMS_EMULATED_BOARD")
    for path in (Path(named) if named else None, _home() / "firmware.elf"):
        if path and path.is_file():
            return path
    if not build:
        raise BoardMissing("the emulated board is not built; type: tools/servers qemu")
    return build_board()


def build_board() -> Path:
    """Fetches the source, builds it in the user's cache and returns firmware.elf. Raises BoardMissing."""
    _need(*_PACKAGES)
    if not Path(_output("arm-none-eabi-gcc", "-print-file-name=nosys.specs")).is_absolute():
        raise BoardMissing(_type_this(["libnewlib-arm-none-eabi"]))
    home = _home()
    work = home.with_name(f"{home.name}.{os.getpid()}")
    log = home.with_name(f"{home.name}.log")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        source = _unpack(_fetch(work))
        with log.open("w") as output:
            _make(source, output)
        built = source / "ports" / "qemu" / "build" / "firmware.elf"
        home.mkdir(exist_ok=True)
        built.replace(home / "firmware.elf")  # at once: another build of the same may be running
    except (OSError, tarfile.TarError, subprocess.SubprocessError) as error:
        raise BoardMissing(f"building the emulated board failed ({error}); its output is in {log}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return home / "firmware.elf"


def _home() -> Path:
    """A folder of its own for every state of our additions, so that a changed one is never taken for the old."""
    digest = hashlib.sha256(repr((_SOURCE, HEAP_BYTES)).encode())
    for path in sorted(_additions().rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(_additions()).as_posix().encode() + b"\0" + path.read_bytes())
    return cache_folder() / "qemu-1.25" / digest.hexdigest()[:12]


def _additions() -> Path:
    return data_path("firmware", "emulated")


def _need(*programs: str) -> None:
    if missing := [_PACKAGES[program] for program in programs if not shutil.which(program)]:
        raise BoardMissing(_type_this(missing))


def _type_this(packages: list[str]) -> str:
    return ("the emulated board needs programs that this machine lacks; type: sudo apt-get install "
            f"--no-install-recommends {' '.join(packages)}")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def _fetch(work: Path) -> Path:
    for attempt in range(_ATTEMPTS):
        time.sleep(2.0 * attempt)
        try:
            fetch_pinned(work, [_SOURCE])
            return work / Path(_SOURCE[0]).name
        except (OSError, subprocess.SubprocessError) as error:
            trouble = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
    raise BoardMissing(f"fetching MicroPython's source failed: {' '.join(trouble)}")


def _unpack(archive: Path) -> Path:
    with tarfile.open(archive) as source:
        source.extractall(archive.parent, filter="data")
    (folder,) = (path for path in archive.parent.iterdir() if path.is_dir())
    return folder


def _make(source: Path, output: IO[str]) -> None:
    """Only the port: nothing is frozen into it, so mpy-cross is not needed here."""
    shutil.copytree(_additions(), source / "emulated")  # beside the source: no path of this machine in the command
    variables = {
        "BOARD": "MPS2_AN385",
        "BUILD": "build",
        "CROSS_COMPILE": "arm-none-eabi-",
        "FROZEN_MANIFEST": "",
        "MICROPY_HEAP_SIZE": str(HEAP_BYTES),
        "MICROPY_VFS_LFS2": "1",
        "LDSCRIPT": "../../emulated/board.ld",
        "USER_C_MODULES": "../../emulated/cmod",
        "CFLAGS_EXTRA": "-DMP_CONFIGFILE='\"emulated/mpconfig_app.h\"'",
    }
    command = ["make", "-s", "-C", "ports/qemu", f"-j{min(4, os.cpu_count() or 1)}"]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run([*command, *(f"{name}={value}" for name, value in variables.items())], cwd=source, check=True,
                   env=surroundings, stdout=output, stderr=subprocess.STDOUT, timeout=_BUILD_SECONDS)
