"""The table of proofs: what runs, what a broken bound or a missing thing does, and what is said at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.proof import __main__ as node_proof
from twolbms.proof import proofs
from twolbms.proof.__main__ import PROOFS, Proof
from twolbms.proof.proofs import Lacking, Proven


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


def test_a_sample_of_scenarios_is_always_the_same_one() -> None:
    """CI plays some of them on the slow runtimes: the same ones each time."""
    one, other = proofs._stories(5), proofs._stories(5)
    assert one == other and len(one) == 5 < len(proofs._stories(0))
