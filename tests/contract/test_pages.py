"""Pages that promise something are held against the code: scenario keys, worked examples, safety promises."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from twolbms.scenario import model
from twolbms.scenario.play import play_file

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = (ROOT / "docs/scenarios.md").read_text(encoding="utf-8")
SAFETY = (ROOT / "SAFETY.md").read_text(encoding="utf-8")
MODELS = [m for m in vars(model).values() if isinstance(m, type) and issubclass(m, BaseModel) and m.model_fields]


@pytest.mark.parametrize("part", MODELS, ids=lambda m: m.__name__)
def test_every_scenario_key_is_documented(part: type[BaseModel]) -> None:
    """Each key of a scenario file has its row in docs/scenarios.md, with words."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", SCENARIOS, re.M))
    assert [name for name in part.model_fields if not rows.get(name, "").strip()] == []


@pytest.mark.parametrize("number", range(2))
def test_the_worked_examples_hold(number: int, tmp_path: Path) -> None:
    """The scenarios printed on the page hold when they are played."""
    text = re.findall(r"^```yaml\n(.*?)^```", SCENARIOS, re.M | re.S)[number]
    (tmp_path / "example.yaml").write_text(text, encoding="utf-8")
    assert play_file(tmp_path / "example.yaml").difference is None


def test_every_promise_names_a_proof_that_exists() -> None:
    """Each row of SAFETY.md names at least one scenario or test, and each of them is there."""
    lines = [line for line in SAFETY.splitlines() if line.startswith("| ")]
    rows = [line for line in lines if not line.startswith("| promise")]
    assert len(rows) > 25
    for row in rows:
        named = re.findall(r"`([\w/.:*]+)`", row.rsplit("|", 2)[1])
        assert named, row
        for name in named:
            path, _, test = name.partition("::")
            found = list(ROOT.glob(path)) if "*" in path else [p for p in [ROOT / path] if p.exists()]
            assert found, f"{name} in: {row}"
            if test:
                assert f"def {test}" in found[0].read_text(encoding="utf-8"), name
