"""Shell completion, in a real interactive bash on a real terminal."""

import os
import pty
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from twolbms.cli.program import run

BASH = shutil.which("bash")
LONGEST_WAIT_S = 60  # not a measure: only so that a test which would hang fails


class Terminal:
    """A bash that believes in a person at its keyboard."""

    def __init__(self, folder: Path) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(BASH, ["bash", "--norc", "--noprofile", "-i"],
                      {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder),
                       "TERM": "dumb", "PS1": "$ ", "INPUTRC": "/dev/null"})
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def until(self, text: str) -> str:
        """What appeared up to and with `text`."""
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], LONGEST_WAIT_S)
            assert ready, f"no {text!r} in {self.seen!r}"
            self.seen += os.read(self.fd, 4096).decode(errors="replace")
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def close(self) -> None:
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A bash with completion loaded as the help says, in a folder with a site file; `2lbms` is on its PATH."""
    program = tmp_path / "bin" / "2lbms"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m twolbms "$@"\n')
    program.chmod(0o755)
    (tmp_path / "my_site.yaml").write_text("site: a\n")
    bash = Terminal(tmp_path)
    bash.type('eval "$(2lbms completion bash)"; echo lo""aded\n')
    bash.until("loaded\r\n")
    yield bash
    bash.close()


@pytest.mark.skipif(BASH is None, reason="bash is not here")
@pytest.mark.parametrize(("typed", "completed"), [
    ("2lbms sce\t", "2lbms scenario "),
    ("2lbms comp\t", "2lbms completion "),
    ("2lbms completion z\t", "2lbms completion zsh "),
    ("2lbms check --j\t", "2lbms check --json "),
    ("2lbms check my\t", "2lbms check my_site.yaml "),
    ("2lbms --vers\t", "2lbms --version "),
])
def test_tab_completes_in_bash(terminal: Terminal, typed: str, completed: str) -> None:
    """Commands, their words, options and files are completed by the Tab key."""
    terminal.type(typed)
    terminal.until(completed)


@pytest.mark.skipif(BASH is None, reason="bash is not here")
def test_tab_lists_what_is_possible(terminal: Terminal) -> None:
    """Where several commands are possible, Tab twice lists them in the order of the tour."""
    terminal.type("2lbms sc\t\t")
    assert "scenario" in terminal.until("schema")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_good_in_its_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed script names 2lbms and a variable that begins with a letter, and the shell can parse it."""
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_TWOLBMS_COMPLETE={shell}_complete" in script
    assert "2lbms" in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not here")
    subprocess.run([program, "-n"], input=script, text=True, check=True)


def test_completion_survives_a_broken_command(tmp_path: Path) -> None:
    """Where a command cannot be imported, Tab stays silent instead of writing into the prompt."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['twolbms.cli.check'] = None\n")
    done = subprocess.run(
        [sys.executable, "-m", "twolbms"], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "_TWOLBMS_COMPLETE": "bash_complete",
                          "COMP_WORDS": "2lbms check --j", "COMP_CWORD": "2"})
    assert (done.returncode, done.stderr) == (0, "")
