"""`2lbms why` of a device: what it measures is unknown, damaged or alarming, and what a person can do."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.outlets.snapshots import garage, house, shunt, site
from twolbms.outlets.why import why
from twolbms.outlets.why_device import why_device

DAMAGE = "7 of 20 answers in the last 10 s were damaged; see whether another program reads its port"
CASES = {
    "down": (shunt(state="down", down_because="No such file or directory (is it plugged in?)", trouble="its port …"),
             "Shunt: what it measures is not renewed and becomes unknown because its port /dev/ttyUSB0 is down: No "
             "such file or directory (is it plugged in?) (heard 0.3 s ago). Now: plug it in; its port is opened "
             "again by itself."),
    "silent": (shunt(12.0),
               "Shunt: what it measures is unknown because it has been silent for 12 s: its port is open and "
               "nothing comes. Now: see whether it is on and its cable is plugged in."),
    "damaged": (shunt(trouble=DAMAGE),
                "Shunt: it is not always understood: 7 of 20 answers in the last 10 s were damaged. Now: see whether "
                "another program reads its port."),
    "alarm": (shunt(alarms=["low voltage", "low temperature"]),
              "Shunt at house: it reports low voltage and low temperature (heard 0.3 s ago). Now: look at what it "
              "measures; the thresholds of these alarms are set in the device itself."),
    "well": (shunt(), "Shunt: it is heard and reports no alarm (heard 0.3 s ago). Now: nothing to do."),
    "starting": (shunt(state="starting", age_s=0.0), "Shunt: it has not been heard yet. Now: wait some seconds."),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_said(name: str) -> None:
    """Each trouble of a device is one sentence with what to look at now."""
    device, text = CASES[name]
    assert [str(sentence) for sentence in why_device("shunt", device, quiet=False)] == [text]


def said(pack: str | None, **devices: dict[str, Any]) -> list[tuple[str | None, str | None]]:
    snapshot = site(house=house(), garage=garage()) | {"devices": devices}
    return [(sentence.pack, sentence.by) for sentence in why(snapshot, pack) if sentence.what == "device"]


def test_which_devices_are_told() -> None:
    """A pack's answer has the trouble of what measures it; a device is asked for by name; a well one is quiet."""
    ill, lone = shunt(12.0), shunt(12.0, pack="")
    assert said(None, ill=ill, lone=lone, well=shunt()) == [("house", "device_silent"), (None, "device_silent")]
    assert said("house", ill=ill, lone=lone) == [("house", "device_silent")]
    assert said("garage", ill=ill, lone=lone) == []
    assert said("well", well=shunt()) == [("house", "device_well")]
    with pytest.raises(KeyError):
        said("nobody", ill=ill)


def test_a_site_of_devices_alone_has_an_answer() -> None:
    """Where there is no pack, a well device says so."""
    (sentence,) = why(site() | {"devices": {"shunt": shunt()}})
    assert sentence.by == "device_well"
    assert sentence.as_dict()["age_s"] == 0.3
