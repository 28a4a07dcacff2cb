"""What a person watching the demonstration gets to see."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from twolbms.demo.show import TextShow, ViewShow, choose_show
from twolbms.demo.story import Story
from twolbms.journal.records import Event
from twolbms.outlets.local_tap import Tap
from twolbms.outlets.view.palette import ASCII, UNICODE

CLOSED = Event(0, "closed", "garage", {"text": "closed: asked by demo", "path": "both", "by": "demo"})


def test_text_tells_only_the_story() -> None:
    """Without a terminal the story's lines are printed as they come, and no other event."""
    file = io.StringIO()
    show, told = TextShow(UNICODE, file), Story().hear(CLOSED)
    assert told is not None
    show.happened(CLOSED)
    assert file.getvalue() == ""
    show.tell(told)
    assert file.getvalue() == told.as_text() + "\n"


def test_the_view_shows_events_and_the_story(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The view has events and story at its bottom, and nothing is printed into it."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    show, told, drawn = ViewShow(ASCII), Story().hear(CLOSED), []
    assert told is not None
    monkeypatch.setattr(show.screen, "draw", drawn.append)
    show.happened(Event(0, "allowance", "house", {"text": "noise"}))
    show.happened(Event(0, "heater", "house", {"text": "heater on"}))
    show.tell(told)
    show.note(0, "gateway 4711")
    tap = Tap(tmp_path / "none")
    tap.snapshot = {"site": "demo", "packs": {}}
    show.draw(tap, 1.0)
    text = "\n".join(line.plain for line in drawn[0])
    assert "house: heater on" in text and "noise" not in text and "gateway 4711" in text
    assert "A person asks the garage to close, and it begins to charge. (garage: closed: asked by demo)" in text


def test_text_for_plain_terminals() -> None:
    """Where the locale promises only ASCII the story is told in it."""
    file = io.StringIO()
    TextShow(ASCII, file).say("heater on at -1.2 °C")
    assert file.getvalue() == "heater on at -1.2 C\n"


def test_json_keeps_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """With JSON on standard output the story goes to standard error."""
    choose_show(ASCII, as_json=True).say("a line")
    assert capsys.readouterr() == ("", "a line\n")


def test_no_terminal_no_view() -> None:
    """Where standard output is no terminal the story is text."""
    assert isinstance(choose_show(ASCII, as_json=False), TextShow)
