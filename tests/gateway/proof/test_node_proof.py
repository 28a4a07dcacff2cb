"""The table of proofs: what runs, what a broken bound or a missing thing does, and what is said at the end."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from twolbms.config.site_packs import load_guarded_pack
from twolbms.diagnoses import DIAGNOSES
from twolbms.files import data_path
from twolbms.proof import __main__ as node_proof
from twolbms.proof import proofs, reaction
from twolbms.proof.__main__ import PROOFS, Proof
from twolbms.proof.proofs import Lacking, Proven
from twolbms.scenario.nodes import firmware
from twolbms.scenario.rewriting import Rewrite, rewritten
from twolbms.scenario.spoil_rules import CONTACTOR, PROTECT

ROOT = Path(__file__).resolve().parents[3]


def holds(size: int) -> Proven:
    return Proven(True, f"looked at\n{size} things")


def breaks(size: int) -> Proven:
    return Proven(False, "one differs")


def lacks(size: int) -> Proven:
    raise Lacking("qemu", "install qemu-system-arm")


ROWS = (Proof("first", "all hold", holds, 100, 7), Proof("second", "none differs", breaks, 0, 0),
        Proof("third", "as on the board", lacks, 0, 0))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """With three small proofs instead of the real ones."""
    monkeypatch.setattr(node_proof, "PROOFS", ROWS)
    monkeypatch.delenv("TWOLBMS_PROOF", raising=False)
    monkeypatch.delenv("TWOLBMS_REQUIRE", raising=False)
    return capsys


def test_every_proof_runs_and_one_broken_bound_fails(said: pytest.CaptureFixture[str]) -> None:
    """A broken bound does not stop the others; the summary has a line for each; exit status 1."""
    assert node_proof.main([]) == 1
    lines = said.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["holds", "BROKEN", "skipped"]
    assert lines[-3].endswith("100 things") and lines[-1].endswith("needs qemu: install qemu-system-arm")


def test_what_must_be_there_is_not_skipped(said: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """TWOLBMS_REQUIRE turns a skip into a failure."""
    assert node_proof.main(["third"]) == 0
    monkeypatch.setenv("TWOLBMS_REQUIRE", "micropython32,qemu")
    assert node_proof.main(["third"]) == 1
    assert "BROKEN   third" in said.readouterr().out


def test_ci_takes_the_short_sizes(said: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """TWOLBMS_PROOF=short, and names choose rows; a name that none has is a mistake."""
    monkeypatch.setenv("TWOLBMS_PROOF", "short")
    assert node_proof.main(["first"]) == 0
    assert said.readouterr().out.splitlines()[-1].endswith("7 things")
    assert node_proof.main(["fourth"]) == 2


def test_each_row_has_words_and_a_size_for_ci() -> None:
    """No two proofs have one name, each says its bound, and CI never runs more than the whole."""
    assert len({proof.name for proof in PROOFS}) == len(PROOFS)
    assert all(proof.bound and (proof.full == 0 or 0 < proof.short <= proof.full) for proof in PROOFS)


def test_the_page_names_each_proof_its_bound_and_its_sizes() -> None:
    """docs/proof.md has the table of PROOFS, row by row."""
    page = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8").splitlines()
    for proof in PROOFS:
        sizes = [f"{size:,}" if size else "all" for size in (proof.full, proof.short)]
        assert f"| {proof.name} | {proof.bound} | {' | '.join(sizes)} |" in page


def test_scenarios_that_differ_break_their_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference is told with its file; a checkout without scenarios proves nothing."""
    monkeypatch.setattr(proofs, "ROOT", tmp_path)
    with pytest.raises(Lacking, match="there are none"):
        proofs.scenarios_hold(0)
    folder = tmp_path / "tests" / "scenarios" / "lfp_8s_320ah"
    folder.mkdir(parents=True)
    (folder / "wrong.yaml").write_text("scenario: A wrong story\npack: lfp_8s_320ah\nsteps:\n"
                                       "  - {at_ms: 0, expect: {state: closed}}\n")
    found = proofs.scenarios_hold(0)
    assert not found.holds and "lfp_8s_320ah/wrong.yaml: at 0 ms: state" in found.said
    assert found.said.endswith("1 scenarios, 1 cycles, 1 differ")


# --- each bound of the real table is broken once ---

def wrong_story(patch: pytest.MonkeyPatch, folder: Path) -> AbstractContextManager[None]:
    """A story that expects what no runtime does."""
    patch.setattr(proofs, "ROOT", folder)
    stories = folder / "tests" / "scenarios" / "lfp_8s_320ah"
    stories.mkdir(parents=True)
    (stories / "wrong.yaml").write_text("scenario: A wrong story\npack: lfp_8s_320ah\nsteps:\n"
                                        "  - {at_ms: 0, expect: {state: closed}}\n")
    return nullcontext()


def dear_cycle(patch: pytest.MonkeyPatch, _folder: Path) -> AbstractContextManager[None]:
    """A bound that no cycle can keep."""
    patch.setattr(proofs, "MOST_INSTRUCTIONS", 1000)
    return nullcontext()


@contextmanager
def without(module: str, old: str, new: str) -> Iterator[None]:
    """The firmware with one rule less."""
    firmware("node.cycle")
    with rewritten(Rewrite("", "", module, old, new)):
        yield


