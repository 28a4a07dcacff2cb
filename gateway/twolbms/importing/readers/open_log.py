"""Opens a log of any known format: its frames in batches, one by one or as numpy tables. Nothing is interpreted."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from twolbms.importing.frames import Damage, LogFrame
from twolbms.importing.readers.log_file import (
    Progress,
    UnreadableLog,
    is_gzipped,
    read_blocks,
    recognise,
    whole_lines,
)

if TYPE_CHECKING:
    from twolbms.decode.table import FrameTable

Chunks = Iterator[bytes]
Frames = Iterator[list[LogFrame]]


def read_frames(log: Path, damage: Damage, progress: Progress) -> Frames:
    """The frames of a log, a batch at a time. Raises UnreadableLog and OSError."""
    form, blocks = _begin(log, damage, progress)
    if form == "mf4":
        return _mf4_frames(log, blocks, damage, progress)
    if form == "blf":
        from twolbms.importing.readers.blf import read_blf

        return read_blf(blocks, damage)
    return _plain_text(form, damage)(whole_lines(blocks))


def read_tables(log: Path, damage: Damage, progress: Progress) -> Iterator[FrameTable]:
    """The same frames as numpy tables. Raises UnreadableLog and OSError."""
    form, blocks = _begin(log, damage, progress)
    if form == "mf4":
        return _mf4_tables(log, blocks, damage, progress)
    if form == "blf":
        from twolbms.importing.readers.blf_bulk import read_blf_tables

        return read_blf_tables(blocks, damage)
    chunks = whole_lines(blocks)
    if form == "candump":
        from twolbms.importing.readers import candump_bulk

        return candump_bulk.read_tables(chunks, damage)
    if form == "asc":
        from twolbms.importing.readers.asc_bulk import read_asc_tables

        return read_asc_tables(chunks, damage)
    from twolbms.importing.readers.tables import table_of

    return map(table_of, _plain_text(form, damage)(chunks))


def _begin(log: Path, damage: Damage, progress: Progress) -> tuple[str, Chunks]:
    """The format of a log, and its content from the first byte on."""
    blocks = read_blocks(log, damage, progress)
    head = next(blocks, b"")
    if not head:
        raise UnreadableLog("; ".join(damage.problems) or "is empty")
    return recognise(head, log), chain([head], blocks)


def _plain_text(form: str, damage: Damage) -> Callable[[Chunks], Frames]:
    if form == "candump":
        from twolbms.importing.readers.candump import read_lines

        return lambda chunks: read_lines(chunks, damage)
    if form == "asc":
        from twolbms.importing.readers.asc import AscReader

        return AscReader(damage).read
    if form == "trc":
        from twolbms.importing.readers.trc import TrcReader

        return TrcReader(damage).read
    from twolbms.importing.readers.csv_log import CsvReader

    return CsvReader(damage).read


def _mf4_tables(log: Path, blocks: Chunks, damage: Damage, progress: Progress) -> Iterator[FrameTable]:
    """asammdf reads the file where it lies; a gzipped one is unpacked onto the disk first."""
    from twolbms.importing.readers.mf4 import read_mf4_tables

    if not is_gzipped(log):
        yield from read_mf4_tables(log, damage, progress)
        return
    with tempfile.TemporaryDirectory(prefix="2lbms-import-") as folder:
        unpacked = Path(folder) / "log.mf4"
        with unpacked.open("wb") as file:
            for block in blocks:
                file.write(block)
        yield from read_mf4_tables(unpacked, damage, lambda done: None)


def _mf4_frames(log: Path, blocks: Chunks, damage: Damage, progress: Progress) -> Frames:
    from twolbms.importing.readers.tables import frames_of

    return map(frames_of, _mf4_tables(log, blocks, damage, progress))
