"""What a person should know of the journal and the outlets: they cannot write, have lost something, or fall behind.

Knows the words of their status (`JournalStatus`, docs/influxdb.md); control goes on whatever it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twolbms.alarms import Alarms

Json = dict[str, Any]

LATE_SYNC_S = 30.0
"""A journal that was not synced for so long hangs: a sync is due each second, and a slow card takes some of them."""

FAR_BEHIND_S = 600.0
"""A database so far behind, or so long waited for, is worth an alarm: short outages are everyday."""

TOLD_FOR_NS = 3600 * 10**9
"""What is lost or refused stays so; it is told for an hour after the last of it."""


class _Growing:
    """A count since start that should not grow."""

    def __init__(self) -> None:
        self._count = 0
        self._grown_ns: int | None = None

    def told(self, count: int, now_ns: int) -> bool:
        """Whether the count has grown within the time that it is told for."""
        if count > self._count:
            self._grown_ns = now_ns
        self._count = count
        return self._grown_ns is not None and now_ns - self._grown_ns < TOLD_FOR_NS


class StorageAlarms:
    """The alarms `journal`, `journal_lost`, `outlet NAME` and `outlet_refused NAME`."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._growing: dict[str, _Growing] = {}
        self._blind_since_ns: dict[str, int] = {}

    def look(self, journal: Mapping[str, Any], outlets: Mapping[str, Json], now_ns: int) -> None:
        """Takes both as they are now. Call it about once a second."""
        self._alarms.set("journal", "", _journal_text(journal), now_ns)
        missing = (journal.get("lost") or 0) + (journal.get("refused") or 0)
        told = self._grows("journal", missing, now_ns)
        self._alarms.set("journal_lost", "", f"{missing} records could not be journalled" if told else None, now_ns)
        for name, status in outlets.items():
            self._alarms.set(f"outlet {name}", "", _outlet_text(name, status, self._blind_s(name, status, now_ns)),
                             now_ns)
            refused = status.get("refused") or 0
            told = self._grows(name, refused, now_ns)
            text = f"{name} refused {refused} points: the reasons stand in its quarantine file" if told else None
            self._alarms.set(f"outlet_refused {name}", "", text, now_ns)

    def _blind_s(self, name: str, status: Json, now_ns: int) -> float:
        """How long an outlet has been waiting without anyone knowing how far it is behind."""
        if status.get("state") != "waiting" or status.get("lag_s") is not None:
            self._blind_since_ns.pop(name, None)
            return 0.0
        return (now_ns - self._blind_since_ns.setdefault(name, now_ns)) / 1e9

    def _grows(self, name: str, count: int, now_ns: int) -> bool:
        return self._growing.setdefault(name, _Growing()).told(count, now_ns)


def _journal_text(journal: Mapping[str, Any]) -> str | None:
    if journal.get("error"):
        return f"the journal cannot write: {journal['error']}"
    age_s = journal.get("last_sync_age_s") or 0.0
    if age_s > LATE_SYNC_S:
        return f"the journal has not been synced for {age_s:.0f} s: its storage hangs"
    return None


def _outlet_text(name: str, status: Json, blind_s: float) -> str | None:
    state, why = status.get("state"), status.get("error") or "no reason known"
    if state in ("refused", "stopped"):
        return f"outlet {name} {state}: {why}"
    known_s = status.get("lag_s")
    lag_s = (status.get("live_lag_s") if known_s is None else known_s) or 0.0
    if lag_s > FAR_BEHIND_S:
        return f"{name} is {'' if known_s is not None else 'at least '}{lag_s / 60:.0f} min behind: {why}"
    if blind_s > FAR_BEHIND_S:
        return f"{name} has been waiting for {blind_s / 60:.0f} min, nobody knows how far it is behind: {why}"
    return None
