"""`2lbms node config` and `2lbms node check`, from the words on the command line to the bytes in the node's flash."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gateway.commissioning.wired_world import Builder, World, WorldPort
from twolbms.cli import node_check, node_config
from twolbms.cli.program import run
from twolbms.commissioning.conversation import Choice, Number, failed, passed
from twolbms.commissioning.readings import Readings
from twolbms.commissioning.steps import STEPS
from twolbms.commissioning.terminal import Terminal
from twolbms.commissioning.walk import QuitWalk, SkipStep

PortOf = Callable[..., WorldPort]
ENOUGH = ["--port", "x", "--isolated"]


@pytest.fixture
def plugged(port_of: PortOf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., WorldPort]:
    """A node at the port `x`, for both commands, in a folder of its own."""
    def made(world: World, **more: Any) -> WorldPort:
        port = port_of(world, **more)
        monkeypatch.chdir(tmp_path)
        for module in (node_config, node_check):
            monkeypatch.setattr(module, "SerialNodePort", lambda name: port)
        return port
    return made


def config(*settings: str, more: tuple[str, ...] = ()) -> int:
    return run(["node", "config", *ENOUGH, *(word for each in settings for word in ("--set", each)), *more])


# config


def test_what_is_there_is_shown(plugged: PortOf, capsys: pytest.CaptureFixture[str]) -> None:
    """Number, serial, each calibration with its bound, in 80 columns; the node restarts afterwards."""
    port = plugged(World())
    assert config() == 0
    out = capsys.readouterr().out
    assert "LFP-0003" in out and "± 5000 ppm" in out and "no: 2lbms node check" in out
    assert max(map(len, out.splitlines())) <= 80 and port.left == 1


def test_a_fresh_node_says_why_it_stays_open(plugged: PortOf, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing stored is told as such."""
    plugged(World(), configured=False)
    assert config() == 0
    assert "The node stays open with this: no configuration is stored." in capsys.readouterr().out


def test_what_is_set_is_written_and_compared(plugged: PortOf, capsys: pytest.CaptureFixture[str]) -> None:
    """Places count from 1; a second look finds the same."""
    plugged(World())
    assert config("number=7", "serial=LFP 7=x", "cell_gain_ppm[4]=120", "temp_offset_dc=0,1,-2,0",
                  "current_offset_ma=-40") == 0
    assert "as it was set" in capsys.readouterr().out
    assert config(more=("--json",)) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["number"], told["serial"], told["pack"], told["sound"]) == (7, "LFP 7=x", "lfp_8s_320ah", True)
    assert told["cell_gain_ppm"] == [0, 0, 0, 120, 0, 0, 0, 0] and told["temp_offset_dc"] == [0, 1, -2, 0]
    assert told["current_offset_ma"] == -40 and told["written"] is False and told["differs"] == []


@pytest.mark.parametrize("setting, told", [
    ("cell_gain_ppm[4]=5001", "the node refuses cell_gain_ppm[4]=5001: cell_gain_ppm: whole numbers; the pack's row "
                              "allows 5000; nothing was written"),
    ("cell_gain_ppm[9]=1", "at: from 0 to 7"), ("current_gain_ppm=20001", "the pack's row allows 20000"),
    ("number=128", "number: from 1 to 127"), ("serial=12345678901234567", "at most 16 printable"),
    ("temp_offset_dc=1,2", "a list of 4 values")])
