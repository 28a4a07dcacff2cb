"""Reads a whole journal folder and says in words what is not as it should be. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from twolbms.journal.block import SUMMARY, unpack_records
from twolbms.journal.boots import read_boots
from twolbms.journal.payload import NONSENSE
from twolbms.journal.records import FAMILIES
from twolbms.journal.scan import Piece, walk
from twolbms.journal.segments import is_file, segment_numbers, segment_path


def problems(folder: Path) -> list[str]:
    """One text a problem; none for a journal that can be read completely."""
    if not folder.is_dir():
        return [f"{folder}: no such folder"]
    texts = [*_misplaced(folder)]
    if (folder / "boots").is_file():
        texts += [f"boots: {bad} damaged lines" for bad in [read_boots(folder).bad_lines] if bad]
    for family in FAMILIES:
        numbers = segment_numbers(folder, family)
        for before, number in pairwise(numbers):
            if number != before + 1:
                texts.append(f"{family}: segments {before + 1} to {number - 1} are missing")
        for number in numbers:
            texts += _segment_problems(segment_path(folder, family, number), family, number == numbers[-1])
    return texts


def _misplaced(folder: Path) -> Iterator[str]:
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
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # unlinked by retention since it was listed
        return
    try:
        for piece in walk(fd):
            text = _piece_problem(piece, family)
            if text and not (piece.kind == "tail" and newest and _was_being_written(fd, piece)):
                yield f"{family}/{path.name} from byte {piece.offset} to {piece.end}: {text}"
    finally:
        os.close(fd)


def _was_being_written(fd: int, tail: Piece) -> bool:
    """A block caught in the middle of its write() is whole by the next look."""
    again = next(walk(fd, tail.offset), None)
    return again is None or again.kind == "block"


def _piece_problem(piece: Piece, family: str) -> str | None:
    if piece.header is None:
        return "damaged" if piece.kind == "damaged" else "no whole block at the end"
    if piece.header.family != family:
        return f"a block of family {piece.header.family}"
    if piece.header.kind == SUMMARY:
        return None
    try:
        unpack_records(piece.header, piece.payload)
    except NONSENSE as error:
        return f"cannot be unpacked: {error}"
    return None
