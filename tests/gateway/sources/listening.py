"""What the shell would hear of sources, with a way to wait for it. Shared by the tests of all kinds of bus."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twolbms.sources.can import Received

PATIENCE_S = 10.0


class Listener:
    """Takes what a CanSource delivers and tells."""

    def __init__(self) -> None:
        self.frames: list[Received] = []
        self.states: list[tuple[bool, str | None]] = []
        self._changed = threading.Condition()

    def deliver(self, batch: list[Received]) -> None:
        with self._changed:
            self.frames += batch
            self._changed.notify_all()

    def changed(self, up: bool, error: str | None) -> None:
        with self._changed:
            self.states.append((up, error))
            self._changed.notify_all()

    def wait(self, done: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(done, PATIENCE_S), self.states