def doubt_clears(_patch: pytest.MonkeyPatch, _folder: Path) -> AbstractContextManager[None]:
    """A node whose delays end with a value that is not sure."""
    return without(PROTECT, "if not sure:", "if False:")


def waits_too_long(patch: pytest.MonkeyPatch, _folder: Path) -> AbstractContextManager[None]:
    """A node that asks for 6 s before it opens under load; one row of one pack is enough to see it."""
    lfp, n = load_guarded_pack(data_path("packs", "lfp_8s_320ah.yaml")), DIAGNOSES["cell_over_voltage"].number
    patch.setattr(reaction, "reactions", lambda name: (lfp, [reaction.reaction(lfp, n)]))
    return without(CONTACTOR, "or self._grace > GRACE_CYCLES)", "or self._grace > 60)")


def copied_tests(folder: Path) -> None:
    """A copy below `folder` of what the repository tests the node with."""
    shutil.copytree(ROOT / "tests" / "firmware", folder / "tests" / "firmware",
                    ignore=shutil.ignore_patterns("__pycache__", "drivers", "boards"))


def torn_versions(patch: pytest.MonkeyPatch, folder: Path) -> AbstractContextManager[None]:
    """Boots after a power cut that find a mixture."""
    patch.setattr(proofs, "ROOT", folder)
    copied_tests(folder)
    device = folder / "tests" / "firmware" / "power_cut_device.py"
    text = device.read_text(encoding="utf-8")
    assert text.count("found = story.judge(version)") == 1
    device.write_text(text.replace("found = story.judge(version)", "found = MIXED"), encoding="utf-8")
    return nullcontext()


Breaking = Callable[[pytest.MonkeyPatch, Path], AbstractContextManager[None]]
RUNTIME, BOARD = pytest.mark.need("micropython32"), pytest.mark.need("qemu")
# What breaks the bound of a proof, how large the proof is then, and what it says.
BREAKERS: dict[str, tuple[Breaking, int, str, tuple[pytest.MarkDecorator, ...]]] = {
    "scenarios on CPython": (wrong_story, 0, "wrong.yaml: at 0 ms: state", ()),
    "scenarios on 32-bit MicroPython, heap locked": (wrong_story, 0, "wrong.yaml: at 0 ms: state", (RUNTIME,)),
    "scenarios on the emulated Cortex-M3, heap locked": (wrong_story, 0, "wrong.yaml: at 0 ms: state", (BOARD,)),
    "instructions of a cycle": (dear_cycle, 3, "at worst, bound 1,000", (BOARD,)),
    "oracle": (doubt_clears, 6000, "DISAGREE", ()),
    "reaction times": (waits_too_long, 0, "cell_over_voltage: load: 8.0 s is above its bound 7.2 s", ()),
    "power cuts": (torn_versions, 10, "| all | 10 | 0 | 0 | 0 | 10 |", (RUNTIME,)),
}
IN_ITS_OWN_PROCESS = "mutants"  # it collects tests itself


@pytest.mark.parametrize("name", [pytest.param(name, marks=row[3]) for name, row in BREAKERS.items()])
def test_a_broken_bound_is_seen(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                capsys: pytest.CaptureFixture[str]) -> None:
    """Each real proof ends with status 1 and says what is wrong when what it proves is not so."""
    breaking, size, words, _ = BREAKERS[name]
    row = next(proof for proof in PROOFS if proof.name == name)
    monkeypatch.setattr(node_proof, "PROOFS", (row._replace(full=size),))
    monkeypatch.delenv("TWOLBMS_PROOF", raising=False)
    with breaking(monkeypatch, tmp_path):
        assert node_proof.main([]) == 1
    out = capsys.readouterr().out
    assert words in out and f"BROKEN   {name}" in out


def test_mutants_below_their_bound_are_seen(tmp_path: Path) -> None:
    """A score below the bound of its module is status 1, with the score."""
    copied_tests(tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    story = Path("tests", "scenarios", "lfp_8s_320ah", "boot_open.yaml")
    (tmp_path / story).parent.mkdir(parents=True)
    shutil.copy(ROOT / story, tmp_path / story)
    code = ("import sys; from pathlib import Path; from twolbms.proof import mutate, proofs, __main__ as whole\n"
            f"mutate.BOUND_PERCENT = 100.1; proofs.ROOT = Path({str(tmp_path)!r})\n"
            "whole.PROOFS = tuple(row._replace(full=2, short=2) for row in whole.PROOFS)\n"
            f"sys.exit(whole.main([{IN_ITS_OWN_PROCESS!r}]))\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and "BROKEN   mutants" in done.stdout, done.stdout + done.stderr
    assert "bound 100 % a module" in done.stdout


def test_every_proof_has_its_breaker() -> None:
    """A proof that nobody has seen fail proves nothing."""
    assert {*BREAKERS, IN_ITS_OWN_PROCESS} == {proof.name for proof in PROOFS}


def test_a_sample_of_scenarios_is_always_the_same_one() -> None:
    """CI plays some of them on the slow runtimes: the same ones each time."""
    one, other = proofs._stories(5), proofs._stories(5)
    assert one == other and len(one) == 5 < len(proofs._stories(0))
