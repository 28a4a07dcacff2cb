"""Mutation testing itself: a mutant is in force and gone again, and what notices it, or nothing, is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from twolbms.proof import mutate
from twolbms.proof.mutants import Mutant, mutants
from twolbms.proof.mutate import Tried, Verdict, in_force, percent, report, tried
from twolbms.scenario.nodes import firmware, firmware_folder

ROOT = Path(__file__).resolve().parents[3]


def mutant(module: str, after: str) -> Mutant:
    """The one mutant of a module whose line becomes `after`."""
    text = (firmware_folder() / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    return next(m for m in mutants(module, text) if m.after == after)


def test_a_mutant_is_in_force_and_then_gone() -> None:
    """Methods, properties and constants change, also where another module has imported them, and come back."""
    contactor, weld, heat = (firmware(f"node.{name}") for name in ("contactor", "weld", "heat"))
    with in_force(mutant("node.contactor", "STILL_MA = 1001")):
        assert contactor.STILL_MA == weld.STILL_MA == heat.STILL_MA == 1001
    assert contactor.STILL_MA == weld.STILL_MA == heat.STILL_MA == 1000
    limits = firmware("generated.limits_lfp_8s_320ah")
    one = heat.Heat(limits)
    one.resume(0, 90)
    with in_force(mutant("node.heat", "return self._spent // 9")):
        assert one.spent_j == 100
    assert one.spent_j == 90


def test_a_sample_is_the_same_for_a_seed() -> None:
    """CI runs some of them: by the seed always the same ones."""
    one, other, third = (tried(("node.heat",), 20, seed).chosen for seed in (1, 1, 2))
    assert one == other != third and len(one) == 20


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A root with the unit tests of the heater and two of its scenarios."""
    (tmp_path / "tests" / "firmware").mkdir(parents=True)
    stories = tmp_path / "tests" / "scenarios" / "lfp_8s_320ah"
    stories.mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("conftest.py", "test_heat.py"):
        shutil.copy(ROOT / "tests" / "firmware" / name, tmp_path / "tests" / "firmware")
    for name in ("heater_stuck", "heater_stuck_inside"):
        shutil.copy(ROOT / "tests" / "scenarios" / "lfp_8s_320ah" / f"{name}.yaml", stories)
    return tmp_path


@pytest.fixture
def ran(checkout: Path) -> Callable[..., tuple[int, str]]:
    """Runs mutation in a process of its own, for it collects tests itself; its status and what it said."""
    def run(*afters: str) -> tuple[int, str]:
        chosen = [mutant("node.heat", after) for after in afters]
        code = ("import sys; from pathlib import Path; from twolbms.proof import mutate\n"
                "from twolbms.proof.mutate import Tried\n"
                "from twolbms.proof.mutants import mutants\n"
                f"text = (mutate.firmware_folder() / 'node/heat.py').read_text()\n"
                f"wanted = {[m.after for m in chosen]!r}\n"
                "every = list(mutants('node.heat', text))\n"
                "mutate.tried = lambda *_: Tried([next(m for m in every if m.after == w) for w in wanted], [], [])\n"
                f"sys.exit(mutate.run(('node.heat',), None, 1, 1, Path({str(checkout)!r}), tell_all=True))\n")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        return done.returncode, done.stdout + done.stderr
    return run


def test_what_notices_a_mutant_is_told(ran: Callable[..., tuple[int, str]]) -> None:
    """A unit test first; a scenario where no unit test does; nothing at all is a survivor and status 1."""
    status, said = ran("if m.temp_min_dc >= limits.HEATER_OFF_ABOVE_DC:")
    assert status == 0 and "test_heat.py::test_goes_off_by_the_same_guards" in said, said
    status, said = ran("RESTING = 3")
    assert status == 1 and "SURVIVED   node.heat:9 module: RESTING = 2  ->  RESTING = 3" in said, said
    assert "node.heat: 0 of 1 killed (0.0 %), 1 survived, 0 equivalent" in said


def test_tests_that_fail_on_sound_firmware_prove_nothing(checkout: Path, ran: Callable[..., tuple[int, str]]) -> None:
    """They are named and nothing is counted: status 2."""
    with (checkout / "tests" / "firmware" / "test_heat.py").open("a") as file:
        file.write("\n\ndef test_wrong() -> None:\n    assert False\n")
    status, said = ran("RESTING = 3")
    assert status == 2 and "test_heat.py::test_wrong" in said and "killed" not in said


def test_each_module_has_its_own_score() -> None:
    """Equivalent mutants are listed with their reason and counted apart; a table row without a mutant is told."""
    one, other = mutant("node.heat", "RESTING = 3"), mutant("node.heat", "WARMING = 0")
    row = mutate.EQUIVALENT[0]
    verdicts = [Verdict(one, None, 3, 0.1), Verdict(other, "a test", 0, 0.1)]
    lines = list(report(verdicts, Tried([one, other], [(other, row)], [row]), ["node.heat"]))
    assert lines[0].startswith("NO SUCH    ") and lines[1] == f"equivalent {other}: {row.reason}"
    assert lines[2] == f"SURVIVED   {one}"
    assert lines[3] == "node.heat: 1 of 2 killed (50.0 %), 1 survived, 1 equivalent"
    assert percent(19, 20) == 95.0 and percent(0, 0) == 100.0
