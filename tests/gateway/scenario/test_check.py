"""What a scenario may name, and how a mistake is told: file, line, key, what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.config.errors import ConfigError
from twolbms.scenario.play import load_scenario

STORY = """scenario: A story with a mistake
pack: {pack}
steps:
  - at_ms: 0
    set: {set}
    expect: {expect}
"""


def problems(folder: Path, set: str = "{}", expect: str = "{}", pack: str = "lfp_8s_320ah") -> list[str]:
    path = folder / "story.yaml"
    path.write_text(STORY.format(set=set, expect=expect, pack=pack))
    try:
        load_scenario(path)
    except ConfigError as error:
        return [f"{p.line}:{p.key}: {p.message}" for p in error.problems]
    return []


@pytest.mark.parametrize(
    "set, found",
    [
        ("{cells_v: [3.3, 3.3]}", "5:steps[0].set.cells_v: expected 8 values for lfp_8s_320ah, found 2"),
        (
            "{temperatures_c: [20, 20, 20]}",
            "5:steps[0].set.temperatures_c: expected 4 values for lfp_8s_320ah, found 3",
        ),
        ("{cell_v: {9: 3.3}}", "5:steps[0].set.cell_v[9]: expected a number from 1 to 8 of lfp_8s_320ah, found 9"),
        (
            "{temperature_c: {0: 3.3}}",
            "5:steps[0].set.temperature_c[0]: expected a number from 1 to 4 of lfp_8s_320ah, found 0",
        ),
        (
            "{request: {ask: clear, limit: interlok}}",
            '5:steps[0].set.request.limit: expected a limit (did you mean interlock?), found "interlok"',
        ),
    ],
)
def test_what_is_set_must_exist(tmp_path: Path, set: str, found: str) -> None:
    """Cells, sensors and limits that the pack does not have are refused at their key."""
    assert problems(tmp_path, set=set) == [found]


@pytest.mark.parametrize(
    "expect, key, words",
    [
        ("{faults: {warn: [cell_overvoltage]}}", "faults.warn[0]", "did you mean cell_over_voltage?"),
        ("{open_reason: gateway}", "open_reason", "a word of PackState.OpenReason"),
        ("{allowance: {charge_by: ratin}}", "allowance.charge_by", "did you mean rating?"),
        ("{answer: {answer: yes sir}}", "answer.answer", "a word of NodeAnswer.Answer"),
        ("{answer: {limit: nonsense_limit}}", "answer.limit", "a word of NodeAnswer.AnswerLimit"),
        ("{balancing: [9]}", "balancing[0]", "a number from 1 to 8"),
        ("{frames: {PackValue: {Counter: 1}}}", "frames.PackValue", "did you mean PackValues?"),
        ("{frames: {NodeRequest: {Counter: 1}}}", "frames.NodeRequest", "a message of the node"),
        ("{frames: {PackValues: {PackVolts: 1}}}", "frames.PackValues.PackVolts", "did you mean PackVoltage?"),
        (
            "{frames: {PackState: {Interlock: shut}}}",
            "frames.PackState.Interlock",
            "open, closed, error, not_available",
        ),
    ],
)
def test_what_is_expected_must_exist(tmp_path: Path, expect: str, key: str, words: str) -> None:
    """A word that nothing ever says is a mistake in the file, not a difference."""
    (found,) = problems(tmp_path, expect=expect)
    assert found.startswith(f"6:steps[0].expect.{key}: expected ") and words in found


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """One run names every mistake, in the order of the file."""
    found = problems(tmp_path, set="{cell_v: {9: 3.3, 10: 3.3}}", expect="{balancing: [77], open_reason: x}")
    assert [line.split(":")[0] for line in found] == ["5", "5", "6", "6"]


@pytest.mark.parametrize(
    "pack, words",
    [
        ("lfp_8s", 'did you mean lfp_8s_320ah?), found "lfp_8s"'),
        ("../no/such.yaml", "found"),
        ('"\\0"', "U+0000"),
        ("x" * 400, "found"),
        ("leaf_aze0", "guarded"),
    ],
)
def test_a_pack_that_is_not_there_is_told(tmp_path: Path, pack: str, words: str) -> None:
    """A name without a pack, a path without a file, and a pack that no node guards are refused in words."""
    assert words in "\n".join(problems(tmp_path, pack=pack))
