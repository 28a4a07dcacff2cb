"""Databases without cantools: what it parsed once is kept in the user's cache, by a hash of the DBC's text.

A cache that is damaged, written by another user or another version, or cannot be written is passed over; the file is
then parsed as if there were none. It holds JSON, which is only read as data.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from twolbms.decode.database import ALL_BITS, CompiledDatabase, assemble, read_dbc
from twolbms.decode.message import CompiledMessage, Shared, check_pages
from twolbms.decode.parse import parse_messages
from twolbms.decode.signals import Signal

_VERSION = "1"  # to be raised whenever `parse` takes over something else, or `_row` writes it otherwise
_MOST_FILES = 64


def database_from(path: Path, *, id_mask: int = ALL_BITS, strict: bool = True) -> CompiledDatabase:
    """The compiled database of a DBC file, as `compile_database` gives it; the cache is used and kept.

    Raises DatabaseError, which names the file and says what to do.
    """
    text = read_dbc(path)
    key = _key(text, strict)
    folder = cache_folder()
    messages = _load(folder / f"{key}.json", key) if folder else None
    if messages is None:
        messages = parse_messages(text, str(path), strict)
        if folder:
            _store(folder / f"{key}.json", key, messages)
    return assemble(messages, text, str(path), id_mask)


def remembered_database(path: Path, *, id_mask: int = ALL_BITS) -> CompiledDatabase | None:
    """The compiled database of a DBC file that `database_from` has kept, else None. Parses nothing, writes nothing.

    Raises DatabaseError for a file that cannot be read as text.
    """
    text = read_dbc(path)
    key, folder = _key(text, True), cache_folder()
    messages = _load(folder / f"{key}.json", key) if folder else None
    return None if messages is None else assemble(messages, text, str(path), id_mask)


def _key(text: str, strict: bool) -> str:
    return sha256(f"{_VERSION}\0{strict}\0{text}".encode()).hexdigest()


def cache_folder() -> Path | None:
    """`$XDG_CACHE_HOME/twolbms`, or `~/.cache/twolbms`; None for a user without a home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():  # a relative one is to be ignored (XDG Base Directory Specification)
        return given / "twolbms"
    try:
        return Path.home() / ".cache" / "twolbms"
    except RuntimeError:
        return None


def _load(file: Path, key: str) -> list[CompiledMessage] | None:
    """The messages of a whole file of our own, None for any other."""
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            if status.st_uid != os.getuid() or status.st_mode & 0o022:  # somebody else could have written it
                return None
            head, _, body = opened.read().partition(b"\n")
        if head != _head(key, body):
            return None
        shared = Shared()
        return [_message(row, shared) for row in json.loads(body)]
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _store(file: Path, key: str, messages: Sequence[CompiledMessage]) -> None:
    """Whole or not at all. It need not survive a power cut: a damaged one is made anew."""
    body = json.dumps([_row(message) for message in messages], separators=(",", ":")).encode()
    fresh = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(_head(key, body) + b"\n" + body)
        fresh.replace(file)
        _drop_oldest(file.parent)
    except OSError:
        try:
            fresh.unlink(missing_ok=True)
        except OSError:
            return


def _head(key: str, body: bytes) -> bytes:
    return f"2lbms {key} {zlib.crc32(body):08x} {len(body)}".encode()


def _drop_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda each: each.stat().st_mtime)
    for file in files[:-_MOST_FILES]:
        file.unlink(missing_ok=True)


def _row(message: CompiledMessage) -> list[Any]:
    signals = [[s.name, s.start, s.length, s.order, s.signed, s.is_float, s.scale, s.offset, s.minimum, s.maximum,
                s.unit, s.comment, list(s.choices.items()), s.not_available, s.rounding]
               for s in message.signals.values()]
    return [message.name, message.frame_id, message.extended, message.length, message.cycle_time_s, message.comment,
            message.senders, signals, _tree_row(message.tree)]


def _message(row: list[Any], shared: Shared) -> CompiledMessage:
    name, frame_id, extended, length, cycle_time_s, comment, senders, signals, tree = row
    check_pages(tree := _tree(tree))
    return CompiledMessage(name, frame_id, extended, length, cycle_time_s, comment, tuple(senders),
                           {each[0]: _signal(each) for each in signals}, tree, shared)


def _signal(row: list[Any]) -> Signal:
    return Signal(*(*row[:12], dict(row[12]), tuple(row[13]), row[14]))


def _tree_row(tree: Any) -> list[Any]:
    """Pages as pairs, because the keys of a JSON object are texts."""
    return [item if isinstance(item, str) else
            [[name, [[number, _tree_row(page)] for number, page in pages.items()]] for name, pages in item.items()]
            for item in tree]


def _tree(row: list[Any]) -> list[Any]:
    return [item if isinstance(item, str) else
            {name: {number: _tree(page) for number, page in pages} for name, pages in item}
            for item in row]
