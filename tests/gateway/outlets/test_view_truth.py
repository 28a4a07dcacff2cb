"""What the view may claim: colours, ages, and what happens to values that nobody renews."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from rich.text import Text

from gateway.outlets.snapshots import NOON_NS, garage, house, measured, silent, site
from twolbms.outlets.view.aged import aged
from twolbms.outlets.view.bars import cell_bar, scale_of
from twolbms.outlets.view.palette import ASCII, BAD, KNOWN, NO_DATA, PERMITTED, WARN
from twolbms.outlets.view.picture import Paper, picture
from twolbms.outlets.view.site import Told

PAPER = Paper(140, 45, ASCII, UTC)
LIMITS = {"cell_over_voltage": {"warn": 3.5, "limit": 3.75, "trip": 4.0},
          "cell_under_voltage": {"warn": 2.5, "limit": 2.25, "trip": 2.0}}


def draw(snapshot: dict[str, Any] | None, silent_s: float = 0.1, speed: float = 1.0) -> list[Text]:
    """The view of a wide terminal."""
    return picture(snapshot, silent_s, [], PAPER, speed)


def styled(lines: list[Text], style: str) -> str:
    """All text drawn in one style, a space between pieces."""
    return " ".join(line.plain[span.start:span.end] for line in lines for span in line.spans if span.style == style)


def plain(lines: list[Text]) -> str:
    """The view without colours."""
    return "\n".join(line.plain for line in lines)


def test_green_is_only_what_is_permitted() -> None:
    """A closed pack that may carry current is green; the same numbers behind open outputs, or at 0 A, are not."""
    assert "160 A" in styled(draw(site(house=house())), PERMITTED)
    opened = house(state="open", paths={"charge": "open", "discharge": "open"})
    stopped = house(allowance=house()["allowance"] | {"charge_a": 0.0, "discharge_a": 0.0})
    assert styled(draw(site(house=opened) | {"banks": {}}), PERMITTED) == ""
    assert styled(draw(site(house=stopped) | {"banks": {}}), PERMITTED) == ""


def test_one_blocked_direction_is_not_green() -> None:
    """Where charging is blocked and discharging is not, only the discharge side is green."""
    cold = house(paths={"charge": "open", "discharge": "closed"},
                 allowance=house()["allowance"] | {"charge_a": 0.0, "charge_limited_by": "charge_under_temperature"})
    green = styled(draw(site(house=cold) | {"banks": {}}), PERMITTED)
    assert "200 A" in green and "0 A" not in green.replace("200 A", "")


def test_stale_ages_are_red() -> None:
    """The age of a pack turns red after a second, the voltage of a cell after three periods."""
    lines = draw(site(house=house(age_s=1.4, cells_v=[measured(3.3, 3.4)] + [measured(3.31, 0.5)] * 7)))
    assert "heard 1.4 s ago" in styled(lines, BAD) and "3.300 V" in styled(lines, BAD)
    assert "3.310 V" not in styled(lines, BAD)


def test_unknown_is_grey_and_says_so() -> None:
    """A silent node is named in red, everything it told is "unknown" in grey, and no number of it is left."""
    lines = draw(site(house=silent(house(), 7.0)) | {"banks": {}})
    assert "NODE SILENT" in styled(lines, BAD)
    assert styled(lines, NO_DATA).count("unknown") >= 14
    assert "3.3" not in plain(lines)


def test_a_null_cell_is_unknown() -> None:
    """One cell that is not known is not drawn as a low one."""
    lines = draw(site(house=house(cells_v=[measured(None, 0.5)] + [measured(3.3)] * 7)))
    row = next(line.plain for line in lines if line.plain.startswith(" 1 "))
    assert row.startswith(" 1 unknown [") and set(row.strip()[11:]) <= set("[ ]")


@pytest.mark.parametrize("silent_s", [1.0, 1.5, 4.0, 60.0])
def test_gateway_gone(silent_s: float) -> None:
    """From one second without a snapshot on the view says how long, in red, and everything else is grey."""
    lines = draw(site(house=house(), garage=garage()), silent_s)
    assert "gateway silent for" in styled(lines[:1], BAD)
    assert {str(span.style) for line in lines[1:] for span in line.spans} | {str(line.style) for line in lines[1:]} == \
        {NO_DATA}


def test_gateway_there() -> None:
    """Below one second nothing is said to be silent."""
    assert "silent" not in plain(draw(site(house=house()), 0.9))


def test_values_do_not_outlive_the_gateway() -> None:
    """Five seconds after the last snapshot no measured value, allowance or counter of it is shown any more."""
    early, late = plain(draw(site(house=house()), 4.0)), plain(draw(site(house=house()), 5.5))
    assert "3.341 V" in early and "heard 4.2 s ago" in early
    assert not any(text in late for text in ("3.341", "160 A", "61.2", "18.2", "12034", "5120", "closed", "CLOSED"))


def test_story_seconds_age_faster() -> None:
    """In a story at 20 times the speed half a minute has passed after 1.5 s: values are unknown by then."""
    assert "3.341" not in plain(draw(site(house=house()), 1.5, speed=20.0))


def test_aged_leaves_the_snapshot_alone() -> None:
    """Growing older works on a copy."""
    snapshot = site(house=house())
    aged(snapshot, 60.0)
    assert snapshot == site(house=house())


@pytest.mark.parametrize(("volts", "style"), [(3.49, KNOWN), (3.51, WARN), (3.76, BAD), (2.4, WARN), (2.2, BAD)])
def test_voltages_take_the_colour_of_their_tier(volts: float, style: str) -> None:
    """Inside no tier plain, beyond warn yellow, beyond limit red, at either end."""
    lines = draw(site(house=house(cells_v=[measured(volts)], limits=LIMITS)))
    assert f"{volts:.3f} V" in styled(lines, style)


@pytest.mark.parametrize(("volts", "bar"), [
    (2.0, "[  | :       : | ]"), (3.0, "[##|#:###    : | ]"), (4.0, "[##|#:#######:#|#]"), (1.9, "<                ]"),
    (4.1, "[################>"), (None, "[                ]"),
])
def test_bar(volts: float | None, bar: str) -> None:
    """A bar spans the two trips, its ticks stand at warn and limit, and what lies beyond a trip points out of it."""
    assert cell_bar(scale_of(LIMITS), volts, 18, ASCII, "default").plain == bar


def test_no_limits_no_bar() -> None:
    """Without limits there is no scale to draw on, only the number."""
    assert scale_of({}) is None
    assert "3.341 V [    " in plain(draw(site(house=house(limits={}))))


def test_last_events_come_last() -> None:
    """The events that fit stand at the bottom, the newest last."""
    told = [Told(NOON_NS + second * 10**9, f"event {second}") for second in range(60)]
    lines = picture(site(house=house()), 0.1, told, PAPER)
    assert lines[-1].plain == "12:00:59 event 59" and lines[-2].plain == "12:00:58 event 58"


def test_heater_that_does_not_obey_is_red() -> None:
    """A heater measured other than commanded is named."""
    lines = draw(site(house=house(heater={"measured": "off", "commanded": "on"})))
    assert "(told on)" in styled(lines, BAD)


@pytest.mark.parametrize(("state", "words"), [
    ("asleep", "a charger, the key or its timer wakes it"), ("cooling", "the precharge resistor cools"),
    ("service", "nothing closes")])
def test_what_a_node_does_is_said_in_words(state: str, words: str) -> None:
    """A state whose name alone says little is explained; a closed pack needs no words."""
    text = plain(draw(site(house=house(state=state, paths={"charge": "open", "discharge": "open"}))))
    assert state.upper() in text and words in text
    assert words not in plain(draw(site(house=house())))


def test_a_node_that_sleeps_is_not_called_silent() -> None:
    """It has said that it goes to sleep; who fell silent in any other state is silent."""
    sleeping = plain(draw(site(house=silent(house(), 900.0) | {"last_state": "asleep"})))
    assert "ASLEEP" in sleeping and "NODE SILENT" not in sleeping and "its timer wakes it" in sleeping
    closed = plain(draw(site(house=silent(house(), 900.0) | {"last_state": "closed"})))
    assert "NODE SILENT" in closed and "ASLEEP" not in closed


def test_trial_and_update_are_told() -> None:
    """A version on trial, one that waits, and how far an update over CAN has come."""
    assert "firmware is on trial" in plain(draw(site(house=house(info={"firmware_trial": "on_trial"}))))
    running = {"state": "receiving", "error": None, "next_block": 4711}
    assert "update receiving, block 4711" in plain(draw(site(house=house(update=running))))
    stopped = running | {"state": "failed", "error": "not_for_this_node"}
    assert "update stopped: not for this node" in plain(draw(site(house=house(update=stopped))))
    assert "update" not in plain(draw(site(house=house(update=None))))
