"""The tool that tests the tests: what it spoils, that it sees what nobody notices, and that it puts all back."""

from __future__ import annotations

import importlib
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from twolbms.build.columns import limit_image
from twolbms.config.site_packs import load_guarded_pack
from twolbms.diagnoses import DIAGNOSES
from twolbms.files import data_path
from twolbms.scenario import spoil
from twolbms.scenario.nodes import firmware_folder, limits_object
from twolbms.scenario.rewriting import Rewrite, RuleMoved, check, rewritten
from twolbms.scenario.spoil_columns import Spoil, column_spoils
from twolbms.scenario.spoil_rules import RULES

STORIES = Path(__file__).resolve().parents[2] / "scenarios"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has the firmware on its path and remembers no stories."""
    monkeypatch.syspath_prepend(str(firmware_folder()))
    monkeypatch.setattr(spoil, "_stories", {})
    monkeypatch.setattr(spoil, "_limits", {})
    yield


def all_of(pack: str) -> list[Spoil]:
    return list(column_spoils(limits_object(limit_image(load_guarded_pack(data_path("packs", f"{pack}.yaml"))))))


PACKS = ("lfp_8s_320ah", "lfp_16s_280ah", "leaf_2013_14s")


@pytest.mark.parametrize("pack", PACKS)
def test_every_number_is_tried_or_has_a_reason(pack: str) -> None:
    """Six numbers of each row, up and down, are each spoiled or listed with why that means nothing."""
    told = all_of(pack)
    for row in DIAGNOSES:
        numbers = Counter(s.what.split()[1] for s in told if s.what.split()[0] == row)
        assert {numbers[name] >= 2 for name in ("clear", "delay", "warn", "hold")} == {True}
        assert numbers["trip"] >= 4 and numbers["limit"] >= 4  # the number and what it blocks, each two ways
    assert all(bool(s.columns) != bool(s.reason) for s in told)


def test_every_trip_clear_and_delay_that_is_there_is_spoiled() -> None:
    """The reasons never excuse a trip, a delay or a hold of a row that trips."""
    excused = [s for pack in PACKS for s in all_of(pack) if s.reason]
    for s in excused:
        if s.what.split()[1] in ("trip", "delay", "hold") and "->" in s.what:
            assert s.reason is not None and any(
                why in s.reason for why in ("no trip", "nothing is held", "not fitted", "a late cycle counts")), s


def test_every_rule_still_stands_in_the_firmware() -> None:
    """The text of each rule is in the firmware once; a text that is gone is an error, not a silent pass."""
    check(RULES)
    with pytest.raises(RuleMoved, match="0 times"), rewritten(RULES[0]._replace(old="no such text")):
        pass


def test_a_rewrite_is_in_force_and_then_gone() -> None:
    """Methods, functions and numbers change while a rule is taken away, and are the old ones after it."""
    contactor, codec = importlib.import_module("node.contactor"), importlib.import_module("generated.codec")
    with rewritten(Rewrite("grace", "", "node.contactor", "GRACE_CYCLES = 50", "GRACE_CYCLES = 7")):
        assert contactor.GRACE_CYCLES == 7
    assert contactor.GRACE_CYCLES == 50
    bad = bytes(8)
    crc = Rewrite("damaged", "", "node.frames", "if check ^ 0xFF != d[7]:", "if False:")
    with rewritten(crc):
        assert codec.read_node_request(bad, 1, [0] * 6)
    assert not codec.read_node_request(bad, 1, [0] * 6)


def folder_of(tmp_path: Path, *names: str) -> Path:
    for name in names:
        shutil.copy(STORIES / "lfp_8s_320ah" / f"{name}.yaml", tmp_path)
    return tmp_path


def test_what_nobody_notices_survives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the twin just inside, a trip one count lower survives: exit status 1, told with pack and number."""
    folder = str(folder_of(tmp_path, "cell_over_voltage"))
    assert spoil.main([folder, "--only", "cell_over_voltage trip 3650", "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert "SURVIVED   lfp_8s_320ah: cell_over_voltage trip 3650 -> 3649 (1 scenarios of cell_over_voltage)" in out
    assert out.endswith("2 spoiled, 1 noticed, 1 survived; 0 have no meaning\n")


def test_with_the_twin_everything_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The story and its twin notice both; what noticed is told with --all."""
    folder = str(folder_of(tmp_path, "cell_over_voltage", "cell_over_voltage_inside"))
    assert spoil.main([folder, "--only", "cell_over_voltage trip 3650", "--workers", "1", "--all"]) == 0
    out = capsys.readouterr().out
    assert out.count("killed") == 2 and "3650 -> 3649" in out and "cell_over_voltage_inside: at" in out


def test_a_rule_that_no_scenario_proves_survives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule without a story is a survivor, not a pass."""
    folder = str(folder_of(tmp_path, "interlock"))
    assert spoil.main([folder, "--only", "neighbours are bled", "--workers", "1"]) == 1
    assert "no scenario proves balancing" in capsys.readouterr().out


def test_unsound_stories_stop_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scenarios that fail on sound firmware, an empty folder and a filter that hits nothing are no pass: status 2."""
    assert spoil.main([str(tmp_path), "--workers", "1"]) == 2
    story = folder_of(tmp_path, "interlock") / "interlock.yaml"
    assert spoil.main([str(tmp_path), "--only", "no such thing", "--workers", "1"]) == 2
    story.write_text(story.read_text().replace("at_ms: 5100", "at_ms: 5150"))
    assert spoil.main([str(tmp_path), "--workers", "1"]) == 2
    assert "interlock.yaml: at 5150 ms" in capsys.readouterr().err
