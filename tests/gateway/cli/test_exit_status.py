"""What the shell learns when something goes wrong: a status, and one line that a person can use."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from twolbms.cli.errors import exit_status
from twolbms.cli.program import run
from twolbms.config.errors import ConfigError, ConfigProblem
from twolbms.files import data_path
from twolbms.journal import JournalWriter, Series


def raising(error: BaseException) -> Callable[[], object]:
    def action() -> object:
        raise error
    return action


@pytest.mark.parametrize(("result", "status"), [(None, 0), (0, 0), (1, 1), (2, 2), (True, 0), ("text", 0)])
def test_a_whole_number_is_the_status(result: object, status: int) -> None:
    """A command returns its exit status; whatever else it returns is fine."""
    assert exit_status(lambda: result) == status


@pytest.mark.parametrize(("error", "status", "words"), [
    (ConfigError([ConfigProblem("a.yaml", 3, 5, "packs[0].node", "expected x, found y"),
                  ConfigProblem("b.yaml", None, None, "", "no such file")]), 2,
     "a.yaml:3:5: packs[0].node: expected x, found y\nb.yaml: no such file\n"),
    (click.UsageError("expected one NAME"), 2, "Error: expected one NAME\n"),
    (click.ClickException("is not there"), 2, "Error: is not there\n"),
    (click.FileError("log.asc", "no such file"), 2, "Error: Could not open file 'log.asc': no such file\n"),
    (click.exceptions.Exit(1), 1, ""),
    (click.Abort(), 130, ""),
    (KeyboardInterrupt(), 130, ""),
    (RuntimeError("a\nb"), 70, "2lbms: unexpected RuntimeError: a\\nb (set TWOLBMS_TRACEBACK=1 to see where)\n"),
    (KeyError(), 70, "2lbms: unexpected KeyError (set TWOLBMS_TRACEBACK=1 to see where)\n"),
    (ModuleNotFoundError("x", name="pyarrow.parquet"), 2,
     "2lbms: this needs the package pyarrow: pip install '2lbms[parquet]'\n"),
    (ModuleNotFoundError("no x", name="x"), 70,
     "2lbms: unexpected ModuleNotFoundError: no x (set TWOLBMS_TRACEBACK=1 to see where)\n"),
])
def test_what_goes_wrong_is_told_in_a_line(error: BaseException, status: int, words: str, monkeypatch,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind of failure has its exit status and its words on standard error, and no traceback."""
    monkeypatch.delenv("TWOLBMS_TRACEBACK", raising=False)
    assert exit_status(raising(error)) == status
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", words)


def test_the_traceback_is_there_for_whoever_asks(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With TWOLBMS_TRACEBACK set an unexpected error shows where it happened."""
    monkeypatch.setenv("TWOLBMS_TRACEBACK", "1")
    assert exit_status(raising(ValueError("odd"))) == 70
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert told.endswith("ValueError: odd\n")
    assert "test_exit_status.py" in told


def test_exits_of_others_pass() -> None:
    """A command may also end itself."""
    with pytest.raises(SystemExit) as caught:
        exit_status(raising(SystemExit(1)))
    assert caught.value.code == 1


def test_nobody_reads_the_output() -> None:
    """When the reader of a pipe is gone, 2lbms ends without a word, with the status of a broken pipe."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "twolbms", "schema", "site"], stdout=writer, stderr=subprocess.PIPE,
                          check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of it, `2lbms` being this one."""
    return subprocess.run(["sh", "-c", command.replace("2lbms", f"'{sys.executable}' -m twolbms")],
                          capture_output=True, text=True, check=False)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of more records than one buffer holds."""
    writer = JournalWriter(tmp_path / "journal", "aa" * 16, now_ns=lambda: 0)
    writer.fix_wall(0, "network")
    for number in range(2000):
        writer.sample(Series("current_a", "north", None), number, float(number))
    assert writer.flush(10)
    writer.close()
    return tmp_path / "journal"


@pytest.mark.parametrize(("redirection", "words"), [
    (">&-", "2lbms: standard output is closed\n"),
    (">/dev/full", "2lbms: standard output takes no more: No space left on device\n")])
@pytest.mark.parametrize("command", ["check {pack}", "check {pack} --json", "--help", "export {journal}",
                                     "export {journal} --format parquet"])
def test_an_output_that_takes_nothing(command: str, redirection: str, words: str, journal: Path) -> None:
    """Standard output closed, or on a full disk: one line on standard error and status 1, whatever the command."""
    if "parquet" in command:
        pytest.importorskip("pyarrow")
    pack = shlex.quote(str(data_path("packs", "lfp_8s_320ah.yaml")))
    done = shell(f"2lbms {command} {redirection}".format(pack=pack, journal=journal))
    assert (done.returncode, done.stderr) == (1, words)


def test_a_command_without_output_needs_none(journal: Path, tmp_path: Path) -> None:
    """With standard output closed a command that writes a file of its own does so, and no file becomes the output."""
    done = shell(f"2lbms export {journal} --out {tmp_path}/table.csv >&-")
    assert (done.returncode, done.stderr) == (0, "2000 records\n")
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 2001


def test_neither_output_nor_standard_error(tmp_path: Path) -> None:
    """With both closed the status alone tells, and standard error's words go nowhere else."""
    pack = shlex.quote(str(data_path("packs", "lfp_8s_320ah.yaml")))
    assert shell(f"2lbms check {pack} >&- 2>&-").returncode == 1
    assert shell(f"2lbms check {tmp_path}/none.yaml >{tmp_path}/out 2>&-").returncode == 2
    assert (tmp_path / "out").read_text() == ""


def test_a_terminal_without_unicode() -> None:
    """A terminal that cannot show a character gets an escape instead of a failure."""
    done = subprocess.run([sys.executable, "-m", "twolbms", "schema", "scenario"], capture_output=True, check=False,
                          env=os.environ | {"PYTHONIOENCODING": "ascii:strict"})
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("args", [["--no-such-option"], ["check"], ["check", "a", "b"], ["schema"],
                                  ["schema", "site", "--all"], ["completion", "tcsh"]])
def test_wrong_arguments(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that make no sense are refused with status 2 and the way to help."""
    assert run(args) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Error: " in told.err
