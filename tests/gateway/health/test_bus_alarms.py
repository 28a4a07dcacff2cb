"""Alarms of an open bus: losses and a controller in trouble, told once, for as long as they matter."""

from __future__ import annotations

from typing import Any

from twolbms.alarms import Alarms
from twolbms.health.bus_alarms import BusAlarms
from twolbms.recording import Recording

NS = 10**9


class Kept:
    """A sink that keeps events."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []

    def event(self, time_ns: int, kind: str, pack: str, data: dict[str, Any]) -> None:
        self.texts.append((kind, data["text"]))

    def __getattr__(self, name: str) -> Any:
        return lambda *values: None


class Watch:
    """Looks each second."""

    def __init__(self) -> None:
        self.kept = Kept()
        self.alarms = Alarms(Recording(self.kept))
        self.bus = BusAlarms("can0", self.alarms)
        self.now_ns = 0

    def look(self, seconds: int = 1, **counts: int) -> list[str]:
        for _ in range(seconds):
            self.now_ns += NS
            self.bus.look(counts, self.now_ns)
        return [alarm.text for alarm in self.alarms.standing()]


def test_losses_are_told_by_their_place() -> None:
    """New losses of each kind raise one alarm that says how many and where; it ends a minute after the last."""
    watch = Watch()
    assert watch.look(5) == []
    (text,) = watch.look(30, dropped=100)
    assert text == "bus can0: 100 frames lost in the last minute (100: the kernel's buffer was full)"
    (text,) = watch.look(dropped=120, overflow=3)
    assert text == ("bus can0: 123 frames lost in the last minute (120: the kernel's buffer was full; "
                    "3: the controller was not emptied in time)")
    (text,) = watch.look(40, dropped=120, overflow=3)
    assert "23 frames lost" in text
    assert watch.look(60, dropped=120, overflow=3) == []
    assert [kind for kind, _ in watch.kept.texts] == ["alarm", "alarm_gone"]


def test_losses_before_the_first_look_count() -> None:
    """What was lost while the gateway started is told too."""
    assert "7 frames lost" in Watch().look(dropped=7)[0]


def test_a_passive_controller() -> None:
    """Error passive is told at once and once, however it comes and goes; active and warning are no alarm."""
    watch = Watch()
    assert watch.look(state=0) == watch.look(state=1) == []
    for _ in range(20):
        assert "error passive" in watch.look(state=2)[0]
        assert "error passive" in watch.look(3, state=0)[0]
    assert watch.look(70, state=0) == []
    assert [kind for kind, _ in watch.kept.texts] == ["alarm", "alarm_gone"]


def test_bus_off_that_restarts() -> None:
    """Each bus-off of the last minute is counted in the alarm, also when the controller is well at every look."""
    watch = Watch()
    watch.look(state=0, bus_off=0)
    assert "switched itself off 1 times in the last minute (bus-off) and is on again" in watch.look(
        state=0, bus_off=1)[0]
    assert "switched itself off 5 times" in watch.look(state=0, bus_off=5)[0]
    assert watch.look(62, state=0, bus_off=5) == []


def test_bus_off_that_lasts() -> None:
    """Of a controller that is off nobody says that it starts again: without restart-ms it never does."""
    watch = Watch()
    for text in (watch.look(state=3, bus_off=1)[0], watch.look(90, state=3, bus_off=1)[0]):
        assert "has switched itself off (bus-off) and is off now" in text and "again (restart-ms)" in text
    assert watch.look(62, state=0, bus_off=1) == []
    assert "(bus-off); check cable" in Watch().look(bus_off=1)[0], "nothing of its state is known"


def test_a_bus_that_tells_no_state() -> None:
    """Without counts there is nothing to tell."""
    assert Watch().look(100) == []


def test_frames_that_cannot_be_sent_are_told() -> None:
    """More than twenty unsent frames within a minute are an alarm; a few, as when a bus comes back, are none."""
    watch = Watch()
    assert watch.look(20, send_errors=20) == []
    (text,) = watch.look(send_errors=21)
    assert text.startswith("bus can0: 21 frames could not be sent in the last minute")
    assert watch.look(90, send_errors=21) == []
