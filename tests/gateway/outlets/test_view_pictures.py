"""The view as text, compared with pictures that were looked at: `view_golden/`.

After a wanted change: TWOLBMS_GOLDEN=write pytest tests/gateway/outlets/test_view_pictures.py, and look at the diff.
"""

from __future__ import annotations

import os
from datetime import UTC
from pathlib import Path

import pytest

from gateway.outlets.snapshots import NOON_NS, garage, house, over_voltage, shunt, silent, site
from twolbms.outlets.view.palette import ASCII, UNICODE
from twolbms.outlets.view.picture import Paper, picture
from twolbms.outlets.view.site import Told

GOLDEN = Path(__file__).parent / "view_golden"
EVENTS = [Told(NOON_NS - 60 * 10**9, "house closed"), Told(NOON_NS - 40 * 10**9, "garage opened: cell over voltage")]
BOTH = site(house=house(), garage=garage())
TROUBLE = BOTH | {
    "clock": "guessed", "alarms": [{"text": "cell over voltage", "pack": "garage", "since_ns": NOON_NS - 40 * 10**9}],
    "outlets": {"influx": {"state": "waiting", "lag_s": 75.0, "lines": 9, "refused": 2, "error": "no answer"}},
    "buses": {"can0": {"frames": 12034, "bad_check": 3, "up": True}, "can1": {"frames": 0, "up": False}},
    "journal": {"acknowledged": 5120, "lost": 17, "last_sync_age_s": 9.0, "error": None}}
UNHEARD = site(house=silent(house(), None), garage=silent(garage(), 12.0))
SHARED = BOTH | {"banks": {"shed": {"packs": ["house", "garage"], "charge_a": 60.0, "discharge_a": 100.0,
                                    "limited_by": "house: derate_charge_temperature"}}}
HUNDRED = house(cells_v=[{"value": 3.3 + at / 1000, "age_s": 0.5} for at in range(100)])

WATCHED = BOTH | {"devices": {"shunt": shunt(), "cabin": shunt(12.0, pack="", alarms=["low voltage"])}}
DEVICES = site() | {"buses": {"can0": {"frames": 12034, "error": 3, "up": True, "load": 0.314, "frames_lost": 17,
                                       "state": 2}},
                    "devices": {"shunt": shunt(alarms=["low voltage", "low temperature"]),
                                "cabin": shunt(state="down", up=False, age_s=3.4)},
                    "alarms": [{"text": "device cabin: its port /dev/ttyUSB0 is down: No such file or directory",
                                "pack": "", "since_ns": NOON_NS - 3 * 10**9}]}

CASES = {
    "both_80x24": (BOTH, 0.2, Paper(80, 24, UNICODE, UTC)),
    "both_140x45": (BOTH, 0.2, Paper(140, 45, UNICODE, UTC)),
    "both_ascii_80x24": (BOTH, 0.2, Paper(80, 24, ASCII, UTC)),
    "trouble_100x30": (TROUBLE, 0.2, Paper(100, 30, UNICODE, UTC)),
    "unheard_80x24": (UNHEARD, 0.2, Paper(80, 24, UNICODE, UTC)),
    "gateway_gone_2s_80x24": (BOTH, 2.0, Paper(80, 24, UNICODE, UTC)),
    "gateway_gone_9s_80x24": (BOTH, 9.0, Paper(80, 24, UNICODE, UTC)),
    "never_seen_80x24": (None, 3.0, Paper(80, 24, UNICODE, UTC)),
    "shared_bank_120x30": (SHARED, 0.2, Paper(120, 30, UNICODE, UTC)),
    "small_60x12": (TROUBLE, 0.2, Paper(60, 12, UNICODE, UTC)),
    "devices_80x24": (WATCHED, 0.2, Paper(80, 24, UNICODE, UTC)),
    "devices_140x45": (WATCHED, 0.2, Paper(140, 45, UNICODE, UTC)),
    "devices_alone_80x24": (DEVICES, 0.2, Paper(80, 24, UNICODE, UTC)),
    "devices_alone_ascii_60x12": (DEVICES, 0.2, Paper(60, 12, ASCII, UTC)),
    "devices_gateway_gone_9s_80x24": (DEVICES, 9.0, Paper(80, 24, UNICODE, UTC)),
    "hundred_cells_80x24": (site(big=HUNDRED), 0.2, Paper(80, 24, UNICODE, UTC)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_view_is_the_picture_that_was_looked_at(name: str) -> None:
    """A snapshot gives exactly the text that a person has judged."""
    snapshot, silent_s, paper = CASES[name]
    text = "".join(f"{line.plain.rstrip()}\n" for line in picture(snapshot, silent_s, EVENTS, paper))
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("TWOLBMS_GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("width", "height"), [(20, 3), (60, 12), (79, 24), (120, 30), (200, 60)])
def test_the_view_never_leaves_the_window(name: str, width: int, height: int) -> None:
    """Whatever the size, no line is wider and there are no more lines than the terminal has."""
    snapshot, silent_s, paper = CASES[name]
    lines = picture(snapshot, silent_s, EVENTS, Paper(width, height, paper.glyphs, UTC))
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width


def test_ascii_is_ascii() -> None:
    """With the plain characters nothing is sent that a 7-bit terminal cannot show."""
    cold = over_voltage(limit="charge_under_temperature", unit="degC", cell=None, sensor=2, value=-1.5, threshold=0.0)
    alarm = {"text": "too cold: -1.5 °C ± 0.1", "pack": "häuschen"}
    strange = site(häuschen=house(faults=[cold])) | {"alarms": [alarm]}
    cases = [*CASES.values(), (strange, 0.2, Paper())]
    for snapshot, silent_s, paper in cases:
        told = [*EVENTS, Told(NOON_NS, "heater on at -1.5 °C → 5")]
        for line in picture(snapshot, silent_s, told, Paper(paper.width, paper.height, ASCII, UTC)):
            assert line.plain.isascii()
