"""Sources that are stopped after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from twolbms.clock import StoryClock
from twolbms.sources.can import CanSource, OpenBus
from voices.waiting import Listener


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def start(listener: Listener) -> Iterator[Callable[[OpenBus], CanSource]]:
    """Starts sources of the bus can0 whose clock runs fast, so that the waits between tries are short."""
    sources: list[CanSource] = []
    clock = StoryClock.begin(speed=50)

    def started(opening: OpenBus) -> CanSource:
        source = CanSource("can0", opening, clock, listener.deliver, listener.changed)
        sources.append(source)
        source.start()
        return source

    yield started
    assert all(source.stop() for source in sources)
