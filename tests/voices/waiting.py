"""What the shell would hear of a source, with a way to wait for it. Shared by the tests of all kinds of source."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

PATIENCE_S = 10.0

T = TypeVar("T")


class Listener(Generic[T]):
    """Takes what a source delivers and tells."""

    def __init__(self) -> None:
        self.heard: list[T] = []
        self.states: list[tuple[bool, str | None]] = []
        self._changed = threading.Condition()

    def deliver(self, batch: Sequence[T]) -> None:
        with self._changed:
            self.heard += batch
            self._changed.notify_all()

    def changed(self, up: bool, error: str | None) -> None:
        with self._changed:
            self.states.append((up, error))
            self._changed.notify_all()

    def wait(self, done: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(done, PATIENCE_S), self.states
