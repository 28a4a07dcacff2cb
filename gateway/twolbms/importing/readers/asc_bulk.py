"""Vector ASC text in bulk: hexadecimal frames of classic CAN as a matrix, everything else by `asc.AscReader`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from twolbms.decode.table import FrameTable
from twolbms.importing.frames import Damage
from twolbms.importing.readers.asc import AscReader
from twolbms.importing.readers.lines_bulk import Format, LineTable, Shape
from twolbms.importing.readers.tables import table_of

_PATTERN = re.compile(
    rb"[ \t]*(\d{1,11})\.(\d{1,9})[ \t]+(\d{1,3})[ \t]+([0-9A-F]{1,8})(x?)[ \t]+(?:rx|tx)[ \t]+d[ \t]+([0-8])"
    rb"((?:[ \t]+[0-9A-F]{2}(?=\s|$))*)(?:\s.*)?", re.IGNORECASE | re.DOTALL
)
_BYTE = re.compile(rb"[0-9A-F]{2}", re.IGNORECASE)
_BASE_LINE = re.compile(rb"^\s*base\s", re.MULTILINE | re.IGNORECASE)
_FRAME_LINE = re.compile(rb"^[ \t]*\d+\.\d+[ \t]+\d+[ \t]", re.MULTILINE)


def read_asc_tables(chunks: Iterator[bytes], damage: Damage) -> Iterator[FrameTable]:
    """The frames of each chunk of whole lines, as `AscReader.read` gives them."""
    reader = AscReader(damage)
    form = Format(_PATTERN, lambda found: _shape(found, reader), reader.line)
    number = 0
    for chunk in chunks:
        if number == 0:
            reader.look_at_channels(chunk)
        for part in _parts(chunk):
            if not reader.plain_hex or _BASE_LINE.search(part):
                lines = part.split(b"\n")
                frames = [found for row, line in enumerate(lines) if (found := reader.line(line, number + row + 1))]
                number += len(lines) - 1
                table = table_of(frames) if frames else None
            else:
                parsed = LineTable(part, number, form)
                _leave_clock(parsed, number, reader)
                number += len(parsed.table.time_ns)
                table = parsed.frames()
            if table is not None and len(table.time_ns):
                yield table


def _parts(chunk: bytes) -> list[bytes]:
    """The lines before the first frame, which may say how numbers are written, and the rest."""
    first = _FRAME_LINE.search(chunk)
    cut = first.start() if first else 0
    return [part for part in (chunk[:cut], chunk[cut:]) if part]


def _shape(found: re.Match[bytes], reader: AscReader) -> Shape | None:
    length = int(found[6])
    places = [byte.start() for byte in _BYTE.finditer(found[0], *found.span(7))][:length]
    if len(places) < length:
        return None
    last = places[-1] + 2 if places else found.end(6)
    return Shape(range(*found.span(1)), range(*found.span(2)), range(*found.span(4)), bool(found[5]),
                 reader.bus(found[3].decode()), places, last + 1)


def _leave_clock(parsed: LineTable, number: int, reader: AscReader) -> None:
    """The plain reader's clock as if it had read all lines: a later `timestamps relative` counts on from it."""
    rows = parsed.frame_rows()
    if len(rows) and number + int(rows[-1]) + 1 > reader.last_number:
        reader.now_ns = int(parsed.table.time_ns[rows[-1]])
