"""The board: values with the time they were measured, too old is unknown, and trouble is an alarm in words."""

from __future__ import annotations

from typing import Any

import pytest

from twolbms.alarms import Alarms
from twolbms.devices.board import Devices
from twolbms.devices.kinds import KINDS, DeviceSetup
from twolbms.devices.reading import DeviceReading
from twolbms.fields import FIELDS
from twolbms.recording import Recording
from voices.listening import Kept

NS = 10**9
KIND = KINDS["victron_ve_direct"]


class Site:
    """A board with one device, a journal in memory, and a clock that is turned by hand."""

    def __init__(self, **setup: Any) -> None:
        self.kept = Kept()
        recording = Recording(self.kept)
        self.alarms = Alarms(recording)
        self.now_ns = 100 * NS
        self.board = Devices([DeviceSetup("shunt", KIND, "/dev/ttyUSB0", **setup)], recording, self.alarms,
                             self.now_ns)

    def hear(self, alarms: tuple[str, ...] | None = None, **values: float | None) -> None:
        texts = {"PID": "0xA389"}
        self.board.take("shunt", DeviceReading(b"raw", {f"shunt_{name}": value for name, value in values.items()},
                                               texts, alarms), self.now_ns)

    def wait(self, seconds: float) -> None:
        """Seconds pass, settled once each."""
        end_ns = self.now_ns + round(seconds * NS)
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, self.now_ns + NS)
            self.board.settle(self.now_ns)

    def told(self, name: str, up: bool, error: str | None = None) -> None:
        self.board.state(name, up, error, self.now_ns)

    @property
    def picture(self) -> dict[str, Any]:
        found: dict[str, Any] = self.board.picture(self.now_ns)["shunt"]
        return found

    @property
    def standing(self) -> list[str]:
        return [alarm.text for alarm in self.alarms.standing()]


def test_a_value_has_its_time() -> None:
    """Each value carries its own age: the one that was not said again grows old, the other does not."""
    site = Site()
    site.hear(voltage_v=26.5, soc=0.9)
    site.wait(3)
    site.hear(voltage_v=26.4)
    assert site.picture["values"] == {"shunt_voltage_v": {"value": 26.4, "age_s": 0.0, "told": True},
                                      "shunt_soc": {"value": 0.9, "age_s": 3.0, "told": True}}
    site.wait(3)
    assert site.picture["values"]["shunt_soc"] == {"value": None, "age_s": 6.0, "told": False}
    assert site.board.value("shunt", "shunt_voltage_v", site.now_ns) == 26.4
    assert site.board.value("shunt", "shunt_soc", site.now_ns) is None
    assert site.board.value("shunt", "shunt_power_w", site.now_ns) is None


@pytest.mark.parametrize(("max_age_s", "known_s"), [(None, 5.0), (2.0, 2.0), (30.0, 30.0)])
def test_too_old_is_unknown(max_age_s: float | None, known_s: float) -> None:
    """At its greatest age a value is still known, just after it is not; the site's figure wins over the kind's."""
    site = Site(max_age_s=max_age_s)
    site.hear(voltage_v=26.5)
    then_ns = site.now_ns + round(known_s * NS)
    assert site.board.value("shunt", "shunt_voltage_v", then_ns) == 26.5
    assert site.board.value("shunt", "shunt_voltage_v", then_ns + 1) is None
    assert site.board.picture(then_ns)["shunt"]["state"] == "ok"
    assert site.board.picture(then_ns + 1)["shunt"]["state"] == "silent"


def test_what_the_device_does_not_know() -> None:
    """A value that the device itself calls unknown replaces the one before at once."""
    site = Site()
    site.hear(soc=0.9)
    site.hear(soc=None)
    assert site.picture["values"]["shunt_soc"] == {"value": None, "age_s": 0.0, "told": True}


