"""docs/commissioning.md is held against the code: every step in order, every key, every bound that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twolbms.cli.node_check import check_command
from twolbms.cli.node_config import _KEYS, config_command
from twolbms.commissioning import meter_steps, sensor_steps
from twolbms.commissioning.steps import STEPS

PAGE = (Path(__file__).resolve().parents[3] / "docs/commissioning.md").read_text(encoding="utf-8")
FLAT = " ".join(PAGE.split())


def test_every_step_is_there_in_order() -> None:
    """Number, title, what one needs at hand and what it finds, as the tool says them."""
    told = re.findall(r"^### (\d+)\. (.+)\n\nAt hand: (.+)\. Finds: (.+)\.$", PAGE, re.M)
    assert told == [(str(number), step.title, step.needs, step.about) for number, step in enumerate(STEPS, 1)]


def test_every_key_of_the_configuration_is_there() -> None:
    """A row each, and no other."""
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.M) == [
        "number", "serial", "cell_gain_ppm", "cell_offset_mv", "current_gain_ppm", "current_offset_ma",
        "temp_offset_dc"]
    assert set(_KEYS) == set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M))


@pytest.mark.parametrize(("name", "told"), [
    ("CELL_MOVES_V", "by 20 mV or more"), ("ODD_CELL_V", "within 0.3 V of each other"),
    ("SUM_SHARE", "within 3 % of the pack's own voltage"), ("TEMPERATURE_RISES_K", "rise by 1.5 K"),
    ("AS_METER_V", "more than 3 mV off"), ("AS_METER_K", "More than 0.3 K off"),
    ("AS_METER_SHARE", "More than 1 % (at least 0.1 A) off"), ("AS_METER_A", "More than 1 % (at least 0.1 A) off")])
def test_the_numbers_are_those_of_the_code(name: str, told: str) -> None:
    """What the page promises is what is judged."""
    value = getattr(sensor_steps, name, None) or getattr(meter_steps, name)
    shown = {"CELL_MOVES_V": "20", "SUM_SHARE": "3", "AS_METER_V": "3", "AS_METER_SHARE": "1"}.get(name, f"{value:g}")
    scale = {"CELL_MOVES_V": 1000, "SUM_SHARE": 100, "AS_METER_V": 1000, "AS_METER_SHARE": 100}.get(name, 1)
    assert told in FLAT and f"{value * scale:g}" == shown and shown in told


def test_the_node_s_own_numbers() -> None:
    """One second, 2 V, 1 A, as firmware/src/store/bench.py has them."""
    from store.bench import FLOWING_MA, LIVE_MV, ON_CYCLES
    assert (ON_CYCLES, LIVE_MV, FLOWING_MA) == (10, 2000, 1000)
    assert "for **one second**" in PAGE and "more than 2 V on the link" in PAGE and "or 1 A flows" in PAGE


def test_every_option_on_the_page_exists() -> None:
    """Of both commands."""
    known = {name for command in (config_command, check_command) for each in command.params for name in each.opts}
    assert set(re.findall(r"(--[a-z]+)", PAGE)) <= known | {"--first"}
    assert {"--port", "--set", "--json", "--who", "--list", "--again", "--fresh"} <= set(re.findall(r"(--\w+)", PAGE))
