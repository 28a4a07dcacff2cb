"""What a person watching a demonstration gets: the live view on a terminal, lines of text elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from textwrap import wrap
from typing import IO, Protocol

from twolbms.demo.story import ToldLine, event_sentence
from twolbms.journal.records import Event
from twolbms.outlets.local_tap import Tap
from twolbms.outlets.view.palette import Glyphs
from twolbms.outlets.view.picture import picture
from twolbms.outlets.view.screen import Screen
from twolbms.outlets.view.site import Told

_DRAW_EVERY_S = 0.25
_REMEMBERED = 100
_QUIET = ("mark", "allowance")  # the gateway's notes to itself, and what the view shows anyway
_INDENT = " " * 10


class Show(Protocol):
    """Takes what happens; runs beside it."""

    def happened(self, event: Event) -> None:
        """An event, read back from the journal, that the story does not tell."""

    def tell(self, told: ToldLine) -> None:
        """A line of the story."""

    def say(self, text: str) -> None:
        """A line of the demonstration itself."""

    def note(self, time_ns: int, text: str) -> None:
        """A line of the demonstration itself that belongs among the events, with its wall time."""

    async def run(self, tap: Tap, speed: float) -> None:
        """Draws for ever."""


class TextShow:
    """Lines as they come."""

    def __init__(self, glyphs: Glyphs, file: IO[str] | None = None) -> None:
        self._glyphs = glyphs
        self._file = file or sys.stdout

    def happened(self, event: Event) -> None:
        """Events that are not told are not printed."""

    def tell(self, told: ToldLine) -> None:
        """Prints at once."""
        self.say(told.as_text())

    def say(self, text: str) -> None:
        """Prints at once."""
        print(self._glyphs.plain(text), file=self._file, flush=True)

    def note(self, time_ns: int, text: str) -> None:
        """Prints at once."""
        self.say(text)

    async def run(self, tap: Tap, speed: float) -> None:
        """Nothing to draw."""
        await asyncio.Event().wait()


class ViewShow:
    """The live view; what was said is printed when the terminal has been given back."""

    def __init__(self, glyphs: Glyphs) -> None:
        self.screen = Screen(glyphs)
        self._glyphs = glyphs
        self._events: deque[Told] = deque(maxlen=_REMEMBERED)
        self._said: list[str] = []
        self._drawing = True

    def happened(self, event: Event) -> None:
        """Remembers the event for the bottom of the view."""
        if event.kind not in _QUIET:
            self._events.append(Told(event.time_ns, event_sentence(event)))

    def tell(self, told: ToldLine) -> None:
        """Shows the line at the bottom of the view, and keeps it."""
        self._events.append(Told(told.event.time_ns, f"{told.line.lead} ({event_sentence(told.event)})"))
        self.say(told.as_text())

    def say(self, text: str) -> None:
        """Keeps the line until the terminal has been given back."""
        if self._drawing:
            self._said.append(text)
        else:
            print(self._wrapped(text), flush=True)

    def note(self, time_ns: int, text: str) -> None:
        """Shows it among the events, and keeps it."""
        self._events.append(Told(time_ns, text))
        self.say(text)

    def _wrapped(self, text: str) -> str:
        """Broken between words, each further line below the first one's words."""
        lines = [line for part in self._glyphs.plain(text).splitlines()
                 for line in wrap(part, self.screen.paper.width, subsequent_indent=_INDENT, initial_indent="")]
        return "\n".join(lines)

    async def run(self, tap: Tap, speed: float) -> None:
        """Draws four times a second until cancelled, then prints what was said."""
        try:
            with self.screen:
                while True:
                    self.draw(tap, speed)
                    await asyncio.sleep(_DRAW_EVERY_S)
        finally:
            self._drawing = False
            for text in self._said:
                print(self._wrapped(text), flush=True)

    def draw(self, tap: Tap, speed: float) -> None:
        """One picture."""
        told: Sequence[Told] = list(self._events)
        self.screen.draw(picture(tap.snapshot, tap.silent_s, told, self.screen.paper, speed))


def choose_show(glyphs: Glyphs, as_json: bool) -> Show:
    """The view where there is a terminal to draw on; with JSON on standard output the text goes to standard error."""
    if as_json:
        return TextShow(glyphs, sys.stderr)
    view = ViewShow(glyphs)
    return view if view.screen.usable else TextShow(glyphs)
