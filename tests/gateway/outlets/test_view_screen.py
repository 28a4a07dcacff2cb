"""The terminal the view is drawn on: its characters, its colours, and giving it back."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from twolbms.outlets.view.palette import ASCII, UNICODE
from twolbms.outlets.view.screen import Screen, glyphs_for, shows_unicode


@pytest.mark.parametrize(("environment", "shows"), [
    ({"LANG": "de_DE.UTF-8"}, True), ({"LANG": "C.UTF-8"}, True), ({"LC_ALL": "en_GB.utf8"}, True),
    ({}, False), ({"LANG": "C"}, False), ({"LANG": "POSIX"}, False), ({"LANG": "de_DE.ISO-8859-1"}, False),
    ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, False), ({"LANG": "de_DE.UTF-8", "TERM": "dumb"}, False),
    ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False), ({"LANG": "C", "LC_CTYPE": "en_GB.UTF-8"}, True),
])
def test_characters_follow_the_locale(environment: dict[str, str], shows: bool) -> None:
    """More than ASCII is drawn only where locale and terminal promise it; Python's own C.UTF-8 is no promise."""
    assert shows_unicode(environment) is shows
    assert glyphs_for(environment) is (UNICODE if shows else ASCII)


def test_a_person_decides() -> None:
    """What is asked for on the command line wins over the locale."""
    assert glyphs_for({"LANG": "de_DE.UTF-8"}, True) is ASCII
    assert glyphs_for({}, False) is UNICODE


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """What one picture sends to a terminal of 40 by 10."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "40", "LINES": "10", **environment}.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    screen = Screen(UNICODE, file=terminal)
    assert screen.usable and (screen.paper.width, screen.paper.height) == (40, 10)
    with screen:
        screen.draw([Text("all well", "green"), Text("x" * 60)])
    return terminal.getvalue()


def test_only_plain_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a terminal of 256 colours green is the plain green of 16."""
    sent = drawn(monkeypatch)
    assert "\x1b[32mall well" in sent and "38;" not in sent


def test_no_colour_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR no colour is sent."""
    assert "\x1b[32m" not in drawn(monkeypatch, NO_COLOR="1")


def test_the_terminal_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The view has a screen of its own and leaves it, with the cursor shown again; long lines are cut, not wrapped."""
    sent = drawn(monkeypatch)
    assert sent.index("\x1b[?1049h") < sent.index("all well") < sent.index("\x1b[?1049l")
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l")
    assert "x" * 41 not in sent


@pytest.mark.parametrize("file", [io.StringIO(), Terminal()])
def test_no_terminal_to_draw_on(monkeypatch: pytest.MonkeyPatch, file: io.StringIO) -> None:
    """A file and a dumb terminal are not drawn on."""
    monkeypatch.setenv("TERM", "dumb")
    assert not Screen(ASCII, file=file).usable
