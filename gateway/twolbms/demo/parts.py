"""The processes of a demonstration: started, watched, killed, started again, and never left behind.

Each dies with its parent, whatever ends the parent. Knows processes, not what they do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from twolbms.build.children import dies_with

_TERM_PATIENCE_S = 3.0


class PartFailed(Exception):
    """A part ended although it should run; the text names its log."""


class Part:
    """One process by its name. Its output goes to `log`; where `piped`, standard input and output are pipes."""

    def __init__(self, name: str, command: Sequence[str], log: Path, *, piped: bool = False,
                 environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.started_s = 0.0
        self.lives = 0
        self._piped = piped
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The process, with its pipes; PartFailed before the first start."""
        if self._process is None:
            raise PartFailed(f"{self.name} was never started")
        return self._process

    async def start(self) -> int:
        """Starts it and returns its process id."""
        pipe = asyncio.subprocess.PIPE
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command, stdin=pipe if self._piped else asyncio.subprocess.DEVNULL,
                stdout=pipe if self._piped else log, stderr=log, env={**os.environ, **(self._environment or {})},
                preexec_fn=dies_with(os.getpid()), start_new_session=True)
        self.started_s = time.monotonic()
        self.lives += 1
        return self._process.pid

    async def ended(self) -> int:
        """Waits for its end; the exit status, negative for a signal."""
        return await self.process.wait()

    async def kill(self) -> None:
        """kill -9, and waits until it is gone."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    async def stop(self) -> None:
        """Asks it to end, and kills it when it does not."""
        if not self.running:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), _TERM_PATIENCE_S)
        except TimeoutError:
            await self.kill()

    def failure(self) -> PartFailed:
        """What to say when it ended by itself."""
        return PartFailed(f"{self.name} ended with status {self.process.returncode}; {_last_lines(self.log)}")


def _last_lines(log: Path, count: int = 5) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-count:]
    except OSError:
        lines = []
    return "\n  ".join([f"see {log}:", *lines])


class Parts:
    """All processes of one demonstration; leaving the block ends every one of them, the last started first."""

    def __init__(self) -> None:
        self.by_name: dict[str, Part] = {}

    def add(self, part: Part) -> Part:
        """Takes a part to look after."""
        self.by_name[part.name] = part
        return part

    def pids(self) -> dict[str, int]:
        """Name to process id of what runs now."""
        return {name: part.pid for name, part in self.by_name.items() if part.pid is not None}

    async def __aenter__(self) -> Parts:
        return self

    async def __aexit__(self, *error: object) -> None:
        # Shielded: also when this task is being cancelled nothing may stay behind.
        await asyncio.shield(self.stop())

    async def stop(self) -> None:
        """Ends them all."""
        for part in reversed(self.by_name.values()):
            await part.stop()
