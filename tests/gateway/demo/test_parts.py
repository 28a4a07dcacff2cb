"""Processes of a demonstration: none is left behind, whatever ends the parent."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from twolbms.demo.parts import Part, PartFailed, Parts

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]
STUBBORN = [sys.executable, "-c",
            "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()"]
LONGEST_MS = 20_000

PARENT = """
import asyncio, signal, sys
from pathlib import Path
from twolbms.demo.parts import Part, Parts

async def main():
    async with Parts() as parts:
        sleeper = [sys.executable, "-c", "import signal; signal.pause()"]
        print(await parts.add(Part("child", sleeper, Path(sys.argv[1]))).start(), flush=True)
        task = asyncio.current_task()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def is_gone(pid: int) -> bool:
    """Waits for the end of a process that is not a child of ours."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        waiting = select.poll()
        waiting.register(handle, select.POLLIN)
        return bool(waiting.poll(LONGEST_MS))
    finally:
        os.close(handle)


def test_kill_and_start_again(tmp_path: Path) -> None:
    """A killed part has no process id until it is started again, and counts its lives."""
    async def play() -> None:
        async with Parts() as parts:
            part = parts.add(Part("sleeper", SLEEPER, tmp_path / "log"))
            first = await part.start()
            assert parts.pids() == {"sleeper": first}
            await part.kill()
            assert (part.pid, part.running, await part.ended()) == (None, False, -signal.SIGKILL)
            assert await part.start() != first and part.lives == 2
    asyncio.run(play())


@pytest.mark.parametrize("command", [SLEEPER, STUBBORN])
def test_leaving_the_block_ends_all(tmp_path: Path, command: list[str]) -> None:
    """At the end of the block nothing runs any more, also when a part does not listen to a polite request."""
    async def play() -> int:
        async with Parts() as parts:
            part = parts.add(Part("child", command, tmp_path / "log", piped=True))
            pid = await part.start()
            if command is STUBBORN:
                assert part.process.stdout is not None and await part.process.stdout.readline() == b"up\n"
            return pid
    assert is_gone(asyncio.run(play()))


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_children_go_with_their_parent(tmp_path: Path, ending: signal.Signals) -> None:
    """Whether the parent is killed or interrupted, its child ends too."""
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(ending)
        assert is_gone(child)


def test_a_failure_names_the_log(tmp_path: Path) -> None:
    """A part that ends by itself is told with its status, its log and its last words."""
    async def play() -> PartFailed:
        part = Part("broken", [sys.executable, "-c", "raise SystemExit('no such bus')"], tmp_path / "log")
        await part.start()
        await part.ended()
        return part.failure()
    text = str(asyncio.run(play()))
    assert "broken ended with status 1" in text and str(tmp_path / "log") in text and "no such bus" in text
