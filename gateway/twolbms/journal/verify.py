"""Reads a whole journal folder and says in words what is not as it should be. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from twolbms.journal.block import (
    HEADER_SIZE,
    WITHOUT_RECORDS,
    Header,
    read_header,
    unpack_frame_columns,
    unpack_records,
)
from twolbms.journal.boots import read_boots
from twolbms.journal.payload import NONSENSE
from twolbms.journal.records import FAMILIES
from twolbms.journal.scan import Piece, walk
from twolbms.journal.segments import is_file, segment_numbers, segment_path


def problems(folder: Path, newest: int | None = None) -> list[str]:
    """One text a problem; none for a journal that can be read completely.

    With `newest` only so many segments of each family are read, from the end.
    """
    if not folder.is_dir():
        return [f"{folder}: no such folder"]
    texts = [*misplaced(folder)]
    if (folder / "boots").is_file():
        texts += [f"boots: {bad} damaged lines" for bad in [read_boots(folder).bad_lines] if bad]
    for family in FAMILIES:
        texts += missing(folder, family)
        numbers = segment_numbers(folder, family)
        for number in numbers if newest is None else numbers[-newest:]:
            texts += _segment_problems(segment_path(folder, family, number), family, number == numbers[-1])
    return texts


def missing(folder: Path, *families: str) -> Iterator[str]:
    """Segments that are not there though older and newer ones are; of all families when none is named."""
    for family in families or FAMILIES:
        for before, number in pairwise(segment_numbers(folder, family)):
            if number != before + 1:
                yield f"{family}: segments {before + 1} to {number - 1} are missing"


def misplaced(folder: Path) -> Iterator[str]:
    """What stands under a name of ours and is something else."""
    for name in ("boots", "lock"):
        if (folder / name).exists() and not is_file(folder / name):
            yield f"{name} is not a file"
    for family in FAMILIES:
        if (folder / family).exists() and not (folder / family).is_dir():
            yield f"{family} is not a folder"


def _segment_problems(path: Path, family: str, newest: bool) -> Iterator[str]:
    try:
        if not is_file(path):
            yield f"{family}/{path.name} is not a file"
            return
        for piece, problem, _ in examined(path, family, newest):
            if problem:
                yield f"{family}/{path.name} from byte {piece.offset} to {piece.end}: {problem}"
    except FileNotFoundError:  # unlinked by retention since it was listed
        return


class Examined(NamedTuple):
    """A piece of a segment; what is wrong with it, None where nothing is; its header, where only that is whole too."""

    piece: Piece
    problem: str | None
    header: Header | None


def examined(path: Path, family: str, newest: bool) -> Iterator[Examined]:
    """Every piece of a segment; OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        for piece in walk(fd):
            problem = _piece_problem(piece, family)
            if problem is not None and piece.kind == "tail" and newest and _was_being_written(fd, piece):
                problem = None
            yield Examined(piece, problem, piece.header or (_header_left(fd, piece) if problem else None))
    finally:
        os.close(fd)


def _header_left(fd: int, piece: Piece) -> Header | None:
    """The header of a stretch that is one block with a damaged payload."""
    header = read_header(os.pread(fd, HEADER_SIZE, piece.offset))
    return header if header is not None and header.size == piece.end - piece.offset else None


def _was_being_written(fd: int, tail: Piece) -> bool:
    """A block caught in the middle of its write() is whole by the next look."""
    again = next(walk(fd, tail.offset), None)
    return again is None or again.kind == "block"


def _piece_problem(piece: Piece, family: str) -> str | None:
    if piece.kind == "room":
        return None
    if piece.header is None:
        return "damaged" if piece.kind == "damaged" else "no whole block at the end"
    if piece.header.family != family:
        return f"a block of family {piece.header.family}"
    if piece.header.kind in WITHOUT_RECORDS:
        return None
    try:
        (unpack_frame_columns if family == "frame" else unpack_records)(piece.header, piece.payload)
    except NONSENSE as error:
        return f"cannot be unpacked: {error}"
    return None
