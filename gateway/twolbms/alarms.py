"""What a person should look at now: raised once, told once, gone when the cause is. Knows no cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twolbms.recording import Recording


@dataclass(slots=True)
class Alarm:
    """One standing alarm; `pack` is "" for the site."""

    pack: str
    text: str
    since_ns: int


class Alarms:
    """Standing alarms by key. Appearing and going are events; a text that changes meanwhile is not."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._standing: dict[tuple[str, str], Alarm] = {}

    def set(self, key: str, pack: str, text: str | None, now_ns: int) -> None:
        """Raises the alarm `key` of a pack, keeps its text up to date, or with None ends it."""
        standing = self._standing.get((pack, key))
        if text is None:
            if standing is not None:
                del self._standing[pack, key]
                self._recording.event(now_ns, "alarm_gone", pack, f"no longer: {standing.text}", {"alarm": key})
        elif standing is None:
            self._standing[pack, key] = Alarm(pack, text, now_ns)
            self._recording.event(now_ns, "alarm", pack, text, {"alarm": key})
        else:
            standing.text = text

    def standing(self) -> list[Alarm]:
        """All alarms, oldest first."""
        return sorted(self._standing.values(), key=lambda alarm: alarm.since_ns)

    def shown(self) -> list[dict[str, Any]]:
        """For the snapshot; `alarm` is the key."""
        oldest_first = sorted(self._standing.items(), key=lambda item: item[1].since_ns)
        return [{"alarm": key, "text": alarm.text, "pack": alarm.pack, "since_ns": alarm.since_ns}
                for (_, key), alarm in oldest_first]
