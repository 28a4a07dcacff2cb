"""Every story in tests/scenarios holds on CPython and, with the heap locked, on 32-bit MicroPython, frame by frame."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import pytest

from twolbms.scenario.play import Played, play_file

FOLDER = Path(__file__).resolve().parents[1] / "scenarios"
FILES = sorted(FOLDER.rglob("*.yaml"))
EACH = pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")


def digest(played: Played) -> str:
    """One hash over all outputs and frames, so that many stories can be remembered."""
    return hashlib.sha256(repr(played.log).encode()).hexdigest()


@cache
def on_cpython(path: Path) -> tuple[str | None, str]:
    played = play_file(path, "cpython", keep_log=True)
    return str(played.difference) if played.difference else None, digest(played)


@EACH
def test_holds_on_cpython(path: Path) -> None:
    """The story's expectations hold on the firmware as CPython runs it."""
    assert on_cpython(path)[0] is None


@EACH
@pytest.mark.need("micropython32")
def test_holds_on_micropython_with_the_heap_locked(path: Path) -> None:
    """The same story holds on 32-bit words with no allocation in any cycle, and every frame is the same to the byte."""
    played = play_file(path, "micropython", keep_log=True)
    assert played.difference is None, str(played.difference)
    if digest(played) != on_cpython(path)[1]:
        other = play_file(path, "cpython", keep_log=True)
        first = next(n for n, pair in enumerate(zip(played.log, other.log, strict=True)) if pair[0] != pair[1])
        assert played.log[first] == other.log[first], f"cycle {first}"


def test_every_row_of_every_pack_has_its_story_and_its_twin() -> None:
    """Each fitted row has a file that trips it and, where it has a delay or a number, one that stays just inside."""
    from twolbms.config.site_packs import load_guarded_pack
    from twolbms.files import data_path
    for pack in ("lfp_8s_320ah", "lfp_16s_280ah", "leaf_2013_14s"):
        for row, limit in load_guarded_pack(data_path("packs", f"{pack}.yaml")).limits.items():
            has_inside = limit.delay_s or limit.unit != "1" or row == "precharge_failed"
            for name in (row, f"{row}_inside") if has_inside else (row,):
                assert limit.not_fitted or (FOLDER / pack / f"{name}.yaml").is_file(), f"{pack}: {name}"