def test_the_node_refuses_in_its_own_words(setting: str, told: str, plugged: PortOf,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    """What is out of bounds names the bound; what came before it is not written either."""
    plugged(World())
    assert config("number=9", setting) == 2
    assert told in capsys.readouterr().err
    assert config(more=("--json",)) == 0
    assert json.loads(capsys.readouterr().out)["number"] == 3


def test_without_arming_nothing_is_written(plugged: PortOf, capsys: pytest.CaptureFixture[str]) -> None:
    """Looking needs no arming, writing does."""
    port = plugged(World(armed=False))
    assert config() == 0
    assert config("number=9") == 2
    assert "hold the arming input (jumper or key)" in capsys.readouterr().err and port.left == 2


def test_what_reads_back_differently_is_named(plugged: PortOf, capsys: pytest.CaptureFixture[str],
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    """A flash that keeps the old copy without saying so: exit status 1, and which."""
    plugged(World())
    monkeypatch.setattr("twolbms.cli.node_config._write", lambda console, settings: None)
    assert config("number=9", "serial=LFP-0003") == 1
    out = capsys.readouterr().out
    assert "not as set: number=9" in out and "not as set: serial" not in out


@pytest.mark.parametrize("setting, told", [
    ("number", "expected KEY=VALUE"), ("hash=1", "expected KEY=VALUE with one of number, serial"),
    ("commissioned=12345678", "expected KEY=VALUE"), ("number=three", "whole numbers"), ("number=1,2", "one whole"),
    ("number[1]=2", "a place, from 1, has only"), ("cell_gain_ppm[0]=1", "from 1"), ("cell_gain_ppm[1]=1.5", "whole")])
def test_a_setting_that_is_none(setting: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Said before any port is opened."""
    assert config(setting) == 2
    assert told in capsys.readouterr().err


def test_a_silent_node(plugged: PortOf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an application nor a prompt: what a hand can do."""
    port = plugged(World())
    port.silent = True
    monkeypatch.setattr("twolbms.build.service_state.POLL_S", 0.0)
    for command in ("config", "check"):
        assert run(["node", command, *ENOUGH, *(["--who", "A"] if command == "check" else [])]) == 2
        assert "service jumper" in capsys.readouterr().err


def test_both_ask_about_isolation(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As flashing does, and anything but yes opens no port."""
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    for module, name in ((node_config, "config"), (node_check, "check")):
        monkeypatch.setattr(module, "SerialNodePort", lambda _: pytest.fail("opened"))
        assert run(["node", name, "--port", "x"]) == 130
        assert "ground" in capsys.readouterr().err


# check


class Scripted(Terminal):
    """A terminal whose keys are pressed by somebody who does what is asked; what is drawn is kept."""

    def __init__(self, world: World, console: Console, answers: dict[str, Any] | None = None) -> None:
        super().__init__(console, read_line=self._typed)
        self.hands = Builder(world, answers)
        self._words: Iterator[str] = iter(())
        self._next = ""

    def _typed(self, prompt: str) -> str:
        self._console.print(prompt, end="")
        self._console.print(self._next)
        return self._next

    def ready(self, text: str) -> None:
        self.hands.ready(text)
        self._next = ""
        super().ready(text)

    def yes_no(self, text: str) -> bool:
        self._next = "y" if self.hands.yes_no(text) else "n"
        return super().yes_no(text)

    def number(self, asked: Number) -> float:
        self._next = f"{self.hands.number(asked):.3f}".replace(".", ",")
        return super().number(asked)

    def choice(self, asked: Choice) -> str:
        self._next = str(asked.options.index(self.hands.choice(asked)) + 1)
        return super().choice(asked)

    def watching(self, text: str, now: Readings | None, left_s: float) -> None:
        self.hands.watching(text, now, left_s)
        super().watching(text, now, left_s)

    def again(self, step: Any) -> bool:
        self._next = "n"
        return super().again(step)


@pytest.fixture
def checked(plugged: PortOf, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """The exit status of a check in that world, and what stood on a terminal of 80 columns."""
    def made(world: World, *more: str, answers: dict[str, Any] | None = None, **settings: Any) -> tuple[int, str]:
        plugged(world, **settings)
        console = Console(record=True, width=80, highlight=False, markup=False, emoji=False, quiet=True)
        monkeypatch.setattr(node_check, "_terminal", lambda as_json: Scripted(world, console, answers))
        ticks = iter(range(10**9))
        monkeypatch.setattr(node_check.time, "monotonic", lambda: next(ticks) * 0.2)
        console.quiet = False
        console.file = open("/dev/null", "w")  # noqa: SIM115 - as long as the test
        status = run(["node", "check", *ENOUGH, "--who", "A. Builder", *more])
        text = console.export_text()
        assert max(map(len, text.splitlines()), default=0) <= 80
        return status, " ".join(text.split())
    return made


def test_a_right_pack_may_close(checked: Callable[..., tuple[int, str]], plugged: PortOf,
                                capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0, the record and its page lie there, and the node carries the record's id."""
    status, text = checked(World(), "--json")
    told = json.loads(capsys.readouterr().out)
    assert status == 0 and "Fit to close" in text
    (path,) = Path("commissioning").glob("*.json")
    assert path.name.startswith("LFP-0003-") and json.loads(path.read_text()) == told and told["who"] == "A. Builder"
    assert "**Fit to close**" in path.with_suffix(".md").read_text()
    assert config(more=("--json",)) == 0
    assert json.loads(capsys.readouterr().out)["commissioned"].upper() == told["id"]


def test_a_wrong_pack_may_not(checked: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, the open step is named, the node is not told; put right, the next walk goes on from there."""
    status, text = checked(World(contacts={"discharge": ""}))
    assert status == 1 and "NOT fit to close: discharge" in text and "did not read closed" in text
    assert config(more=("--json",)) == 0
    assert json.loads(capsys.readouterr().out)["commissioned"] == ""
    status, text = checked(World(), configured=False)
    assert status == 0 and "Going on with the one of" in text and "passed Order of the sense wires, on 20" in text
    assert len(list(Path("commissioning").glob("*.json"))) == 1
    assert checked(World(), "--fresh", configured=False)[0] == 0
    assert len(list(Path("commissioning").glob("*.json"))) == 2


def test_the_last_word_needs_arming(checked: Callable[..., tuple[int, str]]) -> None:
    """Everything passed, but the node was not told: not fit, and why."""
    status, text = checked(World(), answers={"Every step has passed": QuitWalk()})
    assert status == 1 and "the node was not told" in text


def test_a_failure_takes_an_earlier_mark_away(checked: Callable[..., tuple[int, str]],
                                              capsys: pytest.CaptureFixture[str]) -> None:
    """What was fit once is not when a step fails now; a walk that was only broken off leaves it as it was."""
    assert checked(World())[0] == 0
    assert checked(World(), "--fresh", configured=False, answers={"Thermometer": QuitWalk()})[0] == 1
    assert config(more=("--json",)) == 0
    assert json.loads(capsys.readouterr().out)["commissioned"] != ""
    status, text = checked(World(coils={"heater": ""}), "--fresh", configured=False)
    assert status == 1 and "that is taken back" in text and "NOT fit to close: heater" in text
    assert config(more=("--json",)) == 0
    assert json.loads(capsys.readouterr().out)["commissioned"] == ""


def test_a_mark_that_cannot_be_taken_away_is_told(checked: Callable[..., tuple[int, str]]) -> None:
    """The node may still close then, and the tool says so."""
    assert checked(World())[0] == 0
    status, text = checked(World(coils={"heater": ""}), "--fresh", configured=False,
                           answers={"taken back": SkipStep("no key")})
    assert status == 1 and "may still close, by an earlier check: it was not told (no key)" in text


def test_a_node_without_a_serial(checked: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]) -> None:
    """Says what to do first, and leaves no record."""
    assert checked(World(), configured=False)[0] == 2
    assert "2lbms node config" in capsys.readouterr().err and not Path("commissioning").exists()


def test_the_places_of_the_pack_are_used(checked: Callable[..., tuple[int, str]]) -> None:
    """Sensors are called by their places where the pack's YAML has the node's limits; FETs make no sound."""
    text = checked(World())[1]
    assert "temperature sensor 2 (between cells 3 and 4)" in text
    assert text.count("What clicked?") == 2  # precharge and heater


def test_the_steps_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a node."""
    assert run(["node", "check", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [step.name for step in STEPS]


# the terminal


def typing(*words: str) -> tuple[Terminal, Console]:
    keys = iter(words)
    console = Console(record=True, width=80, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115

    def read(prompt: str) -> str:
        word = next(keys, None)
        if word is None:
            raise EOFError
        return word

    return Terminal(console, read_line=read), console


def test_answers_are_asked_for_until_they_are_some() -> None:
    """Nothing that may hurt is taken from an empty line; numbers may have a comma; options go by their number."""
    assert typing("", "maybe", "y")[0].yes_no("?") is True and typing("n")[0].yes_no("?") is False
    terminal, console = typing("three", "33", "3,3")
    assert terminal.number(Number("Meter", "V", 3.0, 3.6)) == 3.3
    assert "from 3 to 3.6 V is what it could be" in console.export_text()
    assert typing("0", "4", "x", "2")[0].choice(Choice("?", ("a", "b", "c"))) == "b"
    assert typing("x", "y")[0].again(STEPS[0]) is True


def test_skip_and_quit_go_everywhere() -> None:
    """Skip wants a reason; the end of input is quit."""
    with pytest.raises(SkipStep, match="no cover yet"):
        typing("skip no cover yet")[0].yes_no("?")
    with pytest.raises(SkipStep, match=r"^later$"):
        typing("SKIP", "", "later")[0].ready("?")
    for words in (("quit",), ("q",), ()):
        with pytest.raises(QuitWalk):
            typing(*words)[0].number(Number("?", "V", 0, 1))


def test_ctrl_c_waits_for_the_exchange_to_end() -> None:
    """While watching it asks at the next reading, and can be gone on from; afterwards it is what it was."""
    import signal
    before = signal.getsignal(signal.SIGINT)
    terminal = typing("", "quit")[0]
    now = Readings((3.3,), (20.0,), 3.3, 0.0, 0.0)
    terminal.watching("Pull.", None, 10.0)
    signal.raise_signal(signal.SIGINT)
    terminal.watching("Pull.", now, 9.0)
    terminal.watching("Pull.", now, 8.0)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(QuitWalk):
        terminal.watching("Pull.", now, 7.0)
    assert signal.getsignal(signal.SIGINT) is before


def test_verdicts_stand_out() -> None:
    """Result, step and reason on lines of at most 80 columns, by sign as well as by colour."""
    terminal, console = typing()
    terminal.ended(STEPS[0], passed("fine"))
    terminal.ended(STEPS[1], failed("a long reason " * 12))
    lines = console.export_text().splitlines()
    assert lines[0].strip().startswith("✓ passed") and lines[1].strip().startswith("✗ failed")
    assert max(map(len, lines)) <= 80 and len(lines) > 3
