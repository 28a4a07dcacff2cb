"""Reaction times: measured from the first value beyond to the command to open, each against its bound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twolbms.config.pack import GuardedPack
from twolbms.config.site_packs import load_guarded_pack
from twolbms.diagnoses import DIAGNOSES
from twolbms.files import data_path
from twolbms.proof import reaction
from twolbms.proof.injections import INJECTIONS
from twolbms.proof.reaction import broken, page
from twolbms.scenario.nodes import firmware
from twolbms.scenario.rewriting import Rewrite, rewritten
from twolbms.scenario.spoil_rules import CONTACTOR


@pytest.fixture(scope="module")
def lfp() -> GuardedPack:
    """The eight LiFePO4 cells."""
    return load_guarded_pack(data_path("packs", "lfp_8s_320ah.yaml"))


def of(pack: GuardedPack, name: str) -> reaction.Reaction:
    return reaction.reaction(pack, DIAGNOSES[name].number)


def times(line: reaction.Reaction) -> dict[str, int]:
    return {name: course.open_ms for name, course in line.courses.items()}


def test_a_row_that_opens_now(lfp: GuardedPack) -> None:
    """The interlock: 0.2 s of delay, with and without current; 0.3 s more above what the outputs break."""
    assert times(of(lfp, "interlock")) == {"0 A": 200, "load": 200, "above": 500}


def test_a_row_that_asks_first(lfp: GuardedPack) -> None:
    """A cell too full: 2 s of delay, and 5 s more while charge current flows on."""
    line = of(lfp, "cell_over_voltage")
    assert times(line) == {"0 A": 2000, "load": 7000, "above": 2500}
    assert line.courses["above"].by == "charge_peak_current" and line.bounds_ms["load"] == 7200


def test_an_age_is_beyond_only_after_its_time(lfp: GuardedPack) -> None:
    """No conversion for 1.9 s is inside; in the cycle after it everything is open: 2.0 s from the last one."""
    course = of(lfp, "stale_reading").courses["0 A"]
    assert (course.seen_ms, course.open_ms) == (1900, 0)


def test_a_row_without_a_trip_says_what_it_limits() -> None:
    """A silent gateway opens nothing; charge below 0 degC on common outputs is forbidden, not opened."""
    leaf = load_guarded_pack(data_path("packs", "leaf_2013_14s.yaml"))
    assert of(leaf, "gateway_silent").words == "opens nothing: allowance 0 A and 20 A 9.9 s after the fault"
    assert of(leaf, "charge_under_temperature").words.startswith("opens nothing: allowance 0 A ")
    assert of(leaf, "humidity").words == "not fitted: no humidity sensor in this enclosure"


def test_a_row_that_comes_up_behind_an_opening(lfp: GuardedPack) -> None:
    """A failed precharge, an overload and a weld are found with everything open already."""
    for name in ("precharge_failed", "break_overload", "contactor_welded"):
        assert of(lfp, name).words == "comes up after the outputs have opened"


def test_every_row_of_the_table_can_be_injected() -> None:
    """A new limit without a way to inject it is a broken line, never a missing one."""
    assert set(INJECTIONS) == set(DIAGNOSES)


def test_a_row_nobody_can_inject_is_broken(lfp: GuardedPack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so in its line, and the proof fails."""
    monkeypatch.setattr(reaction, "INJECTIONS", {})
    line = of(lfp, "interlock")
    assert "how to inject" in line.broken
    assert list(broken([(lfp, [line])])) == [f"lfp_8s_320ah: interlock: {line.broken}"]
    assert "**BROKEN**" in page([(lfp, [line])])


@pytest.mark.parametrize("module, old, new, name, words", [
    (CONTACTOR, "or self._grace > GRACE_CYCLES)", "or self._grace > 60)", "cell_over_voltage", "above its bound 7.2 s"),
    (CONTACTOR, "if self._break > self.limits.BREAK_HOLD_CYCLES:", "if self._break > 9:", "interlock", "above: "),
    ("node.rows", "values[13] = 0 if pins.interlock_closed else 1", "values[13] = 0", "interlock", "is never beyond")])
def test_a_node_that_is_too_slow_is_found(lfp: GuardedPack, module: str, old: str, new: str, name: str,
                                          words: str) -> None:
    """A wait that is too long, a hold that is too long, a fault that is not seen at all."""
    firmware("node.cycle")
    with rewritten(Rewrite("", "", module, old, new)):
        assert words in of(lfp, name).broken


def test_the_page_has_a_line_for_each_row_of_each_pack() -> None:
    """docs/reaction_times.md holds every limit of each pack, and nothing in it is broken."""
    text = reaction.PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert rows == [*DIAGNOSES] * len(reaction.PACKS) and "BROKEN" not in text


def test_check_writes_nothing_and_says_what_is_stale(
        lfp: GuardedPack, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 1 for a page that is missing or another one; writing makes it fresh."""
    monkeypatch.setattr(reaction, "reactions", lambda name: (lfp, [of(lfp, "interlock")]))
    path = tmp_path / "page.md"
    assert reaction.main(["--check", "--page", str(path)]) == 1 and not path.exists()
    assert reaction.main(["--page", str(path)]) == 0 and reaction.main(["--check", "--page", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8").replace("0.2 s", "0.1 s"), encoding="utf-8")
    assert reaction.main(["--check", "--page", str(path)]) == 1
    assert "stale: " in capsys.readouterr().out
