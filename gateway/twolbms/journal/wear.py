"""How fast a journal grows, and what that costs a card: from the headers of its newest blocks and a counted model.

Knows no card and no words: bytes and seconds in, bytes and days out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from twolbms.journal.block import WITHOUT_RECORDS, Header
from twolbms.journal.records import FAMILIES
from twolbms.journal.scan import walk
from twolbms.journal.segments import segment_numbers, segment_path

NS = 10**9
DAY_S = 86_400
RECENT_S = DAY_S
PAGE = 4096
_COMMIT_PAGES = 3  # a commit of ext4's journal: descriptor, inode, commit
_ZEROED = 2.35  # each page is written as zeros and as records; room for 64 KiB costs a commit


class Growth(NamedTuple):
    """What a family has written in `seconds` of its newest records, and in how many syncs."""

    seconds: float
    bytes: int
    syncs: int

    def a_day(self, amount: float) -> float:
        """An amount of these seconds, for a whole day; 0 where there is nothing to tell from."""
        return amount / self.seconds * DAY_S if self.seconds else 0.0

    @property
    def bytes_a_day(self) -> float:
        """Bytes of the files that a day takes."""
        return self.a_day(self.bytes)

    @property
    def card_bytes_a_day(self) -> float:
        """Bytes that the card has to write for a day."""
        return self.a_day(self.syncs * card_bytes(self.bytes / self.syncs)) if self.syncs else 0.0


def card_bytes(written: float) -> float:
    """What a sync of so many bytes costs an ext4 card, in bytes: whole pages, and a share of the file system's journal.

    A model of what was counted on a loop device of ext4 (blocks of 4 KiB a sync; in brackets, the model): 1.2 (1.2),
    1.9 (1.9), 4.4 (4.4) for 300, 1500 and 6000 bytes, with room filled with zeros ahead; 9.0 (8.9) for 20,000 bytes,
    with room reserved ahead. The last page of a sync is written again by the next. `make bench` counts on the spot.
    """
    pages = written / PAGE
    return PAGE * min(1 + _ZEROED * pages, 1 + _COMMIT_PAGES + pages)


def growth(folder: Path, recent_s: float = RECENT_S) -> dict[str, Growth]:
    """The growth of each family in the newest records of the journal, of at most `recent_s` of monotonic time.

    All families are counted over the same time, that of the family whose records reach back farthest; the time in which
    nobody wrote does not count.
    """
    headers = {family: [*_recent(folder, family, recent_s)] for family in FAMILIES}
    seconds = max(map(_covered_s, headers.values()), default=0.0)
    return {family: Growth(seconds, sum(header.size for header in found),
                           len({(header.boot_id, header.last_ns // NS) for header in found}))
            for family, found in headers.items()}


def _covered_s(headers: list[Header]) -> float:
    boots: dict[str, tuple[int, int]] = {}
    for header in headers:
        first_ns, last_ns = boots.get(header.boot_id, (header.first_ns, header.last_ns))
        boots[header.boot_id] = min(first_ns, header.first_ns), max(last_ns, header.last_ns)
    return sum(last_ns - first_ns for first_ns, last_ns in boots.values()) / NS


def _recent(folder: Path, family: str, recent_s: float) -> Iterator[Header]:
    """The headers of the newest segments, newest segment first, until they cover the time."""
    kept: list[Header] = []
    for number in reversed(segment_numbers(folder, family)):
        kept += _headers(segment_path(folder, family, number))
        if _covered_s(kept) >= recent_s:
            break
    newest = {boot_id: max(header.last_ns for header in kept if header.boot_id == boot_id)
              for boot_id in {header.boot_id for header in kept}}
    # Of several boots all is taken: their clocks do not compare, and each of them is shorter than the time asked for.
    return (header for header in kept if len(newest) > 1 or header.last_ns > newest[header.boot_id] - recent_s * NS)


def _headers(path: Path) -> list[Header]:
    found: list[Header] = []

    def note(header: Header) -> bool:
        if header.kind not in WITHOUT_RECORDS:
            found.append(header)
        return False

    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:  # unlinked by retention since it was listed, or no file of ours
        return []
    try:
        for _ in walk(fd, 0, note):
            pass
    except OSError:
        pass
    finally:
        os.close(fd)
    return found
