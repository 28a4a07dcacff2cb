"""Candump text in bulk, as numpy tables: the same log as `candump.read_lines` gives, line for line. Needs numpy."""

from __future__ import annotations

import re
from collections.abc import Iterator

from twolbms.decode.table import FrameTable
from twolbms.importing.frames import Damage, LogFrame
from twolbms.importing.readers.candump import looks_cut, parse_line
from twolbms.importing.readers.lines_bulk import Format, LineTable, Shape

_PATTERN = re.compile(
    rb"\((\d{1,11})\.(\d{1,9})\) ([!-~]+) ([0-9A-Fa-f]{3}|[0-9A-Fa-f]{8})#((?:[0-9A-Fa-f]{2}){0,8})(?: [RT])?\r?"
)


def read_tables(chunks: Iterator[bytes], damage: Damage) -> Iterator[FrameTable]:
    """The frames of each chunk of whole lines; what is no frame is counted in `damage`."""
    def plain(line: bytes, number: int) -> LogFrame | None:
        frame = None if not line or line.isspace() else parse_line(line)
        if frame is None and line and not line.isspace():
            damage.line(number)
        return frame

    number = 0
    form = Format(_PATTERN, _shape, plain)
    for chunk in chunks:
        lines = LineTable(chunk, number, form)
        if not chunk.endswith(b"\n"):
            _check_last_line(lines, number, damage)
        number += len(lines.table.time_ns)
        kept = lines.frames()
        if len(kept.time_ns):
            yield kept


def _shape(found: re.Match[bytes]) -> Shape:
    start, end = found.span(5)
    return Shape(range(*found.span(1)), range(*found.span(2)), range(*found.span(4)), len(found[4]) == 8,
                 found[3].decode("latin-1"), range(start, end, 2), len(found[0]))


def _check_last_line(lines: LineTable, number: int, damage: Damage) -> None:
    """As `candump.read_lines`: a last line without its end that lost data is no frame."""
    last = len(lines.table.time_ns) - 1
    if last < 0 or not lines.is_frame(last):
        return
    frame = parse_line(lines.line(last))
    if frame is not None and looks_cut(frame, lines.text.split(b"\n")[:-1]):
        lines.drop(last)
        damage.line(number + last + 1)
