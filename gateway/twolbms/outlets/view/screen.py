"""The terminal the view is drawn on: which characters and colours it can show, its size, and drawing without flicker.

The only page of the view that knows a terminal. LANG=C, TERM=dumb and NO_COLOR are honoured.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import IO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from twolbms.outlets.view.palette import ASCII, UNICODE, Glyphs
from twolbms.outlets.view.picture import Paper

_C_LOCALES = ("", "C", "POSIX")


def shows_unicode(environment: Mapping[str, str]) -> bool:
    """Whether the locale and the terminal promise more than ASCII.

    Python itself turns an LC_CTYPE of "C" into "C.UTF-8" (PEP 538), so that this one value promises nothing.
    """
    if environment.get("TERM") == "dumb":
        return False
    kind = environment.get("LC_CTYPE", "")
    chosen = environment.get("LC_ALL") or (kind if kind != "C.UTF-8" else "") or environment.get("LANG", "")
    return chosen not in _C_LOCALES and "utf" in chosen.lower().replace("-", "")


def glyphs_for(environment: Mapping[str, str], ascii_only: bool | None = None) -> Glyphs:
    """The characters to draw with; `ascii_only` is a person's choice, None leaves it to the environment."""
    plain = not shows_unicode(environment) if ascii_only is None else ascii_only
    return ASCII if plain else UNICODE


class Screen:
    """Draws pictures over each other on a terminal, and gives the terminal back as it was."""

    def __init__(self, glyphs: Glyphs, zone: tzinfo | None = None, file: IO[str] | None = None) -> None:
        self.console = Console(color_system="standard", file=file, highlight=False, emoji=False, markup=False)
        self._glyphs = glyphs
        self._zone = zone
        self._live = Live(console=self.console, screen=True, auto_refresh=False, vertical_overflow="crop")

    @property
    def usable(self) -> bool:
        """Whether there is a terminal on which lines can be drawn over each other."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    @property
    def paper(self) -> Paper:
        """What there is to draw on at this moment."""
        return Paper(self.console.width, self.console.height, self._glyphs, self._zone)

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def draw(self, lines: Sequence[Text]) -> None:
        """Shows these lines in place of the last ones."""
        for line in lines:
            line.no_wrap = True
        self._live.update(Group(*lines), refresh=True)


def console_for(file: IO[str] | None = None) -> Console:
    """A console for text that stays: 16 colours on a terminal, none elsewhere or with NO_COLOR."""
    return Console(color_system="standard" if "TERM" in os.environ else None, file=file, highlight=False, emoji=False,
                   markup=False, soft_wrap=True)
