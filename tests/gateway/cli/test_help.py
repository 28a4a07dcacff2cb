"""The help page as a tour: whole, short, at once, and right about every command."""

import importlib.util
import subprocess
import sys

import click
import pytest

from twolbms.cli.commands import COMMANDS, EXAMPLES, Entry
from twolbms.cli.program import run
from twolbms.cli.tour import Tour

PRESENT = [name for name, entry in COMMANDS.items() if importlib.util.find_spec(entry.module)]


def out(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert run(args) == 0
    return capsys.readouterr().out


def test_the_tour_names_every_command_in_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command is one line below its section's title, in the order of the table, within 80 columns."""
    lines = out(capsys, "--help").splitlines()
    places = {name: lines.index(f"  {name:10}  {entry.help}") for name, entry in COMMANDS.items()}
    assert list(places.values()) == sorted(places.values())
    for name, entry in COMMANDS.items():
        title = lines.index(f"{entry.section}:")
        assert all(lines[i] for i in range(title, places[name])), f"{name} is not in {entry.section}"
    assert max(map(len, lines)) <= 80


def test_the_sections_are_a_way_through(capsys: pytest.CaptureFixture[str]) -> None:
    """From looking on to making: the sections come as a newcomer needs them, examples after them."""
    lines = out(capsys, "-h").splitlines()
    titles = [line.removesuffix(":") for line in lines if line.endswith(":") and line[0] != " "]
    assert titles == ["See it", "Run a site", "Understand", "Prove", "Data", "Make", "Examples", "Exit status"]


def test_examples_are_real_commands() -> None:
    """Every example begins with a command of the table, and its options exist."""
    for example, _ in EXAMPLES:
        program, name, *rest = example.split()
        assert program == "2lbms"
        if name in PRESENT:
            command = Tour().get_command(click.Context(Tour()), name)
            options = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in rest if word.startswith("--")} <= options


def test_without_arguments_the_tour_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever types only 2lbms is shown around."""
    assert out(capsys) == out(capsys, "--help")


def test_help_and_completion_import_no_command() -> None:
    """The help page is at once there because none of the commands, and nothing heavy, is imported for it."""
    code = ("import sys; from twolbms.cli.program import run; run(['--help']); "
            "print(sorted({n.split('.')[0] for n in sys.modules} & {'pydantic', 'yaml', 'can', 'rich', 'numpy'}), "
            "[n for n in sys.modules if n.startswith('twolbms.')], file=sys.stderr)")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    loaded = {"cli", "cli.commands", "cli.errors", "cli.output", "cli.program", "cli.tour", "config", "config.errors"}
    heavy, modules = told.strip().split("] ", 1)
    assert heavy == "["
    assert set(eval(modules)) == {f"twolbms.{name}" for name in loaded}


@pytest.mark.parametrize("name", PRESENT)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command of the table that is installed carries its name and a help page."""
    command = Tour().get_command(click.Context(Tour()), name)
    assert command is not None
    assert command.name == name
    text = out(capsys, name, "--help")
    assert text.startswith(f"Usage: 2lbms {name} ")
    assert command.help


def test_a_missing_module_breaks_only_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A command whose module is not installed stays in the tour and says so when it is used."""
    tour = Tour({"gone": Entry("twolbms.cli.gone", "gone_command", "is not there", "See it")})
    assert "gone  is not there" in tour.get_help(click.Context(tour))
    with pytest.raises(click.ClickException, match="gone is not part of this installation"):
        tour.get_command(click.Context(tour), "gone")


def test_a_fault_inside_a_module_is_not_called_missing(tmp_path, monkeypatch) -> None:
    """A command that needs a package which is not there says which package, not that the command is missing."""
    (tmp_path / "needing_command.py").write_text("import no_such_package_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    tour = Tour({"needing": Entry("needing_command", "x", "needs more", "See it")})
    with pytest.raises(ModuleNotFoundError, match="no_such_package_at_all"):
        tour.get_command(click.Context(tour), "needing")
    assert tour.get_command(click.Context(tour, resilient_parsing=True), "needing") is None


@pytest.mark.parametrize(("typed", "hint"), [
    ("senario", 'no command is called "senario"; did you mean scenario?'),
    ("exprot", 'no command is called "exprot"; did you mean export?'),
    ("qqq", 'no command is called "qqq"\n'),
])
def test_a_misspelt_command(typed: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that does not exist is refused with the one that was likely meant."""
    assert run([typed]) == 2
    assert hint in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is that of the installed distribution."""
    from importlib.metadata import version
    assert out(capsys, "--version") == f"2lbms {version('2lbms')}\n"
