"""A memory card to write to: an ext4 file system of its own on a loop device, whose written blocks the kernel counts.

Its count has the file system's own journal in it, which /proc/PID/io has not. Where loop devices may not be mounted,
a plain folder takes its place and /proc/self/io counts the pages that this process gave to the disk.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_MIB = 256
_SECTOR = 512


class Card(NamedTuple):
    """Where to write, and the bytes written so far; asking syncs what is still in memory."""

    folder: Path
    written: Callable[[], int]


def _do(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def _loop_card(folder: Path) -> Iterator[Card]:
    image, mounted = folder / "image", folder / "card"
    with image.open("wb") as file:
        file.truncate(_MIB << 20)
    _do("mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
    mounted.mkdir()
    device = _do("losetup", "--find", "--show", image)
    try:
        _do("mount", "-o", "noatime", device, mounted)
        try:
            yield Card(mounted, lambda: _sectors(mounted, device) * _SECTOR)
        finally:
            _do("umount", mounted)
    finally:
        _do("losetup", "--detach", device)


def _sectors(mounted: Path, device: str) -> int:
    _do("sync", "--file-system", mounted)
    return int(Path("/sys/block", device.removeprefix("/dev/"), "stat").read_text().split()[6])


def _pages() -> int:
    os.sync()
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"]) or int(fields["wchar"])


@cache
def counts_blocks() -> bool:
    """Whether the blocks of a card of its own can be counted on this machine."""
    try:
        with tempfile.TemporaryDirectory() as folder, _loop_card(Path(folder)) as card:
            before = card.written()
            with (card.folder / "a").open("wb") as file:
                file.write(bytes(8192))
            return card.written() - before >= 8192
    except (OSError, subprocess.CalledProcessError):
        return False


@contextlib.contextmanager
def card() -> Iterator[Card]:
    """An empty card, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        if counts_blocks():
            with _loop_card(Path(folder)) as one:
                yield one
        else:
            yield Card(Path(folder), _pages)
