"""A Linux kernel of its own for programs that need what the machine's lacks: User Mode Linux, an ordinary process.

The guest sees the machine's files, so the same environment and the same tests run in it; it has CAN, and no network.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
_MEMORY = "512M"


class Outcome(NamedTuple):
    """How a command in the guest ended; `status` is None when it did not."""

    status: int | None
    output: str


class Guest:
    """Boots once a command; `kernel` is the program linux.uml."""

    def __init__(self, kernel: Path, folder: Path) -> None:
        self._kernel = kernel
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, command: Sequence[str], where: Path, environment: Mapping[str, str], timeout_s: float) -> Outcome:
        """Boots, runs `command` in the folder `where`, and switches off; 3 s besides the command's own time."""
        status = self._folder / "status"
        status.unlink(missing_ok=True)
        script = self._folder / "command.sh"
        given = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
        script.write_text(f"cd {shlex.quote(str(where))}\n{given}{shlex.join(command)}\n"
                          f"echo $? >{shlex.quote(str(status))}\n")
        # The kernel's command line takes no path with a blank.
        first = Path(shutil.copy(HERE / "init.sh", self._folder))
        booted = subprocess.Popen(
            [self._kernel, f"mem={_MEMORY}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", "con=null",
             "con0=fd:0,fd:1", "ssl=null", "quiet", f"init={first}", f"umlcmd={script}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **self._shim(), "TMPDIR": str(self._folder)})
        try:
            output, _ = booted.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(booted.pid, 9)  # the guest's processes are this machine's, all in the one session
            output, _ = booted.communicate()
        ended = int(status.read_text()) if status.exists() else None
        return Outcome(ended, output.decode(errors="replace"))

    def _shim(self) -> dict[str, str]:
        """What a processor with AMX needs beyond."""
        if "amx_tile" not in Path("/proc/cpuinfo").read_text():
            return {}
        library = self._folder / "uml_xstate.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, HERE / "uml_xstate.c"], check=True)
        return {"LD_PRELOAD": str(library)}
