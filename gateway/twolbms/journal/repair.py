"""Mends a journal that nobody writes: what cannot be read is taken out of the way, and no record that can be is lost.

A damaged file is written anew beside the old one, synced, and then put in its place in one step; the old one stays as
`.bad`. It can be killed anywhere and done again: a journal that is right is left alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from twolbms.journal.block import HEADER_SIZE, is_of_later_version, pack_hole
from twolbms.journal.boots import good_lines
from twolbms.journal.lock import FolderLock
from twolbms.journal.records import FAMILIES
from twolbms.journal.segments import is_file, segment_numbers, segment_path, sync_folder
from twolbms.journal.verify import examined

_NEW, _BAD = ".new", ".bad"
_NO_BOOT = "0" * 32


class Mended(NamedTuple):
    """One thing that was done to a file, in words for people; `bad` is where the old one lies, None for none."""

    file: str
    text: str
    bad: str | None


def repair(folder: Path) -> list[Mended]:
    """Mends what can be; JournalBusyError while it is being written, OSError where the disk refuses."""
    lock = FolderLock(folder, _NO_BOOT)
    try:
        _remove_unfinished(folder)
        return [*_mend_boots(folder), *(done for family in FAMILIES for number in segment_numbers(folder, family)
                                        for done in _mend_segment(folder, family, number))]
    finally:
        lock.release()


def remove_bad(folder: Path) -> list[str]:
    """Removes the files that repairs have kept; their names. JournalBusyError while the journal is being written."""
    lock = FolderLock(folder, _NO_BOOT)
    try:
        kept = kept_bad(folder)
        for name in kept:
            (folder / name).unlink()
        return kept
    finally:
        lock.release()


def kept_bad(folder: Path) -> list[str]:
    """The files that repairs have kept, relative to the folder."""
    return [str(path.relative_to(folder)) for path in _beside(folder, f"*{_BAD}*")]


def _beside(folder: Path, pattern: str) -> list[Path]:
    places = [folder, *(folder / family for family in FAMILIES)]
    return sorted(path for place in places if place.is_dir() for path in place.glob(pattern) if path.is_file())


def _remove_unfinished(folder: Path) -> None:
    for path in _beside(folder, f"*{_NEW}"):
        path.unlink()


def _mend_boots(folder: Path) -> Iterator[Mended]:
    path = folder / "boots"
    if not path.exists() or not is_file(path):
        return
    lines, bad_lines = good_lines(path.read_bytes())
    if bad_lines:
        bad = _replace(path, b"".join(lines))
        yield Mended("boots", f"{bad_lines} damaged lines left out, {len(lines)} boots kept", bad)


def _mend_segment(folder: Path, family: str, number: int) -> Iterator[Mended]:
    path = segment_path(folder, family, number)
    if not is_file(path):
        return
    contents, holes, cut = _without_damage(path, family)
    if holes or cut:
        bad = _replace(path, contents)
        texts = [f"{holes} damaged stretches blanked"] if holes else []
        texts += [f"{cut} bytes without a whole block cut off its end"] if cut else []
        yield Mended(f"{family}/{path.name}", " and ".join(texts), f"{family}/{bad}")


def _without_damage(path: Path, family: str) -> tuple[bytes, int, int]:
    """What the file should hold, how many stretches become holes, and how many bytes go from its end.

    A hole is as long as what it replaces: a cursor that points behind it points at the same block as before.
    """
    raw = bytearray(path.read_bytes())
    boot_id, time_ns, holes, end = _NO_BOOT, 0, 0, len(raw)
    for piece, problem, _ in examined(path, family, newest=False):
        if piece.kind == "tail":
            end = len(raw) if is_of_later_version(bytes(raw[piece.offset:piece.offset + HEADER_SIZE])) else piece.offset
        elif piece.kind == "room":
            end = piece.offset
        elif problem is not None and piece.end - piece.offset >= HEADER_SIZE:
            raw[piece.offset:piece.end] = pack_hole(family, boot_id, piece.end - piece.offset, time_ns)
            holes += 1
        elif problem is None and piece.header is not None:
            boot_id, time_ns = piece.header.boot_id, piece.header.last_ns
    cut = len(raw[end:].rstrip(b"\0"))
    return bytes(raw[:end]), holes, cut


def _replace(path: Path, contents: bytes) -> str:
    """Puts `contents` in the file's place, keeps the old file beside it, and gives that one's name."""
    new = path.with_name(path.name + _NEW)
    with new.open("wb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())
    bad = _keep(path)
    new.replace(path)
    sync_folder(path.parent)
    return bad.name


def _keep(path: Path) -> Path:
    """A second name for the file; one that an interrupted repair gave it already is taken."""
    for count in range(1, 10_000):
        bad = path.with_name(path.name + _BAD + (f".{count}" if count > 1 else ""))
        if bad.exists():
            if bad.samefile(path):
                return bad
            continue
        try:
            os.link(path, bad)
        except OSError:  # file systems of cards and sticks (FAT) know no second name
            copy = path.with_name(path.name + _NEW + _NEW)
            with contextlib.suppress(FileNotFoundError):
                copy.unlink()
            shutil.copyfile(path, copy)
            with copy.open("rb+") as file:
                os.fsync(file.fileno())
            copy.replace(bad)
        return bad
    raise OSError(f"{path}: there are 10,000 kept copies of it already")