@pytest.mark.parametrize("value", [-0.001, 1.001, 6e9])
def test_what_cannot_be(value: float) -> None:
    """A value outside what its row allows is unknown and counted: one block in 256 damaged ones has the right sum."""
    site = Site()
    site.hear(soc=0.9)
    site.hear(soc=value, voltage_v=26.5)
    assert site.picture["values"]["shunt_soc"]["value"] is None
    assert site.picture["values"]["shunt_voltage_v"]["value"] == 26.5
    assert site.picture["counts"]["implausible"] == 1


def test_what_is_journalled() -> None:
    """The raw block is a reading under the device's name; values are samples as their rows say, at their own time."""
    site = Site()
    for _ in range(21):
        site.hear(voltage_v=26.5, soc=0.9)
        site.now_ns += NS // 2
    assert [(each.source, each.data) for each in site.kept.readings] == [("shunt", b"raw")] * 21
    times = {name: [(sample.time_ns - 100 * NS) / NS for sample in site.kept.samples
                    if sample.series == (name, "shunt", None)] for name in ("shunt_voltage_v", "shunt_soc")}
    assert times == {"shunt_voltage_v": [float(second) for second in range(11)], "shunt_soc": [0.0, 10.0]}


def test_after_silence_the_first_value_is_recorded_at_once() -> None:
    """A silence is a hole in the record and the value that ends it stands at its own time."""
    site = Site()
    site.hear(soc=0.9)
    site.wait(7)
    site.hear(soc=0.9)
    assert [sample.time_ns // NS for sample in site.kept.samples] == [100, 107]


def test_silence_is_an_alarm_and_ends() -> None:
    """Never heard and gone silent are told, each once, with what to look at; the first block ends it."""
    site = Site(pack="house")
    site.told("shunt", True)
    assert site.picture["state"] == "starting"
    site.wait(5)
    assert site.standing == []
    site.wait(1)
    assert site.standing == ["device shunt: was never heard: its port is open and nothing comes; see whether it is on "
                             "and its cable is plugged in"]
    assert site.alarms.standing()[0].pack == "house"
    site.hear(voltage_v=26.5)
    assert (site.standing, site.picture["state"], site.picture["trouble"]) == ([], "ok", None)
    site.wait(8)
    assert site.standing[0].startswith("device shunt: has been silent for 8 s: its port is open")
    assert len(site.kept.told("alarm")) == 2 and len(site.kept.told("alarm_gone")) == 1


def test_a_port_that_goes_and_comes() -> None:
    """Down is told at once with why, once however often it is tried; open again alone takes no alarm back."""
    site = Site()
    site.told("shunt", True)
    site.hear(voltage_v=26.5)
    site.told("shunt", False, "Input/output error")
    site.told("shunt", False, "No such file or directory")
    assert site.standing == ["device shunt: its port /dev/ttyUSB0 is down: No such file or directory"]
    assert (site.picture["state"], site.picture["down_because"]) == ("down", "No such file or directory")
    assert site.picture["values"]["shunt_voltage_v"]["value"] == 26.5
    site.wait(6)
    assert site.picture["values"]["shunt_voltage_v"]["value"] is None
    site.told("shunt", True)
    assert site.standing[0].startswith("device shunt: has been silent for 6 s")
    site.hear(voltage_v=26.4)
    assert site.standing == []
    assert site.kept.texts("device_up", "device_down") == [
        "device shunt is open", "device shunt is down: Input/output error", "device shunt is open"]


def counts(site: Site, **grown: int) -> None:
    """Each second for ten seconds the counts grow by so much."""
    total = dict.fromkeys(("bytes", "readings", "damaged"), 0)
    for _ in range(11):
        site.board.counts("shunt", dict(total))
        site.wait(1)
        total = {name: count + grown.get(name, 0) for name, count in total.items()}


def test_garbage_is_told() -> None:
    """Bytes without one whole block are another trouble than no bytes: wrong port, wrong kind, or another reader."""
    site = Site()
    site.told("shunt", True)
    counts(site, bytes=200)
    assert site.standing == ["device shunt: was never heard: its port gave 2000 bytes and in them nothing that it "
                             "would say; see whether it is the right port and kind, and "
                             "whether another program reads it"]
    counts(site, bytes=200, damaged=2)
    assert "in them 20 damaged answers" in site.standing[0]


@pytest.mark.parametrize(("readings", "damaged", "told"), [(1, 1, True), (2, 0, False), (20, 1, False), (3, 1, True)])
def test_two_readers(readings: int, damaged: int, told: bool) -> None:
    """A device of which a fifth or more comes damaged is told while it is still heard; a rare one is not."""
    site = Site()
    site.told("shunt", True)
    total = {"bytes": 0, "readings": 0, "damaged": 0}
    for _ in range(11):
        site.hear(voltage_v=26.5)
        total = {"bytes": total["bytes"] + 200, "readings": total["readings"] + readings,
                 "damaged": total["damaged"] + damaged}
        site.board.counts("shunt", total)
        site.wait(1)
    text = f"device shunt: {damaged * 10} of {(readings + damaged) * 10} answers in the last 10 s were damaged; " \
        "see whether another program reads its port or the cable is disturbed"
    assert site.standing == ([text] if told else [])
    if told:
        for _ in range(11):
            site.hear(voltage_v=26.5)
            site.wait(1)
        assert site.standing == []


def test_its_own_alarms() -> None:
    """Each of the device's alarms comes and goes by itself, belongs to the pack it measures, and outlives silence."""
    site = Site(pack="house")
    site.hear(("low voltage",), alarm=1.0)
    site.hear(("low voltage", "low temperature"), alarm=1.0)
    site.hear(None, cycles=3.0)
    assert site.standing == ["shunt reports low voltage", "shunt reports low temperature"]
    site.hear(("low temperature",), alarm=1.0)
    site.wait(8)
    assert [text.partition(" for")[0] for text in site.standing] == [
        "shunt reports low temperature", "device shunt: has been silent"]
    assert site.picture["alarms"] == ["low temperature"]
    site.hear((), alarm=0.0)
    assert site.standing == []
    assert site.kept.texts("alarm")[:2] == ["shunt reports low voltage", "shunt reports low temperature"]
    assert {event.pack for event in site.kept.told("alarm", "alarm_gone")} == {"house"}


def test_the_picture_names_the_device() -> None:
    """The snapshot says what it is, where it is, how old it is, and what it said of itself."""
    site = Site(pack="house")
    assert site.picture == {
        "kind": "victron_ve_direct", "title": "Victron SmartShunt or BMV", "port": "/dev/ttyUSB0", "pack": "house",
        "state": "starting", "age_s": None, "max_age_s": 5.0, "up": None, "down_because": None, "trouble": None,
        "values": {}, "alarms": [], "info": {}, "counts": {"implausible": 0}}
    site.hear(voltage_v=26.5)
    site.now_ns += NS // 4
    assert (site.picture["age_s"], site.picture["info"]) == (0.25, {"model": "SmartShunt 500A"})


def test_every_kind_is_whole() -> None:
    """Each kind tells quantities of the table only, begins a conversation, and has an age after which it is silent."""
    for name, kind in KINDS.items():
        assert kind.name == name and kind.title and kind.max_age_s > 0 and kind.line.baud > 0
        assert all(FIELDS[quantity].level == "device" for quantity in kind.quantities)
        talk = kind.talk()
        assert list(talk.feed(b"")) == [] and talk.counts["damaged"] == 0


def test_a_port_that_opens_and_fails_for_ever_is_told_once() -> None:
    """A converter that accepts and closes at once is down for as long as it gives no reading."""
    site = Site()
    site.told("shunt", True)
    site.hear(voltage_v=26.5)
    for _ in range(20):
        site.told("shunt", False, "the far end closed")
        site.wait(0.5)
        site.told("shunt", True)
        site.wait(0.5)
    assert site.kept.texts("device_up", "device_down") == [
        "device shunt is open", "device shunt is down: the far end closed"]
    assert len(site.kept.texts("alarm")) == 1
