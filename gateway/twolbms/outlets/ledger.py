"""What of a journal a database holds and what it is owed: a live place a family, and stretches behind it.

Durable by `CursorFile`. Several threads use one ledger; a state of it at any moment claims nothing that was not stored.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from twolbms.journal.records import Cursor
from twolbms.outlets.ranges import Ranges, Stretch, place


class Standing(NamedTuple):
    """How far one family has come: `live` goes on from there (None: from the oldest), `owed` is to be sent besides."""

    live: Cursor | None = None
    owed: Ranges = Ranges()


class _Unsettled(NamedTuple):
    lived_s: float  # when the server's process that stored it was surely alive
    stored_s: float
    stretch: Stretch


class Ledger:
    """`settle_s`: a server that answers before it has written can lose its last seconds (0: never does).

    What was stored on it is owed again by `distrust` until a later store, so many seconds on, shows that it has lived.
    """

    def __init__(self, standings: Mapping[str, Standing], settle_s: float = 0.0) -> None:
        self._standings = dict(standings)
        self._settle_s = settle_s
        self._unsettled: list[_Unsettled] = []
        self._lock = threading.Lock()
        self.doubts = 0

    def live(self, family: str) -> Cursor | None:
        """Where the live lane goes on."""
        return self._of(family).live

    def owed(self, family: str) -> Stretch | None:
        """The oldest stretch that is still owed."""
        return self._of(family).owed.first

    def owes(self, families: Iterable[str]) -> bool:
        """Whether anything behind the live places of these families is owed.

        Of others something may be owed that nobody sends now: frames whose DBC file was taken away.
        """
        return any(self._of(family).owed for family in families)

    def owe(self, stretch: Stretch) -> None:
        """A stretch is to be sent, whatever was sent of it."""
        with self._lock:
            standing = self._of(stretch.end.family)
            self._standings[stretch.end.family] = standing._replace(owed=standing.owed.plus([stretch]))

    def leap(self, family: str, end: Cursor) -> None:
        """The live place moves to the journal's end, and what lies between is owed.

        An end before the live place, in a lower segment: the journal has been replaced, all of it is owed and nothing
        of the old one. In the same segment a power cut may have taken the end as well: that segment is owed.
        """
        with self._lock:
            live, owed = self._of(family)
            if live is not None and end.segment == live.segment and end.offset < live.offset:
                owed, live = owed.minus(Stretch(end, live)), Cursor(family, end.segment, 0)
            elif place(end) < place(live):
                live, owed = None, Ranges()
                self._unsettled = [one for one in self._unsettled if one.stretch.end.family != family]
            self._standings[family] = Standing(end, owed.plus([Stretch(live, end)]))

    def stored_live(self, done: Stretch, now_s: float, lived_s: float | None = None) -> None:
        """The database has a stretch, and the live place moves to its end. `lived_s`: a time at which the process of
        the server that stored it was alive; None where nothing had to be stored."""
        with self._lock:
            self._standings[done.end.family] = self._of(done.end.family)._replace(live=done.end)
            self._note(done, now_s, lived_s)

    def stored_owed(self, done: Stretch, now_s: float, lived_s: float | None = None) -> None:
        """The database has a stretch: it is owed no more."""
        with self._lock:
            standing = self._of(done.end.family)
            self._standings[done.end.family] = standing._replace(owed=standing.owed.minus(done))
            self._note(done, now_s, lived_s)

    def distrust(self) -> None:
        """The server may have been restarted: what it may have lost is owed again."""
        with self._lock:
            self.doubts += 1
            self._standings = self._with_unsettled()
            self._unsettled = []

    def settle(self, since_s: float, now_s: float) -> None:
        """One process of the server has lived from `since_s` to now: what it stored in that time and is old enough is
        safe."""
        with self._lock:
            safe_s = now_s - self._settle_s
            self._unsettled = [one for one in self._unsettled if one.lived_s < since_s or one.stored_s > safe_s]

    def standings(self) -> dict[str, Standing]:
        """What a restart begins with: what is not settled counts as owed."""
        with self._lock:
            return self._with_unsettled()

    def _of(self, family: str) -> Standing:
        return self._standings.get(family) or Standing()

    def _note(self, done: Stretch, now_s: float, lived_s: float | None) -> None:
        if self._settle_s > 0 and lived_s is not None:
            self._unsettled.append(_Unsettled(lived_s, now_s, done))

    def _with_unsettled(self) -> dict[str, Standing]:
        again: dict[str, list[Stretch]] = {}
        for one in self._unsettled:
            again.setdefault(one.stretch.end.family, []).append(one.stretch)
        return {family: standing._replace(owed=standing.owed.plus(again.get(family, ())))
                for family, standing in self._standings.items()}
