"""What people are told of a journal or a database in trouble, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from twolbms.alarms import Alarms
from twolbms.health.storage_alarms import TOLD_FOR_NS, StorageAlarms
from twolbms.recording import Recording
from voices.listening import Kept
from voices.node_voice import NS


class Storage:
    """Looks at one status after the other; `texts` are the standing alarms."""

    def __init__(self) -> None:
        self.alarms = Alarms(Recording(Kept()))
        self._storage = StorageAlarms(self.alarms)

    def texts(self, now_ns: int, outlet: dict[str, Any] | None = None, **journal: Any) -> list[str]:
        self._storage.look(journal, {} if outlet is None else {"influxdb": outlet}, now_ns)
        return [alarm.text for alarm in self.alarms.standing()]


OUTLETS = {
    "fine": ({"state": "ok", "lag_s": 1.0}, []),
    "a short outage": ({"state": "waiting", "lag_s": 599.0, "error": "connection refused"}, []),
    "a long outage": ({"state": "waiting", "lag_s": 1800.0, "error": "connection refused"},
                      ["influxdb is 30 min behind: connection refused"]),
    "a backlog of unknown age": ({"state": "waiting", "lag_s": None, "live_lag_s": 1800.0, "error": "no answer"},
                                 ["influxdb is at least 30 min behind: no answer"]),
    "refused": ({"state": "refused", "lag_s": 1.0, "error": "401 unauthorized"},
                ["outlet influxdb refused: 401 unauthorized"]),
    "stopped without a word": ({"state": "stopped", "error": None}, ["outlet influxdb stopped: no reason known"]),
}


@pytest.mark.parametrize(("status", "told"), OUTLETS.values(), ids=OUTLETS.keys())
def test_an_outlet_in_trouble_is_told(status: dict[str, Any], told: list[str]) -> None:
    """A database that refuses, has stopped or is more than ten minutes behind is an alarm; a short outage is none."""
    assert Storage().texts(0, status) == told


def test_waiting_blindly_is_told() -> None:
    """An outlet that waits for more than ten minutes is an alarm even if nobody knows how far it is behind."""
    storage, blind = Storage(), {"state": "waiting", "lag_s": None, "live_lag_s": None, "error": "no wall time"}
    text = "influxdb has been waiting for 10 min, nobody knows how far it is behind: no wall time"
    assert storage.texts(0, blind) == storage.texts(600 * NS, blind) == []
    assert storage.texts(601 * NS, blind) == [text]
    assert storage.texts(602 * NS, {"state": "ok", "lag_s": None}) == []
    assert storage.texts(603 * NS, blind) == storage.texts(1200 * NS, blind) == [], "it is counted anew"


def test_refused_points_are_told_for_an_hour() -> None:
    """Points that the database refused are an alarm until an hour after the last of them."""
    storage = Storage()
    text = "influxdb refused 3 points: the reasons stand in its quarantine file"
    assert storage.texts(0, {"state": "ok", "refused": 3}) == [text]
    assert storage.texts(TOLD_FOR_NS - NS, {"state": "ok", "refused": 3}) == [text]
    assert storage.texts(TOLD_FOR_NS, {"state": "ok", "refused": 3}) == []


JOURNALS = {
    "fine": ({"lost": 0, "refused": 0, "last_sync_age_s": 0.9}, []),
    "cannot write": ({"error": "No space left on device"}, ["the journal cannot write: No space left on device"]),
    "hangs": ({"last_sync_age_s": 600.0},
              ["the journal has not been synced for 600 s: its storage hangs"]),
    "lost": ({"lost": 2, "refused": 1}, ["3 records could not be journalled"]),
}


@pytest.mark.parametrize(("status", "told"), JOURNALS.values(), ids=JOURNALS.keys())
def test_a_journal_in_trouble_is_told(status: dict[str, Any], told: list[str]) -> None:
    """A journal that cannot write, hangs, has lost or refused something is an alarm."""
    assert Storage().texts(0, **status) == told


def test_lost_records_are_told_for_an_hour() -> None:
    """A loss long ago is no alarm for ever."""
    storage = Storage()
    assert storage.texts(0, lost=1)
    assert storage.texts(TOLD_FOR_NS, lost=1) == []
    assert storage.texts(TOLD_FOR_NS + NS, lost=2) == ["2 records could not be journalled"]
