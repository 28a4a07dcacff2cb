"""The whole view for a terminal of a given size: as much detail as fits, and never a value that is no longer true."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from rich.text import Text

from twolbms.outlets.view.aged import Snapshot, aged
from twolbms.outlets.view.device import device_lines, short_device_lines
from twolbms.outlets.view.layout import column_width, cut, side_by_side
from twolbms.outlets.view.pack import SHORTEST_BAR, bar_room, pack_lines, short_pack_lines
from twolbms.outlets.view.palette import FRAME, NO_DATA, UNICODE, Glyphs
from twolbms.outlets.view.site import (
    GATEWAY_SILENT_AFTER_S,
    Told,
    alarm_lines,
    bank_lines,
    event_lines,
    health_lines,
    title_line,
)

NARROWEST_PACK = 58
"""Two packs stand side by side from 120 columns on."""

_MOST_CELL_COLUMNS = 4

Named = Sequence[tuple[str, Snapshot]]
DeviceLines = Callable[[str, Snapshot, int, Glyphs], list[Text]]


@dataclass(frozen=True, slots=True)
class Paper:
    """What the view is drawn on: size in characters, the characters, the time zone (None = the machine's)."""

    width: int = 80
    height: int = 24
    glyphs: Glyphs = UNICODE
    zone: tzinfo | None = None


def picture(snapshot: Snapshot | None, silent_s: float, events: Sequence[Told], paper: Paper,
            speed: float = 1.0) -> list[Text]:
    """At most `paper.height` lines of at most `paper.width` columns.

    `silent_s` is how long ago the snapshot came (or how long none came), in real seconds; `speed` turns it into the
    snapshot's own seconds.
    """
    title = title_line(snapshot, silent_s, paper.width, paper.glyphs, paper.zone)
    if snapshot is None:
        body = [Text(" nothing is known of the packs; is the gateway running? (2lbms run site.yaml)", NO_DATA)]
    elif silent_s >= GATEWAY_SILENT_AFTER_S:
        body = [_grey(line) for line in _body(aged(snapshot, silent_s * speed), events, paper)]
    else:
        body = _body(snapshot, events, paper)
    return [_fitting(line, paper) for line in [title, *body][:paper.height]]


def _fitting(line: Text, paper: Paper) -> Text:
    """Not wider than the paper, and for plain terminals without whatever names or texts brought in."""
    line = cut(line, paper.width)
    if paper.glyphs.ascii_only and not line.plain.isascii():
        line.plain = line.plain.encode("ascii", "replace").decode()
    return line


def _grey(line: Text) -> Text:
    return Text(line.plain, NO_DATA)


def _body(snapshot: Snapshot, events: Sequence[Told], paper: Paper) -> list[Text]:
    around = _around(snapshot, paper)
    room = paper.height - 1 - len(around) - min(len(events), 1)
    packs = _fit_packs(snapshot, paper, room)
    left = paper.height - 1 - len(around) - len(packs)
    told = event_lines(events[-left:], paper.width, paper.glyphs, paper.zone) if left > 0 else []
    return packs + around + told


def _around(snapshot: Snapshot, paper: Paper) -> list[Text]:
    """Alarms, banks and health, as far as they leave each pack its three shortest lines and each device its title."""
    lines = [*alarm_lines(snapshot, paper.width, paper.glyphs, paper.zone),
             *bank_lines(snapshot, paper.width, paper.glyphs), *health_lines(snapshot, paper.width, paper.glyphs)]
    kept = 3 * len(snapshot.get("packs") or {}) + len(snapshot.get("devices") or {})
    return [cut(line, paper.width) for line in lines[:max(paper.height - 1 - kept, 0)]]


def _fit_packs(snapshot: Snapshot, paper: Paper, room: int) -> list[Text]:
    lines: list[Text] = []
    for lines in _drawings(snapshot, paper):
        if len(lines) <= room:
            return lines
    kept = max(room - 1, 0)
    return [*lines[:kept], Text(f" {len(lines) - kept} lines more: make the window higher", NO_DATA)]


def _drawings(snapshot: Snapshot, paper: Paper) -> Iterator[list[Text]]:
    """Packs and devices from the most to the least detail."""
    packs, devices = (list((snapshot.get(key) or {}).items()) for key in ("packs", "devices"))
    abreast, width = _abreast(packs, paper)
    full, short = (_devices(devices, paper, lines) for lines in (device_lines, short_device_lines))
    counts = {name: 1 for name, _ in packs}
    while True:
        yield _pack_rows(packs, counts, width, abreast, paper) + full
        tallest = max(packs, key=lambda each: _cell_row_count(each[1], counts[each[0]]), default=None)
        if tallest is None or not _more_columns(tallest[1], counts[tallest[0]], width):
            break
        counts[tallest[0]] += 1
    strips = _pack_rows(packs, dict.fromkeys(counts, 0), width, abreast, paper)
    yield strips + full
    yield strips + short
    yield _rows([short_pack_lines(name, pack, width, paper.glyphs) for name, pack in packs], abreast, paper) + short


def _pack_rows(packs: Named, counts: dict[str, int], width: int, abreast: int, paper: Paper) -> list[Text]:
    """All packs, the cells of each in as many columns as `counts` says."""
    return _rows([pack_lines(name, pack, width, counts[name], paper.glyphs) for name, pack in packs], abreast, paper)


def _devices(devices: Named, paper: Paper, lines: DeviceLines) -> list[Text]:
    abreast, width = _abreast(devices, paper)
    return _rows([lines(name, device, width, paper.glyphs) for name, device in devices], abreast, paper)


def _abreast(blocks: Named, paper: Paper) -> tuple[int, int]:
    """How many stand side by side, and how wide each is."""
    abreast = max(1, min(len(blocks), (paper.width + 3) // (NARROWEST_PACK + 3)))
    return abreast, column_width(paper.width, abreast)


def _cell_row_count(pack: Snapshot, count: int) -> int:
    return -(-len(pack.get("cells_v") or []) // count)


def _more_columns(pack: Snapshot, count: int, width: int) -> bool:
    cells = len(pack.get("cells_v") or [])
    return count < min(_MOST_CELL_COLUMNS, cells) and bar_room(cells, count + 1, width) >= SHORTEST_BAR


def _rows(blocks: list[list[Text]], abreast: int, paper: Paper) -> list[Text]:
    lines: list[Text] = []
    for first in range(0, len(blocks), abreast):
        group = blocks[first:first + abreast]
        if abreast == 1:
            lines += group[0]
        else:
            group += [[] for _ in range(abreast - len(group))]
            lines += side_by_side(group, paper.width, paper.glyphs.divide, FRAME)
    return lines
