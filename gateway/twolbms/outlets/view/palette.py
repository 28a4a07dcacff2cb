"""The characters and the plain 16 colours of the view, and what each colour means.

Green: permitted. Yellow: beyond a warn tier. Red: beyond a limit, stale, or wrong. Grey: no data. Beside these only the
frame is coloured.
"""

from __future__ import annotations

from dataclasses import dataclass

PERMITTED = "green"
WARN = "yellow"
BAD = "bold red"
NO_DATA = "bright_black"
KNOWN = "none"
STRONG = "bold"
FRAME = "cyan"


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of characters, each one column wide."""

    full: str
    parts: str  # an eighth, two eighths … seven eighths of a column, from the left
    levels: str  # from empty to full, for one column a cell
    warn_tick: str
    limit_tick: str
    left_trip: str
    right_trip: str
    beyond_low: str
    beyond_high: str
    lowest: str
    highest: str
    line: str
    divide: str
    plus_minus: str
    degree: str
    dot: str
    ascii_only: bool = False

    def plain(self, text: str) -> str:
        """A text from elsewhere in characters that this set may use."""
        if not self.ascii_only:
            return text
        return text.replace("°C", "C").replace("±", "+-").encode("ascii", "replace").decode()


UNICODE = Glyphs(full="█", parts="▏▎▍▌▋▊▉", levels="▁▂▃▄▅▆▇█", warn_tick="┊", limit_tick="│", left_trip="▕",
                 right_trip="▏", beyond_low="◀", beyond_high="▶", lowest="▼", highest="▲", line="─", divide="│",
                 plus_minus="±", degree="°C", dot="·")
ASCII = Glyphs(full="#", parts="", levels="12345678", warn_tick=":", limit_tick="|", left_trip="[", right_trip="]",
               beyond_low="<", beyond_high=">", lowest="v", highest="^", line="-", divide="|", plus_minus="+-",
               degree="C", dot="-", ascii_only=True)
