"""Setup files: what is read, and how a mistake is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from twolbms.sim.pack_plant import PackParameters
from twolbms.sim.setup import SetupError, WorldSetup, default_link, load_setup

HOUSE: dict[str, Any] = {"cells": 8, "capacity_ah": 320, "initial_soc": [0.5] * 8, "heater_w": 300, "outputs": "fets"}


def load(tmp_path: Path, content: Any) -> WorldSetup:
    path = tmp_path / "world.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return load_setup(path)


def test_full_setup(tmp_path: Path) -> None:
    """Every part of a world can stand in its file."""
    setup = load(tmp_path, {
        "packs": [{"name": "house", "node": 1, "parameters": HOUSE, "link": "bank"}],
        "links": [{"name": "bank", "parameters": {"charger_v": 28.4}}],
        "bus": {"bitrate": 250000, "named_ports": ["gateway"], "ptys": ["usb"]}, "seed": 7, "clock": "1,2,3.0,4"})
    assert setup.packs[0].parameters.initial_soc == (0.5,) * 8
    assert (setup.packs[0].parameters.heater_w, setup.packs[0].link) == (300, "bank")
    assert (setup.links[0].parameters.charger_v, setup.bus.ptys, setup.seed) == (28.4, ("usb",), 7)


@pytest.mark.parametrize(("content", "named"), [
    ("{", "file"), ({}, "packs"), ({"packs": [], "speed": 2}, "speed"),
    ({"packs": [{"name": "a", "node": "1", "parameters": HOUSE}]}, "packs.0.node"),
    ({"packs": [{"name": "a", "node": 1, "parameters": HOUSE | {"cells": 0}}]}, "cells 0: expected 1 to 128"),
    ({"packs": [{"name": "a", "node": 1, "parameters": HOUSE | {"color": 1}}]}, "color"),
    ({"packs": [{"name": "a", "node": 1, "parameters": HOUSE | {"outputs": "relay"}}]}, "packs.0.parameters.outputs"),
])
def test_mistakes_are_named(tmp_path: Path, content: Any, named: str) -> None:
    """A mistake is refused with the file, the key and what was expected."""
    with pytest.raises(SetupError) as caught:
        load(tmp_path, content)
    assert named in str(caught.value)
    assert "world.json" in str(caught.value)


def test_absent_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(SetupError, match=r"absent\.json"):
        load_setup(tmp_path / "absent.json")


def test_default_charger() -> None:
    """Without bars of its own a pack has a charger that nearly fills it: 3.50 V a cell for LFP, 4.15 V for Leaf."""
    assert default_link(PackParameters(cells=8, capacity_ah=320)).charger_v == pytest.approx(28.0)
    assert default_link(PackParameters(cells=14, capacity_ah=61, chemistry="leaf_lmo")).charger_v == pytest.approx(58.1)
