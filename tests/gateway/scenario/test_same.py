"""Comparing a runtime with CPython: what is the same passes, and the first thing that is not is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.scenario import same
from twolbms.scenario.play import Played, play_file
from twolbms.scenario.same import compare, main

STORY = Path(__file__).resolve().parents[2] / "scenarios" / "lfp_8s_320ah" / "precharge_not_needed.yaml"


def altered(cycle: int, played: Played) -> Played:
    """The same with one bit of one frame changed."""
    one = played.log[cycle]
    can_id, data = one.frames[0]
    played.log[cycle] = one._replace(frames=[(can_id, bytes((data[0] ^ 1,)) + data[1:]), *one.frames[1:]])
    return played


def test_the_same_is_no_trouble() -> None:
    """A runtime that does the same has none, and its cycles are counted."""
    one = compare(STORY, "cpython")
    assert one.trouble is None and one.cycles > 20


def test_one_bit_of_one_frame_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The cycle and the frames are named, and the status says that something differs."""
    def play(path: Path, runtime: str, keep_log: bool) -> Played:
        played = play_file(path, "cpython", keep_log)
        return altered(7, played) if runtime == "qemu" else played

    monkeypatch.setattr(same, "play_file", play)
    assert (compare(STORY, "qemu").trouble or "").startswith("cycle 7: frames: expected [(")
    assert main([str(STORY)]) == 1
    assert "1 stories" in (said := capsys.readouterr().out) and "1 differ" in said


def test_a_story_that_breaks_off_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that dies on the way differs even if all it gave until then is right."""
    def play(path: Path, runtime: str, keep_log: bool) -> Played:
        played = play_file(path, "cpython", keep_log)
        if runtime == "qemu":
            played.cycles -= 3
            del played.log[-3:]
        return played

    monkeypatch.setattr(same, "play_file", play)
    assert "cycles" in (compare(STORY, "qemu").trouble or "")
