"""What `2lbms demo` refuses before it starts anything, and how it says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.cli.program import run


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with neither MicroPython nor a database server nor a way to fetch them."""
    monkeypatch.setenv("TWOLBMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TWOLBMS_MICROPYTHON", raising=False)
    monkeypatch.delenv("TWOLBMS_INFLUXD", raising=False)


@pytest.mark.parametrize("option", [["--influx"], ["--pids", "x"], ["--acks", "x"]])
def test_options_of_hold(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What only makes sense with --hold is refused without it."""
    assert run(["demo", *option]) == 2
    assert "--hold" in capsys.readouterr().err


def test_a_kept_journal_is_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds a journal is not told another story into."""
    (tmp_path / "journal").mkdir()
    assert run(["demo", "--keep", str(tmp_path)]) == 2
    assert "holds a journal already" in capsys.readouterr().err


@pytest.mark.usefixtures("bare")
def test_no_micropython(capsys: pytest.CaptureFixture[str]) -> None:
    """Without MicroPython it says what to type, and the exit status is 2."""
    assert run(["demo"]) == 2
    assert "apt-get install micropython" in capsys.readouterr().err


@pytest.mark.usefixtures("bare")
def test_no_database(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a database server --influx says how to get one, and the exit status is 2."""
    assert run(["demo", "--hold", "--influx"]) == 2
    assert "make servers" in capsys.readouterr().err
