"""Whether something that is opened again and again counts as open. Knows neither buses nor devices."""

from __future__ import annotations

BELIEVED_NS = 5 * 10**9
"""What was down and stays open so long is open, also when it gives nothing."""


class Openness:
    """An adapter may open and fail for ever: after it was down it is open once it gives something or has stayed.

    `told` is what people have been told, None before the first time.
    """

    def __init__(self) -> None:
        self.told: bool | None = None
        self._open_ns: int | None = None
        self._given = 0

    def changed(self, up: bool, given: int, now_ns: int) -> bool:
        """It has opened or failed; `given` counts what it gave. True when `told` is to be told."""
        self._open_ns = now_ns if up else None
        self._given = given
        if up and self.told is False:
            return False
        return self._tell(up)

    def look(self, given: int, now_ns: int) -> bool:
        """True when it is to be told now that it is open."""
        if self._open_ns is None or (given <= self._given and now_ns - self._open_ns <= BELIEVED_NS):
            return False
        return self._tell(True)

    def _tell(self, up: bool) -> bool:
        was, self.told = self.told, up
        return was is not up
