"""What a child process does before it becomes its program."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def dies_with(parent: int) -> Callable[[], None]:
    """For `preexec_fn`: the child asks to be killed when its parent, or the thread that started it, is gone."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # loaded here: after a fork little is safe to do

    def before_exec() -> None:
        if prctl is not None:
            prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before we could ask
            os._exit(1)

    return before_exec
