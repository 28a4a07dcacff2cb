"""The firmware's source as a runtime of this machine can run it: a 64-bit one gets it without machine code."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from twolbms.build.micropython import Runtime, cache_folder
from twolbms.files import data_path

MACHINE_CODE = re.compile(r"^[ \t]*@micropython\.(?:viper|native)$", re.MULTILINE)


def without_machine_code(text: str) -> str:
    """The same module as bytecode alone; lines stay where they are."""
    return MACHINE_CODE.sub("", text)


def firmware_source(runtime: Runtime) -> Path:
    """`firmware/src`, or a copy without machine code in the user's cache.

    On a 64-bit runtime viper takes a negative 32-bit number for a large one, and on some cores there is no viper.
    """
    source = data_path("firmware", "src")
    if runtime.bits == 32:
        return source
    texts = {path.relative_to(source): path.read_text(encoding="utf-8") for path in sorted(source.rglob("*.py"))}
    digest = hashlib.sha256("".join(f"{path}\n{text}" for path, text in texts.items()).encode()).hexdigest()
    home = cache_folder() / "plain-source" / digest[:12]
    if not home.is_dir():
        work = home.with_name(f"{home.name}.{os.getpid()}")
        for path, text in texts.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(without_machine_code(text), encoding="utf-8")
        try:
            work.replace(home)
        except OSError:  # another process was faster
            shutil.rmtree(work)
    return home
