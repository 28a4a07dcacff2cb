"""The comparison of node and oracle: that it agrees, that it repeats, and that it sees a rule that is wrong."""

from __future__ import annotations

import pytest

from twolbms.config.pack import GuardedPack
from twolbms.config.site_packs import load_guarded_pack
from twolbms.files import data_path
from twolbms.proof import compare
from twolbms.scenario.nodes import firmware
from twolbms.scenario.rewriting import Rewrite, rewritten
from twolbms.scenario.spoil_rules import PROTECT

STEPS = 6000


def pack(name: str = "lfp_8s_320ah", **sensors: float) -> GuardedPack:
    found = load_guarded_pack(data_path("packs", f"{name}.yaml"))
    return found.model_copy(update={"sensors": found.sensors.model_copy(update=sensors)})


@pytest.mark.parametrize("name", compare.PACKS)
def test_node_and_oracle_agree(name: str) -> None:
    """States, tiers, latches, blocks and refusals are the same in every step."""
    found = compare.compare(pack(name), 7, STEPS)
    assert found.disagreement is None and found.steps == STEPS and found.trips > 100


def test_they_agree_with_an_error_budget() -> None:
    """Limits that move inside by the error of a cell reading are the same on both sides."""
    assert compare.compare(pack(cell_error_v=0.007), 3, STEPS).disagreement is None


def test_a_seed_gives_the_same_steps() -> None:
    """A disagreement can be found again by its seed and step."""
    one, other = (compare.compare(pack(), 5, 2000) for _ in range(2))
    assert one[:3] == other[:3] and one.trips == other.trips


@pytest.mark.parametrize("old, new", [
    ("if not sure:", "if False:"),
    ("elif state != OK and not inside:", "elif False:"),
    ("value <= limits.CLEAR[n] * sign", "value < limits.CLEAR[n] * sign"),
    ("value > limits.TRIP[n] * sign", "value >= limits.TRIP[n] * sign"),
    ("self.hold[n] - periods", "self.hold[n] - 1"),
    ("self.beyond |= self._beyond(n)", "pass"),
    ("if n == IMPLAUSIBLE else 0", "if False else 0")])
def test_a_wrong_rule_is_seen(old: str, new: str) -> None:
    """Each rule of the table that is taken away in the node is a disagreement, told with seed, step and row."""
    firmware(PROTECT)
    with rewritten(Rewrite("", "", PROTECT, old, new)):
        found = compare.compare(pack(), 1, STEPS)
    assert found.disagreement is not None and found.disagreement.startswith("lfp_8s_320ah, seed 1, step ")


def test_exit_status_says_whether_they_agree(capsys: pytest.CaptureFixture[str]) -> None:
    """0 and a count of steps a second; 1 and the first step at which they part."""
    assert compare.main(["--steps", "400", "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "steps/s" in out and out.endswith(" 0 disagreements\n")
    with rewritten(Rewrite("", "", PROTECT, "if not sure:", "if False:")):
        assert compare.main(["--steps", "2000", "--workers", "1"]) == 1
    assert "DISAGREE" in capsys.readouterr().out
