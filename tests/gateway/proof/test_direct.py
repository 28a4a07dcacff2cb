"""The quick node is the node: in the same story it gives the same, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.build.columns import limit_image
from twolbms.proof.direct import DirectNode
from twolbms.scenario.nodes import CPythonNode, limits_object
from twolbms.scenario.play import load_scenario, play

STORIES = Path(__file__).resolve().parents[2] / "scenarios"


@pytest.mark.parametrize("name", ["lfp_8s_320ah/told_values", "lfp_8s_320ah/pair", "lfp_8s_320ah/pause",
                                  "leaf_2013_14s/balancing", "leaf_2013_14s/implausible_each"])
def test_it_gives_what_the_node_over_the_link_gives(name: str) -> None:
    """Outputs, balancing and every frame of every cycle."""
    scenario, pack = load_scenario(STORIES / f"{name}.yaml")
    limits = limits_object(limit_image(pack))
    one, other = (play(scenario, pack, kind(limits, scenario.node), keep_log=True)
                  for kind in (CPythonNode, DirectNode))
    assert one.difference is None and one.log == other.log


def test_a_node_that_raises_is_dead() -> None:
    """As over the link: a difference with its error, no traceback."""
    scenario, pack = load_scenario(STORIES / "lfp_8s_320ah" / "pause.yaml")
    node = DirectNode(limits_object(limit_image(pack)), 1)
    node.node.heat.limits = None
    assert "dead: AttributeError" in str(play(scenario, pack, node).difference)
