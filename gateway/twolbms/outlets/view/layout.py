"""Putting pieces of text on lines: wrapping, padding, side by side. Knows columns, nothing of batteries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text


def padded(text: Text, width: int) -> Text:
    """A copy that is exactly `width` columns."""
    copy = text.copy()
    copy.truncate(width, overflow="crop", pad=True)
    return copy


def flow(pieces: Iterable[Text], width: int, gap: str = "  ", indent: str = " ") -> list[Text]:
    """Pieces one after another, broken between pieces where a line is full; a long piece is cut."""
    lines: list[Text] = []
    line = Text()
    for piece in pieces:
        needed = line.cell_len + len(gap if line else indent) + piece.cell_len
        if line and needed > width:
            lines.append(line)
            line = Text()
        line.append(gap if line else indent)
        line.append_text(piece)
    if line:
        lines.append(line)
    return [cut(each, width) for each in lines]


def cut(text: Text, width: int) -> Text:
    """A copy of at most `width` columns."""
    copy = text.copy()
    copy.truncate(width, overflow="crop")
    return copy


def rule(left: Text, right: Text, width: int, line: str, style: str) -> Text:
    """`─ left ───── right ─`, `width` columns; the left part is cut when both do not fit."""
    room = width - right.cell_len - 6
    left = cut(left, max(room - 1, 1))
    fill = max(room - left.cell_len, 0)
    return Text.assemble((line + " ", style), left, (" " + line * fill + " ", style), right, (" " + line, style))


def columns(pieces: Sequence[Text], count: int, width: int, indent: str = " ") -> list[Text]:
    """Pieces in `count` columns, read downwards."""
    rows = -(-len(pieces) // count)
    each = (width - len(indent)) // count
    lines = []
    for row in range(rows):
        line = Text(indent)
        for piece in pieces[row::rows]:
            line.append_text(padded(piece, each))
        line.rstrip()
        lines.append(line)
    return lines


def side_by_side(blocks: Sequence[list[Text]], width: int, divide: str, style: str) -> list[Text]:
    """Blocks of lines next to each other, each as wide as the others, a divider between."""
    each = column_width(width, len(blocks))
    height = max(len(block) for block in blocks)
    lines = []
    for row in range(height):
        line = Text()
        for place, block in enumerate(blocks):
            if place:
                line.append(f" {divide} ", style)
            line.append_text(padded(block[row], each) if row < len(block) else Text(" " * each))
        lines.append(line)
    return lines


def column_width(width: int, count: int) -> int:
    """How wide each of `count` blocks may be."""
    return (width - 3 * (count - 1)) // count
