"""`2lbms node`: its help imports no command; building; what flashing asks and refuses before it touches a port."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from twolbms.build import flash
from twolbms.build.image import read_image
from twolbms.build.node_port import PortError
from twolbms.cli.node import NODE_COMMANDS, node_command
from twolbms.cli.program import run


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "bank.2lb"
    assert run(["node", "build", "lfp_8s_320ah", "--board", "pico_mcp2515", "--out", str(path)]) == 0
    return path


def test_help_names_each_command_and_imports_none() -> None:
    """The page is there at once."""
    code = ("import sys; from twolbms.cli.program import run; run(['node', '--help']); "
            "print([n for n in sys.modules if n.startswith('twolbms.build')], file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in NODE_COMMANDS) and done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", NODE_COMMANDS)
def test_each_command_explains_itself(name: str) -> None:
    """Each row of the table leads to a command of that name with a help page."""
    command = node_command.get_command(click.Context(node_command), name)
    assert command is not None and command.name == name and command.help


def test_build_writes_one_file(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For the board and pack that were named."""
    built = read_image(image.read_bytes())
    assert (built.board, built.pack) == ("pico_mcp2515", "lfp_8s_320ah")


@pytest.mark.parametrize(("arguments", "told"), [
    (["IMAGE"], "give --port for the node's console, or --can for the bus"),
    (["IMAGE", "--port", "x", "--can", "socketcan:can0"], "give --port"),
    (["--port", "x"], "name an IMAGE, or --board and --pack"),
    (["--port", "x", "--board", "qemu", "--pack", "toaster"], "no pack is called 'toaster'"),
    (["IMAGE", "--can", "carrier-pigeon:1", "--node", "1"], "expected INTERFACE:CHANNEL"),
    (["IMAGE", "--can", "socketcan:can0"], "--can needs --node")])
def test_what_is_missing_is_said(image: Path, arguments: list[str], told: str,
                                 capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and one sentence, before any port is opened."""
    words = [str(image) if word == "IMAGE" else word for word in arguments]
    assert run(["node", "flash", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_damaged_image_is_refused(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the node is asked for anything."""
    image.write_bytes(image.read_bytes()[:-1] + b"?")
    assert run(["node", "flash", str(image), "--port", "x", "--isolated"]) == 2
    assert "damaged" in capsys.readouterr().err


def test_the_question_of_isolation(image: Path, monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture[str]) -> None:
    """It is asked, says why, and anything but yes opens no port; --isolated answers it."""
    opened: list[str] = []

    class Port:
        def __init__(self, name: str) -> None:
            opened.append(name)
            raise PortError("as far as here")

    monkeypatch.setattr(flash, "SerialNodePort", Port)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert run(["node", "flash", str(image), "--port", "x"]) == 130
    assert "ground" in capsys.readouterr().err and opened == []
    assert run(["node", "flash", str(image), "--port", "x", "--isolated"]) == 2
    assert opened == ["x"] and "as far as here" in capsys.readouterr().err


def test_a_bus_that_is_not_there(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The interface and why, in one line."""
    assert run(["node", "flash", str(image), "--can", "slcan:/nowhere", "--node", "1"]) == 2
    assert "slcan:/nowhere" in capsys.readouterr().err
